//! Waits until the servers of both worlds have come to the same.

use std::{
    cmp::Ordering,
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::talk::info::Info;

use super::{
    frame::Frame,
    pair::{Difference, Pair},
    plain::Plain,
};

/// The two worlds must come to the same within this time.
const PATIENCE: Duration = Duration::from_secs(8);

/// A link that does not come about within this time does not come about.
const LINK: Duration = Duration::from_millis(2700);

const PAUSE: Duration = Duration::from_millis(15);

/// The keys that there are.
pub(crate) const KEYS: [&str; 6] = ["a", "b", "c", "d", "shop:1", "shop:2"];

/// Asks all servers, and waits until they say the same in both worlds.
#[derive(Default)]
pub(crate) struct Settle {
    observers: Vec<Option<usize>>,
    /// How they were when it was last waited for a link in vain.
    in_vain: Vec<String>,
    /// A snapshot holds an offset from some time before, as it happens, and of one that was
    /// frozen it is chance which pings of its primary it has still heard.
    offsets_differ: bool,
}

impl Settle {
    pub(crate) fn new(servers: usize, has_snapshots: bool) -> Self {
        Self { observers: vec![None; servers], in_vain: Vec::new(), offsets_differ: has_snapshots }
    }

    /// What was in vain may come about now.
    pub(crate) fn hope(&mut self) {
        self.in_vain.clear();
    }

    /// Waits, and learns what is called differently.
    pub(crate) fn settle(&mut self, pair: &mut Pair) -> Result<(), Difference> {
        self.offsets_differ |= pair.frozen.contains(&true);
        let begun = Instant::now();
        loop {
            pair.listen()?;
            let answers = self.look(pair)?;
            let mut names = pair.names.clone();
            let differs = answers.iter().find_map(|(server, frames)| {
                let [real, model] = frames;
                real.iter().zip(model).find_map(|(real, model)| {
                    let plain = [Plain::new(real, 0, &names), Plain::new(model, 1, &names)];
                    let [one, other] = &plain;
                    let same = one.is_like(other) && names.learn([&one.text, &other.text]);
                    (!same).then(|| format!("server {server}\n{}", one.apart(other)))
                })
            });
            let offsets = [0, 1].map(|side| offsets(&answers, side));
            let [real, model] = &offsets;
            let differs = differs.or_else(|| {
                (real != model && !self.offsets_differ)
                    .then(|| format!("offsets are\n  {real:?}\n  {model:?}"))
            });
            let elapsed = begun.elapsed();
            if let Some(differs) = differs {
                if elapsed > PATIENCE {
                    return Err(Difference(format!("the servers do not come to the same: {differs}")));
                }
            } else {
                let state = state(&answers);
                let ready = (0..2).all(|side| is_ready(pair, &answers, side));
                if ready || elapsed > LINK || state == self.in_vain {
                    if !ready {
                        self.in_vain = state;
                    }
                    pair.names = names;
                    for (server, frames) in &answers {
                        for side in [0, 1] {
                            let run = field(&frames[side][0], "run_id").unwrap_or_default();
                            run.clone_into(&mut pair.runs[side][*server]);
                        }
                    }
                    return Ok(());
                }
            }
            sleep(PAUSE);
        }
    }

    fn look(&mut self, pair: &mut Pair) -> Result<Answers, Difference> {
        let mut questions: Vec<Vec<String>> = ["AUTH observer any", "INFO", "DBSIZE", "ACL USERS"]
            .iter()
            .map(|question| question.split(' ').map(str::to_owned).collect())
            .collect();
        questions.extend(KEYS.iter().map(|&key| vec!["GET".to_owned(), key.to_owned()]));
        let mut answers = Vec::new();
        for (server, observer) in self.observers.iter_mut().enumerate() {
            if pair.running[server] && !pair.frozen[server] {
                let mut frames = pair.ask(observer, server, &questions)?;
                frames.iter_mut().for_each(|frames| drop(frames.remove(0)));
                answers.push((server, frames));
            }
        }
        Ok(answers)
    }

    /// Lets a server write down what it has.
    pub(crate) fn save(&mut self, pair: &mut Pair, server: usize) -> Result<(), Difference> {
        let save = ["AUTH observer any", "SAVE"].map(|words| words.split(' ').map(str::to_owned).collect());
        let begun = Instant::now();
        loop {
            let frames = pair.ask(&mut self.observers[server], server, &save)?;
            if frames.iter().all(|frames| frames[1].text() == Some("+OK")) {
                return Ok(());
            }
            // It may be at it already.
            if begun.elapsed() > PATIENCE {
                return Err(Difference(format!("it does not save: {}, {}", frames[0][1], frames[1][1])));
            }
            sleep(PAUSE);
        }
    }
}

/// What each running server answers in both worlds, INFO first.
type Answers = Vec<(usize, [Vec<Frame>; 2])>;

fn field<'a>(frame: &'a Frame, name: &str) -> Option<&'a str> {
    Info::read(frame.text()?).get(name)
}

/// Who has read further than whom of the same history.
fn offsets(answers: &Answers, side: usize) -> Vec<(usize, usize, Ordering)> {
    let of = |frames: &[Vec<Frame>; 2]| {
        let info = &frames[side][0];
        let offset = field(info, "master_repl_offset").and_then(|offset| offset.parse::<u64>().ok());
        (field(info, "master_replid").map(str::to_owned), offset)
    };
    let mut all = Vec::new();
    for (place, (server, frames)) in answers.iter().enumerate() {
        for (other, others) in &answers[place + 1..] {
            let ((id, offset), (other_id, other_offset)) = (of(frames), of(others));
            if id == other_id {
                all.push((*server, *other, offset.cmp(&other_offset)));
            }
        }
    }
    all
}

/// Whether no link is still to come about.
fn is_ready(pair: &Pair, answers: &Answers, side: usize) -> bool {
    answers.iter().all(|(server, frames)| {
        let info = &frames[side][0];
        if field(info, "loading") != Some("0") {
            return false;
        }
        if field(info, "role") == Some("master") {
            return true;
        }
        let host = field(info, "master_host").unwrap_or_default();
        let primary =
            answers.iter().find(|(server, _)| pair.worlds[side].address(*server).to_string() == host);
        let Some((_, primary)) = primary else { return true };
        // Only then it is sent what is written.
        let address = pair.worlds[side].address(*server).to_string();
        let Some(text) = primary[side][0].text() else { return false };
        let replica = Info::read(text).numbered("slave").find(|replica| {
            replica.get("ip").is_some_and(|ip| ip == address || ip.contains(&format!("-{address}.")))
        });
        field(info, "master_link_status") == Some("up")
            && replica.is_some_and(|replica| {
                replica.get("state") == Some("online") && replica.get("offset") != Some("0")
            })
    })
}

fn state(answers: &Answers) -> Vec<String> {
    let fields = [
        "run_id",
        "role",
        "master_host",
        "master_link_status",
        "connected_slaves",
        "rdb_changes_since_last_save",
    ];
    let of = |frames: &[Vec<Frame>; 2], side: usize| {
        fields.map(|name| format!("{name}:{} ", field(&frames[side][0], name).unwrap_or_default())).concat()
    };
    answers
        .iter()
        .map(|(server, frames)| format!("{server}: {} | {}", of(frames, 0), of(frames, 1)))
        .collect()
}
