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

/// What a process is told. Each ends whatever was sent to it before and is still on
/// its way: the last command kills all other connections of the operator's user,
/// which nothing else logs in as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Follow nobody: the dead address of this epoch. Drops every `r-*` user, and
    /// ends any pause.
    ToDead(Epoch),
    /// Be the primary, with these `min-replicas` settings. Drops every `r-*` user,
    /// and ends any pause.
    Promote(Effective),
    /// Follow the primary at this address.
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
    /// What is left of it once it was tried.
    #[must_use]
    pub fn tried(&self) -> Tried {
        let mut digest = Digest(0);
        self.hash(&mut digest);
        Tried { run: self.on.run, digest: digest.0 }
    }
}

/// An act that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tried {
    /// On which process.
    pub run: RunId,
    /// Tells it from others of the same reconcile.
    pub digest: u64,
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
    /// Whether `CLIENT KILL TYPE normal` goes with it: clients must look for the
    /// primary anew.
    #[must_use]
    pub fn kills_clients(&self) -> bool {
        match self {
            Self::ToDead(_) | Self::Promote(_) | Self::Attach(_) | Self::KickClients => true,
            Self::Users { .. } | Self::Configure(_) | Self::Pause(_) | Self::Unpause => false,
        }
    }

    /// Whether older acts that are still on their way die with their connections:
    /// always.
    #[must_use]
    pub fn ends_older(&self) -> bool {
        !holds(Rule::ActKills, false)
    }

    /// Whether it sets the `min-replicas` settings.
    #[must_use]
    pub fn settings(&self) -> Option<Effective> {
        match self {
            Self::Configure(effective) => Some(*effective),
            Self::Promote(effective) if !holds(Rule::PromoteSettings, false) => Some(*effective),
            _ => None,
        }
    }

    /// Whether every `r-*` user is dropped with it.
    #[must_use]
    pub fn drops_users(&self) -> bool {
        matches!(self, Self::ToDead(_) | Self::Promote(_)) && !holds(Rule::ActDropsUsers, false)
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
    /// Who has the latest writes is never to be primary.
    NeverElected(Incarnation),
    /// So many followers still have to carry the new id.
    Opening(usize),
    /// They have not for longer than data may take to come back.
    Unopened(usize),
    /// This pod is to be updated next, and cannot go yet.
    UpdateBlocked {
        /// The pod.
        pod: Ordinal,
        /// Pods that must be there and in sync first; none if it stops before the
        /// primary because it was asked to.
        awaited: Vec<Ordinal>,
    },
    /// A person asked for a switchover, and this pod cannot take over yet, or no pod can.
    SwitchoverAwaits(Option<Ordinal>),
    /// So many hand-overs failed, one after the other.
    SwitchoverFailed {
        /// How many.
        times: u32,
    },
    /// It goes on without a proof, or without all data.
    DataLossPossible,
    /// It is hibernated.
    Hibernated,
    /// It cannot hibernate without storage or persistence.
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
                | Self::NeverElected(_)
                | Self::Unopened(_)
        )
    }
}
