//! The same said in both worlds, and what is answered compared.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::talk::command::Commands;

use super::{
    frame::Frame,
    names::Names,
    number,
    plain::Plain,
    world::{Wire, World},
};

/// When one world has answered, the other must within this time.
const PATIENCE: Duration = Duration::from_millis(2500);

/// When neither has answered within this time, both let somebody wait.
const GRACE: Duration = Duration::from_millis(50);

const PAUSE: Duration = Duration::from_micros(300);

/// Whoever waits for replicas does so for less than this time.
const REST: Duration = Duration::from_millis(250);

/// So many lines of what was said last are told when something differs.
const TOLD: usize = 75;

/// The two worlds are not alike.
#[derive(Debug)]
pub(crate) struct Difference(pub(crate) String);

pub(crate) struct Pair {
    pub(crate) worlds: [Box<dyn World>; 2],
    pub(crate) names: Names,
    /// The run ids of the servers, by their places.
    pub(crate) runs: [Vec<String>; 2],
    pub(crate) running: Vec<bool>,
    pub(crate) frozen: Vec<bool>,
    links: BTreeMap<usize, Link>,
    last: usize,
    told: VecDeque<String>,
    told_max: usize,
}

/// A connection of one client in both worlds.
struct Link {
    server: usize,
    ends: [End; 2],
    /// Replies that are still to come.
    owed: usize,
    /// Replies that are taken from it, one by one, as they are.
    is_observer: bool,
    /// The last of its replies.
    last: Option<Frame>,
}

#[derive(Default)]
struct End {
    wire: Option<Wire>,
    bytes: Vec<u8>,
    frames: VecDeque<Frame>,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Both let it wait.
    Waits,
    /// Both closed the connection.
    Closed,
}

impl Pair {
    pub(crate) fn new(worlds: [Box<dyn World>; 2], servers: usize) -> Self {
        let addresses =
            [0, 1].map(|side: usize| (0..servers).map(|server| worlds[side].address(server)).collect());
        Self {
            worlds,
            names: Names::new(addresses),
            runs: [vec![String::new(); servers], vec![String::new(); servers]],
            running: vec![true; servers],
            frozen: vec![false; servers],
            links: BTreeMap::new(),
            last: 0,
            told: VecDeque::new(),
            told_max: number("OPERLET_MODEL_TOLD").map_or(TOLD, |count| usize::try_from(count).unwrap()),
        }
    }

    /// Connects to a server; none if it does not run.
    pub(crate) fn connect(&mut self, server: usize, is_observer: bool) -> Option<usize> {
        let real = self.worlds[0].connect(server, None);
        let model = self.worlds[1].connect(server, real.map(|(_, from)| from));
        assert_eq!((real.is_some(), model.is_some()), (self.running[server], self.running[server]));
        let ends = [real?, model?].map(|(wire, _)| End { wire: Some(wire), ..End::default() });
        self.last += 1;
        self.links.insert(self.last, Link { server, ends, owed: 0, is_observer, last: None });
        Some(self.last)
    }

    pub(crate) fn hang_up(&mut self, link: usize) {
        let Some(link) = self.links.remove(&link) else { return };
        for (world, end) in self.worlds.iter_mut().zip(link.ends) {
            if let Some(wire) = end.wire {
                world.hang_up(wire);
            }
        }
    }

    pub(crate) fn is_open(&self, link: usize) -> bool {
        self.links.get(&link).is_some_and(|link| link.ends.iter().all(|end| end.wire.is_some()))
    }

    /// Whether the last reply was an error that begins with this.
    pub(crate) fn is_refused(&self, link: usize, code: &str) -> bool {
        let last = self.links.get(&link).and_then(|link| link.last.as_ref()?.text());
        last.and_then(|text| text.strip_prefix('-')).is_some_and(|error| error.starts_with(code))
    }

