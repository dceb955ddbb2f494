//! What a scenario is: how it begins and what may go wrong.

use crate::world::Budget;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// Pods.
    pub pods: u8,
    /// W.
    pub min: u8,
    /// Whether data outlives a pod.
    pub storage: bool,
    pub available: bool,
    /// Answers come one after the other.
    pub torn: bool,
    /// Nobody is silent for long enough: only a proof begins a failover.
    pub early: bool,
    /// A disk may lack its last second.
    pub tail: bool,
    /// A restart keeps the replication id, and the offset of what is on disk.
    pub rdb: bool,
    /// Pods that are never to be primary, one bit each.
    pub never: u8,
    /// Also partitions where two nodes talk and the operator reaches one of them.
    pub odd: bool,
    /// Replicas link and load at once.
    pub eager: bool,
    pub start: Start,
    /// No pod is of the present revision.
    pub outdated: bool,
    pub edit: Edit,
    pub budget: Budget,
}

/// What was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A reign at rest; every pod holds one write.
    Established,
    /// Nothing has happened yet: pods have just started.
    Fresh,
    /// The record was lost, and all have restarted; claims have their epoch.
    Restored,
    /// The record was lost after a hand-over; nothing restarted.
    Forgotten,
    /// A primary with its replicas, of which nothing is on record or on claims.
    Skeleton,
    /// Nor do claims; the first pod's data is gone as well.
    Stranded,
}

/// How the resource may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    Nothing,
    /// W becomes this, and back.
    Min(u8),
    /// A request to hand over to this pod.
    Switchover(u8),
    /// So many replicas, with this W, and back.
    Replicas(u8, u8),
    /// Hibernated, and back.
    Hibernate,
}

/// Three pods, W = 1, at rest, and nothing goes wrong.
pub const NOTHING: Scenario = Scenario {
    name: "",
    pods: 3,
    min: 1,
    storage: true,
    available: false,
    torn: false,
    early: false,
    tail: false,
    rdb: false,
    never: 0,
    odd: false,
    eager: false,
    start: Start::Established,
    outdated: false,
    edit: Edit::Nothing,
    budget: Budget {
        faults: 0,
        crash: 0,
        lose: 0,
        tail: 0,
        blackout: 0,
        freeze: 0,
        cut: 0,
        late: 0,
        delete: 0,
        full: 0,
        vouch: 0,
        die: 0,
        writes: 0,
        pings: 0,
        edits: 0,
    },
};

/// Methods that set a field.
macro_rules! set {
    ($($name:ident: $kind:ty => $($field:ident).+;)*) => {
        $(pub const fn $name(mut self, value: $kind) -> Self {
            self.$($field).+ = value;
            self
        })*
    };
}

/// Methods that set a flag.
macro_rules! flag {
    ($($name:ident => $field:ident = $value:literal;)*) => {
        $(pub const fn $name(mut self) -> Self {
            self.$field = $value;
            self
        })*
    };
}

impl Scenario {
    set! {
        named: &'static str => name;
        pods: u8 => pods;
        min: u8 => min;
        start: Start => start;
        faults: u8 => budget.faults;
        crash: u8 => budget.crash;
        lose: u8 => budget.lose;
        tail: u8 => budget.tail;
        blackout: u8 => budget.blackout;
        freeze: u8 => budget.freeze;
        cut: u8 => budget.cut;
        late: u8 => budget.late;
        delete: u8 => budget.delete;
        full: u8 => budget.full;
        vouch: u8 => budget.vouch;
        never: u8 => never;
        die: u8 => budget.die;
        writes: u8 => budget.writes;
        pings: u8 => budget.pings;
    }

    flag! {
        memory_only => storage = false;
        available => available = true;
        torn => torn = true;
        early => early = true;
        tail_matters => tail = true;
        odd => odd = true;
        rdb => rdb = true;
        eager => eager = true;
        outdated => outdated = true;
    }

    /// Changed so, and so often.
    pub const fn edit(mut self, edit: Edit, times: u8) -> Self {
        self.edit = edit;
        self.budget.edits = times;
        self
    }

    /// Any kind of fault.
    pub const fn any(self) -> Self {
        self.crash(2).lose(1).blackout(1).freeze(1).cut(1).late(1).delete(1).die(1).writes(1)
    }
}
