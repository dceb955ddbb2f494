//! What the resource asks for.

use super::record::{Effective, Millis, Ordinal, Uid};

/// What is given up when both cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Being available: a confirmed write is kept.
    #[default]
    Safe,
    /// Confirmed writes, after the timeouts.
    Available,
}

/// What the resource asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Safe or Available.
    pub mode: Mode,
    /// The followers beside the one primary.
    pub replicas: u8,
    /// W and maxLag as they should become.
    pub wanted: Effective,
    /// How long a primary must be silent to be suspected.
    pub detect_ms: Millis,
    /// How long Available waits for a proof.
    pub fence_timeout_ms: Millis,
    /// How long Available waits for lost data to come back.
    pub recovery_timeout_ms: Millis,
    /// How long a hand-over may take.
    pub switchover_timeout_ms: Millis,
    /// A request to hand over.
    pub switchover: Option<Request>,
    /// Whether data outlives a pod.
    pub storage: bool,
    /// Whether data outlives a process.
    pub persistent: bool,
    /// Whether nothing may be changed.
    pub paused: bool,
    /// Whether every pod should go and its data stay.
    pub hibernated: bool,
    /// Whether an update stops before the primary.
    pub pause_before_primary: bool,
}

impl Policy {
    /// The pods in all.
    #[must_use]
    pub fn pods(&self) -> Ordinal {
        self.replicas.saturating_add(1)
    }

    /// Whether it is asked to hibernate, and data would be there when it wakes.
    #[must_use]
    pub fn may_hibernate(&self) -> bool {
        self.hibernated && self.storage && self.persistent
    }
}

/// A request to hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// Tells one request from another.
    pub id: u64,
    /// The pod wanted, if a certain one.
    pub target: Option<Ordinal>,
}

/// A pod to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deletion {
    /// Its number.
    pub pod: Ordinal,
    /// Its uid.
    pub uid: Uid,
}
