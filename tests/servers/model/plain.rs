//! Replies without what may differ between two servers of the same kind.

use operlet_redis::talk::users::PROBE_USER;

use super::{frame::Frame, names::Names};

/// Fields of INFO that are compared as they are.
const FIELDS: [&str; 38] = [
    "run_id",
    "tcp_port",
    "config_file",
    "loading",
    "async_loading",
    "aof_enabled",
    "maxmemory",
    "maxmemory_policy",
    "number_of_libraries",
    "pubsub_channels",
    "pubsub_patterns",
    "sync_full",
    "sync_partial_ok",
    "sync_partial_err",
    "role",
    "connected_slaves",
    "master_failover_state",
    "master_host",
    "master_port",
    "master_link_status",
    "slave_priority",
    "slave_read_only",
    "replica_announced",
    "master_replid",
    "master_replid2",
    "repl_backlog_active",
    "min_slaves_good_slaves",
    "db0",
    "db1",
    "db2",
    "db3",
    "db4",
    "db5",
    "db6",
    "db7",
    "db8",
    "db9",
    "db10",
];

/// What CONFIG GET is asked for.
const SETTINGS: [&str; 13] = [
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "min-slaves-to-write",
    "min-slaves-max-lag",
    "maxmemory",
    "maxmemory-policy",
    "appendonly",
    "appendfsync",
    "save",
    "proc-title-template",
    "masteruser",
    "masterauth",
    "replicaof",
];

/// Fields that are compared as to whether they are -1.
const SET_OR_NOT: [&str; 1] = ["second_repl_offset"];

/// Fields that are seconds since or until something.
const SECONDS: [&str; 2] = ["master_link_down_since_seconds", "master_last_io_seconds_ago"];

/// What one second is to clocks that tick apart.
const SECONDS_APART: i64 = 2;

/// What of a client is compared.
const OF_CLIENT: [&str; 9] = ["addr", "laddr", "name", "flags", "db", "sub", "psub", "user", "resp"];

/// What newer versions say, and what 7.0 does.
const WORDS: [(&str, &str); 3] = [
    ("Please also note that if a replica", "Please also note that since Redis 4.0 if a replica"),
    (
        "NOPERM No permissions to access a channel",
        "NOPERM this user has no permissions to access one of the channels used as arguments",
    ),
    (
        "NOPERM No permissions to access a key",
        "NOPERM this user has no permissions to access one of the keys used as arguments",
    ),
];

/// A reply as it is compared.
#[derive(Default)]
pub(crate) struct Plain {
    pub(crate) text: String,
    /// Numbers that are about the same.
    seconds: Vec<i64>,
    /// Whether a replica's offset is one of its own, where that can be told.
    resumes: Vec<Option<bool>>,
}

impl Plain {
    pub(crate) fn new(frame: &Frame, side: usize, names: &Names) -> Self {
        let mut plain = Self::default();
        let frame = plain.frame(frame, side, names);
        plain.text = frame.to_string();
        plain
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let apart = |(one, other): (&i64, &i64)| (one - other).abs() <= SECONDS_APART;
        super::names::anonymous(&self.text) == super::names::anonymous(&other.text)
            && self.seconds.len() == other.seconds.len()
            && self.seconds.iter().zip(&other.seconds).all(apart)
            && self
                .resumes
                .iter()
                .zip(&other.resumes)
                .all(|(one, other)| one == other || one.is_none() || other.is_none())
    }

    /// The lines that one has and the other has not.
    pub(crate) fn apart(&self, other: &Self) -> String {
        let lines = |one: &Self, other: &Self, who: &str| {
            let [one, other] = [one, other].map(|plain| super::names::anonymous(&plain.text));
            let lines = one.lines().filter(|line| !other.lines().any(|other| other == *line));
            lines.map(|line| format!("  {who}: {line}\n")).collect::<String>()
        };
        let seconds = format!(
            "  seconds: {:?}, in the model {:?}; offsets of their own: {:?}, in the model {:?}",
            self.seconds, other.seconds, self.resumes, other.resumes
        );
        lines(self, other, "really      ") + &lines(other, self, "in the model") + &seconds
    }

    fn frame(&mut self, frame: &Frame, side: usize, names: &Names) -> Frame {
        match frame {
            Frame::Line(line) => Frame::Line(worded(names.named(side, line))),
            Frame::Bulk(text) => {
                let text = names.named(side, text);
                match text.get(..3) {
                    Some("id=") => Frame::Bulk(clients(&text)),
                    _ if text.starts_with("# ") => Frame::Bulk(self.info(&text)),
                    _ => Frame::Bulk(text),
                }
            }
            Frame::Array(frames) => {
                let mut frames: Vec<Frame> =
                    frames.iter().map(|frame| self.frame(frame, side, names)).collect();
                role(&mut frames);
                settings(&mut frames);
                rights(&mut frames);
                // Users are in the order of their names.
                if frames.iter().any(|frame| frame.text() == Some(PROBE_USER)) {
                    frames.sort_by_key(ToString::to_string);
                }
                Frame::Array(frames)
            }
            other => other.clone(),
        }
    }

