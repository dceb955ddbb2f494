//! What is explored: how it begins and what may go wrong.

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
    /// A disk may lack its last second.
    pub tail: bool,
    /// Also partitions where two nodes talk and the operator reaches one of them.
    pub odd: bool,
    /// Replicas link and load at once.
    pub eager: bool,
    pub start: Start,
    /// No pod is of the present revision.
    pub outdated: bool,
    pub edit: Edit,
    pub budget: Budget,
    /// At most so many states in the default set.
    pub default_states: usize,
    /// At most so many in the full set.
    pub full_states: usize,
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