    pub(crate) fn waits(&self, link: usize) -> bool {
        self.links.get(&link).is_some_and(|link| link.owed > 0)
    }

    /// What a word of a command is in a world.
    fn word(&self, side: usize, word: &str) -> String {
        let mut result = word.to_owned();
        for server in 0..self.running.len() {
            let address = self.worlds[side].address(server).to_string();
            result = result.replace(&format!("{{address:{server}}}"), &address);
            result = result.replace(&format!("{{run:{server}}}"), &self.runs[side][server]);
        }
        result
    }

    /// Commands as they are sent in a world.
    fn bytes(&self, side: usize, commands: &[Vec<String>]) -> Vec<u8> {
        let commands = commands.iter().fold(Commands::new(), |all, words| {
            let words: Vec<String> = words.iter().map(|word| self.word(side, word)).collect();
            all.then(words.iter().map(String::as_str).collect::<Vec<_>>())
        });
        commands.into_bytes()
    }

    /// Says commands at once. So many replies follow.
    pub(crate) fn say(
        &mut self,
        link: usize,
        commands: &[Vec<String>],
        replies: usize,
        cut: Option<usize>,
    ) -> Result<Outcome, Difference> {
        let words: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        let server = self.links[&link].server;
        self.tell(format!("server {server}, client {link}: {}", words.join("; ")));
        for side in [0, 1] {
            let bytes = self.bytes(side, commands);
            let wire = self.links[&link].ends[side].wire.expect("it is open");
            let (one, other) = bytes.split_at(cut.unwrap_or(0).min(bytes.len()));
            for part in [one, other] {
                if !part.is_empty() {
                    self.worlds[side].send(wire, part);
                }
            }
        }
        self.links.get_mut(&link).expect("it is there").owed += replies;
        self.hear(link)
    }

    /// Waits until both have answered, or neither.
    fn hear(&mut self, link: usize) -> Result<Outcome, Difference> {
        let begun = Instant::now();
        loop {
            self.pump();
            self.compare()?;
            let (is_even, elapsed) = (self.is_even(), begun.elapsed());
            match self.links.get(&link) {
                _ if !is_even && elapsed > PATIENCE => {
                    return Err(Difference(self.uneven()));
                }
                _ if !is_even => {}
                None => return Ok(Outcome::Closed),
                Some(link) if link.ends.iter().all(|end| end.wire.is_none()) => return Ok(Outcome::Closed),
                Some(link) if link.owed == 0 => return Ok(Outcome::Answered),
                Some(_) if elapsed > GRACE => return Ok(Outcome::Waits),
                Some(_) => {}
            }
            sleep(PAUSE);
        }
    }

    /// Hears what else there is.
    pub(crate) fn listen(&mut self) -> Result<(), Difference> {
        self.hear(0).map(|_| ())
    }

    /// Waits until nobody waits any more, or only for somebody else.
    pub(crate) fn rest(&mut self) -> Result<(), Difference> {
        let begun = Instant::now();
        while self.links.values().any(|link| link.owed > 0) && begun.elapsed() < REST {
            self.listen()?;
            sleep(PAUSE * 10);
        }
        Ok(())
    }

    /// Takes what has come.
    fn pump(&mut self) {
        for link in self.links.values_mut() {
            for (world, end) in self.worlds.iter_mut().zip(&mut link.ends) {
                let Some(wire) = end.wire else { continue };
                if !world.receive(wire, &mut end.bytes) {
                    world.hang_up(wire);
                    end.wire = None;
                }
                end.frames.extend(std::iter::from_fn(|| Frame::take(&mut end.bytes)));
            }
        }
    }

