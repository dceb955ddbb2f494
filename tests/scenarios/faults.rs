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
    /// The primary is to be another pod.
    Switchover,
    /// There are to be so many replicas.
    Scale(u8),
    /// A setting is changed that needs no restart.
    Configure,
    /// One that does.
    Roll,
    /// The application gets another password.
    Rotate,
    /// Another component takes over, which decides the same.
    Swap,
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

impl Incident {
    /// The next one, by chance.
    pub(crate) fn by(chance: &mut Chance) -> Self {
        let whom = |chance: &mut Chance| match chance.below(5) {
            0..3 => Whom::Primary,
            other => Whom::Other(other as u8 - 2),
        };
        let span = |chance: &mut Chance| Duration::from_millis(200 + chance.below(20_000));
        match chance.below(24) {
            0..4 => Self::Kill(whom(chance)),
            4..6 => Self::Empty(whom(chance)),
            6..9 => Self::Freeze(whom(chance), span(chance)),
            9..11 => Self::Delete(whom(chance)),
            11..13 => Self::PowerCut(whom(chance), span(chance)),
            13..16 => {
                let towards = match chance.below(3) {
                    0 => Towards::Host,
                    1 => Towards::Pods,
                    _ => Towards::All,
                };
                Self::Partition(whom(chance), towards, span(chance))
            }
            16 => Self::Crash,
            17 => Self::Switchover,
            18 => Self::Scale(1 + chance.below(3) as u8),
            19 => Self::Configure,
            20 => Self::Roll,
            21 => Self::Rotate,
            _ => Self::Swap,
        }
    }

    /// Whether a copy of the data may be lost by it.
    pub(crate) fn may_lose(self) -> bool {
        matches!(
            self,
            Self::Kill(_)
                | Self::Empty(_)
                | Self::Delete(_)
                | Self::PowerCut(..)
                | Self::Freeze(..)
                | Self::Scale(_)
                | Self::Roll
        )
    }
}