    fn info(&mut self, text: &str) -> String {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let (mut lines, mut replicas) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if FIELDS.contains(&name) {
                let value = value.split(",avg_ttl").next().unwrap_or_default();
                lines.push(format!("{name}:{value}"));
            } else if SET_OR_NOT.contains(&name) {
                lines.push(format!("{name}:{}", if value == "-1" { "-1" } else { "..." }));
            } else if SECONDS.contains(&name) {
                let seconds = value.parse().unwrap();
                lines.push(format!("{name}:{}", if seconds == -1 { "-1" } else { "..." }));
                self.seconds.push(seconds);
            } else if name == "slave_repl_offset" {
                // One that has read nothing says 1, which from 7.2 on may be what it has counted, too.
                let same = Some(value) == field("master_repl_offset");
                self.resumes.push((value != "1" || !same).then_some(same));
            } else if name.starts_with("slave") && value.starts_with("ip=") {
                let of = |name: &&str| ["ip", "port", "state"].contains(name);
                replicas.push(pairs(value, ',').filter(|(name, _)| of(name)).map(joined).collect());
            }
        }
        // Whoever reads it looks for names.
        lines.sort();
        replicas.sort();
        lines.extend(
            replicas.into_iter().map(|replica: Vec<String>| format!("replica:{}", replica.join(","))),
        );
        lines.join("\n")
    }
}

fn pairs(text: &str, between: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(between).filter_map(|pair| pair.split_once('='))
}

fn joined((name, value): (&str, &str)) -> String {
    format!("{name}={value}")
}

/// Offsets and the order of replicas are left out of what ROLE says, and how far one is
/// with its link: one that may not follow tries that again and again.
fn role(frames: &mut [Frame]) {
    match frames {
        [Frame::Bulk(role), offset @ Frame::Integer(_), Frame::Array(replicas)] if role == "master" => {
            *offset = Frame::Line("an offset".to_owned());
            for replica in replicas.iter_mut() {
                if let Frame::Array(parts) = replica {
                    parts.truncate(2);
                }
            }
            replicas.sort_by_key(ToString::to_string);
        }
        [Frame::Bulk(role), _, Frame::Integer(_), Frame::Bulk(state), Frame::Integer(offset)]
            if role == "slave" =>
        {
            if ["connecting", "handshake", "sync"].contains(&state.as_str()) {
                "connect".clone_into(state);
            }
            *offset = (*offset).clamp(-1, 0);
        }
        _ => {}
    }
}

/// What versions say in different words, in those of the oldest.
fn worded(line: String) -> String {
    let line = WORDS.iter().fold(line, |line, (newer, older)| line.replace(newer, older));
    match (line.split_once("NOPERM User "), line.split_once(" has no permissions")) {
        // Since 7.2 it is said who.
        (Some((before, _)), Some((_, after))) => {
            format!("{before}NOPERM this user has no permissions{after}")
        }
        _ => line,
    }
}

/// Settings come in no order.
fn settings(frames: &mut Vec<Frame>) {
    let is_name =
        |frame: &Frame| frame.text().is_some_and(|name| SETTINGS.contains(&name.to_lowercase().as_str()));
    if frames.len() > 2 && frames.len().is_multiple_of(2) && frames.chunks(2).all(|pair| is_name(&pair[0])) {
        let mut pairs: Vec<&[Frame]> = frames.chunks(2).collect();
        pairs.sort_by_key(|pair| pair[0].to_string());
        *frames = pairs.concat();
    }
}

/// Which commands a user may say is told by versions in words of their own, in no order.
/// That it may say them shows when it says them. That of payloads is said by some only of
/// users that were reset.
fn rights(frames: &mut [Frame]) {
    if let [Frame::Bulk(name), Frame::Array(flags), ..] = frames
        && name == "flags"
    {
        flags.retain(|flag| flag.text() != Some("sanitize-payload"));
    }
    for place in 1..frames.len() {
        if frames[0].text() == Some("flags") && frames[place - 1].text() == Some("commands") {
            frames[place] = Frame::Line("rights".to_owned());
        }
    }
}

/// Ports, and what changes from moment to moment, are left out of what CLIENT LIST says.
fn clients(text: &str) -> String {
    let client = |line: &str| {
        let of = pairs(line, ' ').filter(|(name, _)| OF_CLIENT.contains(name));
        let of = of.map(|(name, value)| match (name, value.rsplit_once(':')) {
            ("addr", Some((address, _port))) => joined((name, address)),
            _ => joined((name, value)),
        });
        of.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = text.lines().map(client).collect();
    lines.sort();
    lines.join("\n")
}
