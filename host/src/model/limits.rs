//! Bounds on what one component may use.

use std::time::Duration;

use super::RequestedLimits;

/// The limits in force for one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Time of one call.
    pub call: Duration,
    /// Wall time of one reconcile.
    pub reconcile: Duration,
    /// An observation's JSON together, in bytes.
    pub input_bytes: usize,
    /// A decision's JSON together, in bytes.
    pub output_bytes: usize,
    /// Objects in an observation, and intents in a decision.
    pub objects: usize,
    /// What a decision may hand over, in bytes.
    pub carry_bytes: usize,
    /// Lines of log a call.
    pub log_lines: u32,
    /// Calls of one reconcile.
    pub rounds: u32,
    /// Exchanges of one reconcile.
    pub exchanges: usize,
    /// Resources reconciled side by side.
    pub concurrency: u16,
}

/// A component's unpacked bytes; larger ones are refused before they are
/// compiled, which costs time and memory in proportion.
pub const COMPONENT_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 * 1024 * 1024,
            call: Duration::from_millis(250),
            reconcile: Duration::from_secs(10),
            input_bytes: 1024 * 1024,
            output_bytes: 4 * 1024 * 1024,
            objects: 512,
            carry_bytes: 64 * 1024,
            log_lines: 100,
            rounds: 32,
            exchanges: 256,
            concurrency: 16,
        }
    }
}

/// The most that a component may ask for: an Operlet may allow more, a component
/// by itself may not.
const MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Limits {
    /// The defaults, lowered to what a component says it needs.
    #[must_use]
    pub fn requested(requested: &RequestedLimits) -> Self {
        let default = Self::default();
        let memory = requested.memory_bytes.unwrap_or(MEMORY_BYTES_MAX).min(MEMORY_BYTES_MAX);
        Self {
            memory_bytes: usize::try_from(memory).unwrap_or(default.memory_bytes),
            call: lower(default.call, requested.call_ms),
            reconcile: lower(default.reconcile, requested.reconcile_ms),
            concurrency: requested
                .concurrency
                .and_then(|wanted| u16::try_from(wanted).ok())
                .map_or(default.concurrency, |wanted| wanted.clamp(1, default.concurrency)),
            ..default
        }
    }
}

fn lower(default: Duration, requested_ms: Option<u32>) -> Duration {
    requested_ms.map_or(default, |wanted| default.min(Duration::from_millis(u64::from(wanted))))
}
