//! What happens to the cluster of a Redis, and what people do with it.

use std::time::Duration;

use crate::chance::Chance;

/// Something that goes wrong, or is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// A server's process dies.
    Kill(Whom),
    /// A server's process dies, and its volume is lost.
    Empty(Whom),
    /// A server stands still for so long.
    Freeze(Whom, Duration),
    /// A pod is deleted.
    Delete(Whom),
    /// A pod's node has no power for so long.
    PowerCut(Whom, Duration),
    /// Two nodes do not reach each other for so long.
    Partition(Whom, Towards, Duration),
    /// The host crashes, and another one takes its place.
    Crash,
    /// The primary is to be another pod: a request of this number.
    Switchover(u64),
    /// There are to be so many replicas.
    Scale(u8),
    /// A setting is changed that needs no restart.
    Configure(&'static str),
    /// One that does.
    Roll(u64),
    /// The application gets another password.
    Rotate(u64),
    /// Another component takes over, which decides the same.
    Swap,
    /// It is to be left alone for so long.
    Pause(Duration),
}

/// What happens while something else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Nothing,
    /// The host crashes with this one of its writes.
    Crash(u64),
    /// Something else, after so long.
    Also(Incident, Duration),
}

/// Which of the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The one that is the primary then.
    Primary,
    /// Another one: so many after it.
    Other(u8),
}

/// From what a pod's node is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    /// The host.
    Host,
    /// The other nodes of the cluster.
    Pods,
    /// The host, the other nodes and the clients.
    All,
}

/// How long it lasts, mostly at most, and sometimes: until nodes are given up, and links.
const SPANS: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(90)];

/// How soon after something begins something else does, at most.
const SOON: Duration = Duration::from_secs(4);

/// With which of its writes a host crashes, at most.
const WRITES: u64 = 12;

impl Incident {
    /// The next one, by chance.
    pub(crate) fn by(chance: &mut Chance) -> Self {
        match chance.below(24) {
            0..4 => Self::Kill(Whom::by(chance)),
            4..6 => Self::Empty(Whom::by(chance)),
            6..9 => Self::Freeze(Whom::by(chance), span(chance)),
            9..11 => Self::Delete(Whom::by(chance)),
            11..13 => Self::PowerCut(Whom::by(chance), span(chance)),
            13..16 => {
                let towards = match chance.below(3) {
                    0 => Towards::Host,
                    1 => Towards::Pods,
                    _ => Towards::All,
                };
                Self::Partition(Whom::by(chance), towards, span(chance))
            }
            16 => Self::Pause(span(chance)),
            _ => Self::deliberate(chance),
        }
    }

    /// One that people want, or that does not concern the servers.
    fn deliberate(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0 => Self::Crash,
            1 | 2 => Self::Switchover(chance.below(1_000_000)),
            3 => Self::Scale(chance.below(4) as u8),
            4 if chance.below(2) == 0 => Self::Configure("noeviction"),
            4 => Self::Configure("allkeys-lru"),
            5 => Self::Roll(16 + chance.below(4)),
            6 => Self::Rotate(chance.below(1_000_000)),
            _ => Self::Swap,
        }
    }

    /// For how long it lasts.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::Freeze(_, time)
            | Self::PowerCut(_, time)
            | Self::Partition(_, _, time)
            | Self::Pause(time) => time,
            _ => Duration::ZERO,
        }
    }

    /// Whether a copy of the data may be lost by it.
    pub(crate) fn may_lose(self) -> bool {
        !matches!(
            self,
            Self::Partition(..)
                | Self::Crash
                | Self::Switchover(_)
                | Self::Configure(_)
                | Self::Rotate(_)
                | Self::Swap
                | Self::Pause(_)
        )
    }
}

impl Whom {
    fn by(chance: &mut Chance) -> Self {
        match chance.below(5) {
            0..3 => Self::Primary,
            other => Self::Other(other as u8 - 2),
        }
    }
}

impl Meanwhile {
    /// The next one, by chance.
    pub(crate) fn by(chance: &mut Chance) -> Self {
        match chance.below(4) {
            0 => Self::Crash(1 + chance.below(WRITES)),
            1 => Self::Also(Incident::deliberate(chance), chance.up_to(SOON)),
            _ => Self::Nothing,
        }
    }
}

fn span(chance: &mut Chance) -> Duration {
    let [mostly, sometimes] = SPANS;
    let longest = if chance.below(6) == 0 { sometimes } else { mostly };
    Duration::from_millis(200) + chance.up_to(longest)
}
