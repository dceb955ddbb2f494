//! What is to be done next.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher};
use std::net::IpAddr;

use super::facts::Role;
use super::policy::Deletion;
use super::record::{Effective, Epoch, Incarnation, Millis, Ordinal, Record, RunId};
use super::rules::{Rule, holds};
use crate::hash::fnv;

/// The next step of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Ask every pod how it is.
    Look,
    /// Put this on record, then go on with the same answers.
    Checkpoint(Box<Record>),
    /// Do these, side by side; what was answered before is then out of date.
    Act(Vec<Act>),
    /// A proof of acks on the primary, up to so many; then go on with the same
    /// answers.
    Prove {
        /// The primary.
        on: Incarnation,
        /// How many acknowledgements are asked for.
        acks: u8,
    },
    /// The reconcile is over.
    Settle(Settlement),
}

/// One exchange that changes a process, tied to what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act {
    /// The process. Another run id ends the exchange before anything is changed.
    pub on: Incarnation,
    /// The role and, of a replica, the upstream it must have.
    pub expect: Role,
    /// What it is told.
    pub order: Order,
}

/// What a process is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Follow nobody: the dead address of this epoch. Drops every `r-*` user,
    /// ends older acts and any pause.
    ToDead(Epoch),
    /// Be the primary. Drops every `r-*` user, ends older acts and any pause.
    Promote,
    /// Follow the primary at this address. Ends older acts.
    Attach(IpAddr),
    /// Set users for these replicas and drop those.
    Users {
        /// Who may log in.
        set: BTreeSet<RunId>,
        /// Who may not any more.
        drop: BTreeSet<RunId>,
    },
    /// Set the `min-replicas` settings.
    Configure(Effective),
    /// Let clients' writes wait for so long.
    Pause(Millis),
    /// Let them go on.
    Unpause,
    /// Send clients away, those that only listen too.
    KickClients,
}

impl Act {
    /// Tells it from others of the same reconcile.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0);
        self.hash(&mut digest);
        digest.0
    }
}

/// Over all bytes that are hashed, the same on every machine of one byte order.
struct Digest(u64);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = fnv(self.0.to_le_bytes().into_iter().chain(bytes.iter().copied()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Order {
    /// Whether `CLIENT KILL TYPE normal` goes with it, so that an older act that
    /// is still on its way dies with its connection.
    #[must_use]
    pub fn kills_clients(&self) -> bool {
        match self {
            Self::ToDead(_) | Self::Promote | Self::Attach(_) => !holds(Rule::ActKills, false),
            Self::KickClients => true,
            Self::Users { .. } | Self::Configure(_) | Self::Pause(_) | Self::Unpause => false,
        }
    }

    /// Whether every `r-*` user is dropped with it.
    #[must_use]
    pub fn drops_users(&self) -> bool {
        matches!(self, Self::ToDead(_) | Self::Promote) && !holds(Rule::ActDropsUsers, false)
    }
}

/// How it should be until something changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Settlement {
    /// What becomes of the read-write Service, if it is still as observed.
    pub service: Selection,
    /// How many pods there should be; none leaves that as it is.
    pub pods: Option<Ordinal>,
    /// A pod to delete.
    pub delete: Option<Deletion>,
    /// The claim to write the epoch on.
    pub mark: Option<(Ordinal, Epoch)>,
    /// When to look again, if nothing changes.
    pub again_ms: Option<Millis>,
    /// What a person should know.
    pub report: Option<Report>,
}

/// What becomes of the read-write Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// It stays as it is.
    #[default]
    Keep,
    /// It selects nobody.
    Close,
    /// It selects this pod.
    Select(Ordinal),
}

/// What is waited for, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Report {
    /// The operator is cut off from a primary that its replicas hear.
    CutOff(Incarnation),
    /// No proof yet that the primary takes no more writes.
    Unfenced {
        /// The primary.
        primary: Incarnation,
        /// Members that could still let it accept writes.
        reachable: Vec<Incarnation>,
    },
    /// Not enough members answer to know every confirmed write.
    TooFew {
        /// How many could be chosen.
        candidates: usize,
        /// How many must answer.
        needed: usize,
        /// Who does not.
        missing: Vec<Incarnation>,
    },
    /// A full restart waits for these to be proven dead.
    NotProvenDead(Vec<Incarnation>),
    /// The claim that decides is gone, or empty while others hold data.
    ClaimLost(Ordinal),
    /// These pods hold data that nothing on record explains.
    DataUnknown(Vec<Ordinal>),
    /// These pods do not answer yet.
    Awaited(Vec<Ordinal>),
    /// Several processes say they are primary, and nothing is on record.
    ManyPrimaries(Vec<Ordinal>),
    /// The target of a promotion is silent, and may be promoted.
    TargetSilent(Incarnation),
    /// So many followers still have to carry the new id.
    Opening(usize),
    /// An update would leave no replica in sync.
    UpdateBlocked,
    /// It goes on without a proof, or without all data.
    DataLossPossible,
    /// It is hibernated.
    Hibernated,
    /// It cannot hibernate without storage.
    CannotHibernate,
}

impl Report {
    /// Whether a failover waits for a person or for somebody to come back.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        matches!(
            self,
            Self::Unfenced { .. }
                | Self::TooFew { .. }
                | Self::NotProvenDead(_)
                | Self::ClaimLost(_)
                | Self::DataUnknown(_)
                | Self::Awaited(_)
                | Self::ManyPrimaries(_)
                | Self::TargetSilent(_)
        )
    }
}
