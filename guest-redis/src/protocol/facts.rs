//! What the objects say, and what each process answered to the last question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::record::{Epoch, Millis, Ordinal, ReplId, RunId, Uid};
use super::step::Tried;

/// All that a step rests on besides the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The time when the reconcile began.
    pub now: Millis,
    /// The pods that exist.
    pub pods: BTreeMap<Ordinal, Pod>,
    /// The epochs that claims record (with emptyDir: that pods do).
    pub claims: BTreeMap<Ordinal, Epoch>,
    /// The read-write Service.
    pub service: Service,
    /// Run ids in the termination messages of containers, of departed pods too.
    pub ended: BTreeSet<RunId>,
    /// Pods of which a person says that their process is off for good.
    pub vouched: BTreeSet<Uid>,
    /// The id of the failover in which a person accepts the loss of writes.
    pub accept_loss: Option<Epoch>,
    /// For how long the primary has been silent. A hint.
    pub silent_ms: Millis,
    /// For how long the primary's pod has been going, or as good as for ever if it has
    /// little time left. A hint.
    pub going_ms: Millis,
    /// The last look at all pods; none if there was no look since the last act.
    /// A pod that gave no answer is not in it.
    pub answers: Option<BTreeMap<Ordinal, Answer>>,
    /// Pods that answered to that look, and not what was asked: their process is alive,
    /// and cannot be read.
    pub strangers: BTreeSet<Ordinal>,
    /// Pods whose address refused the question: nobody listens there.
    pub refusing: BTreeSet<Ordinal>,
    /// The proof of acks made after that look.
    pub proof: Option<Proof>,
    /// What was tried in this reconcile already.
    pub tried: BTreeSet<Tried>,
    /// What of that was carried out, as the replies say: then nothing that was sent
    /// to the same process before is still on its way.
    pub done: BTreeSet<Tried>,
}

/// A pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its uid.
    pub uid: Uid,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether its present container was Ready once.
    pub ready_once: bool,
    /// Whether it is of the StatefulSet's update revision.
    pub updated: bool,
    /// Its `replica-priority`; 0 is never elected.
    pub priority: u32,
}

/// The read-write Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// The pod it selects; none if it is closed.
    pub selects: Option<Ordinal>,
    /// The pod that its EndpointSlice names.
    pub endpoint: Option<Ordinal>,
}

/// What a process is told to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// Nobody: the dead address of an epoch.
    Dead(Epoch),
    /// The process at an address.
    Address(IpAddr),
    /// Something that nobody here told it.
    Other,
}

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It is a master.
    Primary,
    /// It is a replica of this.
    Replica(Upstream),
}

/// The link of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// Up; the last byte came so many seconds ago.
    Up {
        /// `master_last_io_seconds_ago`.
        io_age_s: u32,
    },
    /// Down, since so many seconds; none if it was never up.
    Down {
        /// `master_link_down_since_seconds`.
        since_s: Option<u32>,
    },
}

/// What a process answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Its run id.
    pub run: RunId,
    /// Its role.
    pub role: Role,
    /// Its link, if it is a replica.
    pub link: Link,
    /// Its replication id.
    pub replid: ReplId,
    /// Its second replication id.
    pub replid2: ReplId,
    /// Its offset.
    pub offset: u64,
    /// Whether it is loading its data.
    pub loading: bool,
    /// How much data it holds, in keys; 0 is empty.
    pub data: u64,
    /// Its replicas that are online, by the user each logged in as, with whether
    /// the lag is small.
    pub members: BTreeMap<RunId, bool>,
    /// The `r-*` users that it has.
    pub users: BTreeSet<RunId>,
    /// `min-replicas-to-write` in force.
    pub min_replicas: u8,
    /// `min-replicas-max-lag` in force.
    pub max_lag_s: u32,
}

impl Answer {
    /// Whether it is a replica at the dead address of this epoch.
    #[must_use]
    pub fn is_at_dead(&self, epoch: Epoch) -> bool {
        self.role == Role::Replica(Upstream::Dead(epoch))
    }
}

/// A proof of acks: a write of its own, and how many had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof {
    /// The process it was made on.
    pub run: RunId,
    /// How many replicas acknowledged; it stops at what was asked for.
    pub acks: u8,
}
