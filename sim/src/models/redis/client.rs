//! A connection that somebody opened to a server.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::resp::{Reply, Words};

/// One.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// What it calls itself.
    pub(super) name: String,
    /// None before it has logged in.
    pub(super) user: Option<String>,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) queued: Option<Queued>,
    pub(super) channels: BTreeSet<Vec<u8>>,
    pub(super) replica: Option<Replica>,
    /// What it announced before it became a replica.
    pub(super) announced: Announced,
    /// The offset after its last write.
    pub(super) wrote: u64,
    pub(super) waits: Option<Waits>,
    /// It is closed as soon as it has its answer.
    pub(super) closes: bool,
    /// What it has not been sent it is not sent any more.
    pub(super) is_killed: bool,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(super) struct Queued {
    pub(super) commands: Vec<Words>,
    /// One was refused.
    pub(super) failed: bool,
}

/// What a replica says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

/// What a client waits for.
#[derive(Clone, Debug)]
pub(super) enum Waits {
    /// So many replicas to have its last write, until then.
    Acks { wanted: usize, until: Option<Duration> },
    /// Writes to go on, as the one after so many others. The command is still in the input.
    Pause(u64),
}

/// A replica, as its primary sees it.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) stage: Stage,
    /// What it said it has, and when.
    pub(super) acked: u64,
    pub(super) acked_at: Duration,
}

/// How far the connection of a replica is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It gets a copy of all data, until then; what comes meanwhile is kept.
    Copying { until: Duration, copy: Vec<u8>, later: Vec<u8> },
    /// It has been sent the copy, and gets the rest when it says that it has it.
    Copied { later: Vec<u8> },
    /// It gets all that comes.
    Streaming,
}

impl Replica {
    pub(super) fn is_online(&self) -> bool {
        !matches!(self.stage, Stage::Copying { .. })
    }

    pub(super) fn state(&self) -> &'static str {
        if self.is_online() { "online" } else { "send_bulk" }
    }
}

impl Client {
    pub(super) fn new(id: u64, from: SocketAddr, to: SocketAddr, user: Option<String>) -> Self {
        Self {
            id,
            from,
            to,
            name: String::new(),
            user,
            input: Vec::new(),
            output: Vec::new(),
            queued: None,
            channels: BTreeSet::new(),
            replica: None,
            announced: Announced::default(),
            wrote: 0,
            waits: None,
            closes: false,
            is_killed: false,
        }
    }

    /// A replica is not answered: one that has it coming, as one whose rights are gone,
    /// is sent away.
    pub(super) fn answer(&mut self, reply: Reply) {
        let bytes = reply.into_bytes();
        if self.replica.is_none() {
            self.output.extend(bytes);
        } else if !bytes.is_empty() {
            (self.closes, self.is_killed) = (true, true);
        }
    }

    /// What `CLIENT LIST TYPE` calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self { replica: Some(_), .. } => "replica",
            Self { channels, .. } if !channels.is_empty() => "pubsub",
            _ => "normal",
        }
    }

    /// A line of `CLIENT LIST`.
    pub(super) fn told(&self) -> String {
        let flags = match self.kind() {
            "replica" => "S",
            "pubsub" => "P",
            _ if self.queued.is_some() => "x",
            _ if self.waits.is_some() => "b",
            _ => "N",
        };
        let Self { id, from, to, name, .. } = self;
        let user = self.user.as_deref().unwrap_or("default");
        format!(
            "id={id} addr={from} laddr={to} fd=8 name={name} age=0 idle=0 flags={flags} db=0 sub={} psub=0 user={user} redir=-1 resp=2\n",
            self.channels.len(),
        )
    }
}
