//! What a component says of itself.

use serde::Serialize;

use super::ResourceKind;

/// A kind that a component brings about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChildKind {
    /// The kind.
    pub resource: ResourceKind,
    /// Whether what was ensured and is no longer wanted may be deleted.
    pub prune: bool,
}

/// Versions of the state that a component keeps in `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateVersions {
    /// The version it writes.
    pub writes: u32,
    /// The versions it can read.
    pub reads: Vec<u32>,
}

/// Limits that a component asks for; none leaves the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestedLimits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU time of one call, in milliseconds.
    pub call_ms: Option<u32>,
    /// Wall time of one reconcile, in milliseconds.
    pub reconcile_ms: Option<u32>,
    /// Resources reconciled side by side.
    pub concurrency: Option<u32>,
}

/// What a component says of itself, with the meaning of `wit/reconciler.wit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// The component's name.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The contract version it was written against.
    pub contract: String,
    /// The kind it reconciles.
    pub primary: ResourceKind,
    /// The kinds it may name in intents.
    pub children: Vec<ChildKind>,
    /// Kinds it is shown but never writes.
    pub observed_only: Vec<ResourceKind>,
    /// Further kinds it may ask for.
    pub reads: Vec<ResourceKind>,
    /// TCP ports it wants to reach on pods it owns.
    pub ports: Vec<u16>,
    /// Whether resources get the host's finalizer.
    pub finalizer: bool,
    /// Versions of its state.
    pub state: StateVersions,
    /// Limits it asks for.
    pub limits: RequestedLimits,
}