    /// Compares what both have answered.
    fn compare(&mut self) -> Result<(), Difference> {
        let mut frames = Vec::new();
        for (&number, link) in self.links.iter_mut().filter(|(_, link)| !link.is_observer) {
            let [real, model] = &mut link.ends;
            while let (Some(one), Some(other)) = (real.frames.front(), model.frames.front()) {
                frames.push((number, [one.clone(), other.clone()]));
                real.frames.pop_front();
                model.frames.pop_front();
                link.owed = link.owed.saturating_sub(1);
                link.last = frames.last().map(|(_, [real, _]): &(usize, [Frame; 2])| real.clone());
            }
        }
        for (link, frames) in frames {
            self.same(&format!("client {link}"), &frames)?;
        }
        Ok(())
    }

    /// Two answers must be the same but for names.
    pub(crate) fn same(&mut self, who: &str, frames: &[Frame; 2]) -> Result<(), Difference> {
        let [real, model] = [0, 1].map(|side: usize| Plain::new(&frames[side], side, &self.names));
        if real.is_like(&model) {
            self.tell(format!("   {who} is told {}", short(&frames[0])));
            return Ok(());
        }
        let [one, other] = frames.each_ref().map(short);
        self.tell(format!("   {who} is told {one}, by the model {other}"));
        Err(Difference(format!("{who} is told\n{}", real.apart(&model))))
    }

    fn is_even(&self) -> bool {
        self.links.values().all(|link| {
            let [real, model] = &link.ends;
            real.frames.len() == model.frames.len() && real.wire.is_some() == model.wire.is_some()
        })
    }

    fn uneven(&self) -> String {
        let mut text = "only one of the two has answered, or closed the connection:\n".to_owned();
        for (number, link) in &self.links {
            for (side, end) in ["really", "the model"].into_iter().zip(&link.ends) {
                let frames: Vec<String> = end.frames.iter().map(short).collect();
                let open = if end.wire.is_some() { "open" } else { "closed" };
                let rest = String::from_utf8_lossy(&end.bytes);
                let _ = writeln!(text, "  client {number}, {side}: {open}, {frames:?} {rest}");
            }
        }
        text
    }

    /// What both answer to an observer, not yet compared.
    pub(crate) fn ask(
        &mut self,
        observer: &mut Option<usize>,
        server: usize,
        questions: &[Vec<String>],
    ) -> Result<[Vec<Frame>; 2], Difference> {
        let begun = Instant::now();
        loop {
            let link = match *observer {
                Some(link) if self.is_open(link) => link,
                closed => {
                    self.listen()?;
                    closed.into_iter().for_each(|link| self.hang_up(link));
                    let link = self.connect(server, true).expect("it runs");
                    *observer = Some(link);
                    link
                }
            };
            for side in [0, 1] {
                let bytes = self.bytes(side, questions);
                let wire = self.links[&link].ends[side].wire.expect("it is open");
                self.worlds[side].send(wire, &bytes);
            }
            while self.is_open(link)
                && self.links[&link].ends.iter().any(|end| end.frames.len() < questions.len())
            {
                if begun.elapsed() > PATIENCE * 2 {
                    return Err(Difference(format!("server {server} does not answer\n{}", self.uneven())));
                }
                self.pump();
                sleep(PAUSE);
            }
            let link = self.links.get_mut(&link).expect("it is there");
            let frames = [0, 1].map(|side: usize| link.ends[side].frames.drain(..).collect::<Vec<Frame>>());
            if frames.iter().all(|frames| frames.len() == questions.len()) {
                return Ok(frames);
            }
            // Somebody sent it away; so the other will be, too.
            self.listen()?;
        }
    }

    pub(crate) fn tell(&mut self, what: String) {
        // What is asked again and again is told once.
        if self.told.iter().rev().take(2).any(|told| *told == what) {
            return;
        }
        self.told.push_back(what);
        while self.told.len() > self.told_max {
            self.told.pop_front();
        }
    }

    /// What was said last.
    pub(crate) fn told(&self) -> String {
        self.told.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

fn short(frame: &Frame) -> String {
    let text = frame.to_string().replace("\r\n", " ");
    text.chars().take(200).collect()
}
