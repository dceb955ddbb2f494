//! One call into a fresh instance, and how it may fail.

use std::time::Duration;

use tokio::sync::SemaphorePermit;
use wasmtime::Store;

use super::{
    Shared,
    meter::Exceeded,
    store::{CallContext, StoreData},
    ticker::Ticking,
    trap,
};
use crate::model::{Digest, Limits};

/// A call gave no answer that can be used. Whatever the reason, nothing of the
/// call is left, and nothing follows from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It panicked or did something impossible.
    #[error("the component trapped: {message}{}", in_frames(backtrace))]
    Trap {
        /// The panic's message, or what the engine says.
        message: String,
        /// The functions it was in, innermost first.
        backtrace: Vec<String>,
    },
    /// It computed too long.
    #[error("the component used more than {} ms of CPU time in one call (limit callTimeout)", limit.as_millis())]
    CpuTime {
        /// The limit.
        limit: Duration,
    },
    /// It got too little CPU time to come to an end.
    #[error(
        "the call did not end within {} ms (limit reconcileTimeout); it had only {} ms of CPU time, so \
         the host is short of CPU: raise its requests or lower its concurrency",
        limit.as_millis(), used.as_millis()
    )]
    WallTime {
        /// The limit.
        limit: Duration,
        /// The CPU time it had.
        used: Duration,
    },
    /// It wanted too much memory.
    #[error("the component wanted {wanted} bytes of memory, and the limit is {limit} (limit memory)")]
    Memory {
        /// The limit, in bytes.
        limit: usize,
        /// What it would have had, in bytes.
        wanted: usize,
    },
    /// There is too much to show it.
    #[error(
        "the observation has {bytes} bytes of JSON, and the limit is {limit}: the resource has brought \
         about too much, or its objects are too large"
    )]
    InputTooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// There is too much to show it.
    #[error(
        "the observation has {count} objects, and the limit is {limit}: the resource has brought about too much"
    )]
    TooManyObserved {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// It answered too much.
    #[error("the component's answer (or a line of its log) is larger than {limit} bytes, which is the limit")]
    OutputTooLarge {
        /// The limit.
        limit: usize,
    },
    /// It answered too many things.
    #[error("the component's answer has {count} {what}, and the limit is {limit}")]
    TooMany {
        /// Which things.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// It wants to hand over too much.
    #[error("the component hands over {bytes} bytes in `carry`, and the limit is {limit}")]
    CarryTooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It answered something that the contract does not allow.
    #[error("the component's answer breaks the contract: {field} {problem}")]
    InvalidOutput {
        /// Where in the decision.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The host could not make the call.
    #[error("the host could not call the component: {message}")]
    Host {
        /// Why.
        message: String,
    },
}

impl CallError {
    /// The class, for a metric's label.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::CpuTime { .. } => "cpu-time",
            Self::WallTime { .. } => "wall-time",
            Self::Memory { .. } => "memory",
            Self::InputTooLarge { .. } | Self::TooManyObserved { .. } => "input",
            Self::OutputTooLarge { .. } | Self::TooMany { .. } | Self::CarryTooLarge { .. } => "output",
            Self::InvalidOutput { .. } => "contract",
            Self::Host { .. } => "host",
        }
    }

    /// The limit that was crossed, if one was.
    #[must_use]
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::CpuTime { .. } => Some("call-time"),
            Self::WallTime { .. } => Some("reconcile-time"),
            Self::Memory { .. } => Some("memory"),
            Self::InputTooLarge { .. } => Some("input"),
            Self::TooManyObserved { .. } | Self::TooMany { .. } => Some("objects"),
            Self::OutputTooLarge { .. } => Some("output"),
            Self::CarryTooLarge { .. } => Some("carry"),
            Self::Trap { .. } | Self::InvalidOutput { .. } | Self::Host { .. } => None,
        }
    }

    /// Whether the component is to blame, not the host or what it observed.
    #[must_use]
    pub fn is_components_fault(&self) -> bool {
        !matches!(
            self,
            Self::WallTime { .. }
                | Self::InputTooLarge { .. }
                | Self::TooManyObserved { .. }
                | Self::Host { .. }
        )
    }
}

fn in_frames(backtrace: &[String]) -> String {
    if backtrace.is_empty() { String::new() } else { format!(" (in {})", backtrace.join(", called by ")) }
}

/// Room for one call.
pub(super) struct Call<'a> {
    pub(super) store: Store<StoreData>,
    limits: &'a Limits,
    _slot: SemaphorePermit<'a>,
    _ticking: Ticking<'a>,
}

/// What an answer takes in the host beside its texts: the lists' entries.
const OUTPUT_OVERHEAD_BYTES: usize = 1024 * 1024;

impl<'a> Call<'a> {
    /// Waits for a free slot and sets the call up.
    pub(super) async fn begin(
        engine: &'a Shared,
        limits: &'a Limits,
        context: CallContext,
        digest: Digest,
    ) -> Result<Self, CallError> {
        let slot = engine
            .slots
            .acquire()
            .await
            .map_err(|_| CallError::Host { message: "the engine is shutting down".to_owned() })?;
        let data = StoreData::new(limits, engine.memory_bytes_max, context, digest);
        let mut store = Store::new(&engine.wasmtime, data);
        store.limiter(|data| &mut data.memory);
        // Bounds what is copied out of the component, before it is copied.
        store.set_hostcall_fuel(limits.output_bytes.saturating_add(OUTPUT_OVERHEAD_BYTES));
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        Ok(Self { store, limits, _slot: slot, _ticking: engine.ticker.ticking() })
    }

    /// What became of it.
    pub(super) fn end<T>(self, result: Result<wasmtime::Result<T>, Exceeded>) -> Result<T, CallError> {
        let limits = self.limits;
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(trap::classify(&error, self.store.data(), limits)),
            Err(Exceeded::CpuTime) => Err(CallError::CpuTime { limit: limits.call }),
            Err(Exceeded::WallTime { used }) => Err(CallError::WallTime { limit: limits.reconcile, used }),
        }
    }
}
