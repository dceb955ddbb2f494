//! What is on record in the status: the only memory that safety rests on.

use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Counts the reigns. 0 is none, [`BOOT`] the address that pods boot with.
pub type Epoch = u32;

/// The number in a pod's name.
pub type Ordinal = u8;

/// The epoch whose dead address pods boot with: 127.0.0.1.
pub const BOOT: Epoch = 1;

/// The `metadata.uid` of a pod: a UUID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

/// The `run_id` of a process, 40 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 20]);

/// A replication id, 40 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId(pub [u8; 20]);

/// One life of one process: a restart makes another, a recreated pod as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// The pod it runs in.
    pub pod: Ordinal,
    /// That pod's uid.
    pub uid: Uid,
    /// The process's run id.
    pub run: RunId,
}

/// The last confirmed primary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Primary {
    /// Which process.
    pub who: Incarnation,
    /// The replication id of its reign.
    pub replid: ReplId,
    /// The offset that its reign began with. A replica has the new id as soon as a
    /// partial resync begins, and what it lacked of the reign before only after.
    pub began: u64,
    /// Whether Q followers carry that id, so that the reign before is history.
    pub carried: bool,
    /// When its death was proven.
    pub dead: Option<Millis>,
}

/// What is known of a process that may hold writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follower {
    /// When its death was proven.
    pub dead: Option<Millis>,
    /// When it was first seen at the dead address of the present epoch, told so in a
    /// reconcile before: since then at the latest nothing reached it.
    pub told: Option<Millis>,
}

/// Processes that may hold writes of a reign.
pub type Followers = BTreeMap<Incarnation, Follower>;

/// What is known of a target that may have been promoted without a witness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Doubt {
    /// When its death was proven.
    pub dead: Option<Millis>,
    /// The replication id that it had when it was chosen: once promoted it is its
    /// second one.
    pub replid: ReplId,
}

/// Targets that may have been promoted without a witness.
pub type Doubtful = BTreeMap<Incarnation, Doubt>;

/// How far a change of primary has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Planned: the primary is paused until the target has all of its writes.
    HandOver,
    /// The old primary must be unable to accept writes.
    Fence,
    /// The target is to become the primary.
    Promote,
    /// The others are attached until W of them carry the new id.
    Open,
    /// Planned: clients that reached the old one late are sent away.
    Kick,
}

/// Why there is a new primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// There has never been one, or all data is gone.
    Bootstrap,
    /// The old one is suspected.
    Lost,
    /// It was asked for, or a pod had to go.
    Planned,
    /// As `Planned`; then every pod goes.
    Hibernate,
}

/// Who is promoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Which process.
    pub who: Incarnation,
    /// The replication id it had: once promoted it is its second one.
    pub replid: ReplId,
    /// The offset it had, at a dead address, where nothing moves it.
    pub offset: u64,
}

/// A change of primary that is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failover {
    /// The epoch at which it started. Other than the epoch it stays the same however
    /// often the fence is begun anew, so a person can speak of this failover.
    pub id: Epoch,
    /// How far it has come.
    pub phase: Phase,
    /// Why it is made.
    pub cause: Cause,
    /// The primary before.
    pub from: Option<Incarnation>,
    /// In `HandOver` and `Fence` who is wanted, from `Promote` on who it is.
    pub to: Option<Target>,
    /// Targets of earlier epochs that may have been promoted without a witness.
    pub doubtful: Doubtful,
    /// The pod whose data decides when there is no primary on record.
    pub claim: Option<Ordinal>,
    /// When it began.
    pub started_at: Millis,
    /// The request that it is made for.
    pub request: Option<u64>,
}

/// Hand-overs that failed, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failed {
    /// When the last one did.
    pub at: Millis,
    /// How many.
    pub times: u32,
}

/// The bound on what a primary without replicas can accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Effective {
    /// W: the lowest `min-replicas-to-write` possibly in force at the primary.
    pub min_replicas: u8,
    /// The highest `min-replicas-max-lag` possibly in force at the primary.
    pub max_lag_s: u32,
}

/// All that is on record.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The present reign; 0 before the first.
    pub epoch: Epoch,
    /// The last confirmed primary.
    pub primary: Option<Primary>,
    /// M: who may hold writes of this reign, besides the primary.
    pub followers: Followers,
    /// M of the reign before, while the present one is not carried.
    pub former: Followers,
    /// W and maxLag.
    pub effective: Effective,
    /// Q, as a proof of acks has shown it: every confirmed write is held by that
    /// many. It follows W only after W is on record, since until then a client may
    /// ask for less.
    pub proven: u8,
    /// The change that is under way.
    pub failover: Option<Failover>,
    /// Every pod was shut down in good order, the primary's data complete.
    pub hibernated: bool,
    /// The last request for a switchover that was dealt with.
    pub switched: Option<u64>,
    /// The hand-overs that failed since the last one that did not.
    pub failed: Option<Failed>,
    /// The last epoch that began without a proof that the primary before was off, or
    /// without all of its data.
    pub lossy: Option<Epoch>,
    /// Pods whose word by a person was taken already: it was about their process
    /// then, not about a later one.
    pub vouched: BTreeSet<Uid>,
}

impl Record {
    /// Q: how many followers are known to hold a confirmed write.
    #[must_use]
    pub fn quorum(&self) -> usize {
        usize::from(self.proven.max(1))
    }

    /// W, as a count.
    #[must_use]
    pub fn min_replicas(&self) -> usize {
        usize::from(self.effective.min_replicas)
    }

    /// The phase of the change that is under way.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.failover.as_ref().map(|failover| failover.phase)
    }
}
