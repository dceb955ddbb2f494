//! How many connections there may be at a time.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::model::ExchangeEnd;

/// Bounds on connections at a time. Of each, an eighth is kept free of probes,
/// so that those cannot keep an act from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// For the whole host.
    pub host: usize,
    /// For one operlet.
    pub operlet: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { host: 4096, operlet: 2048 }
    }
}

/// What part of a limit is kept free of probes: one in so many.
const RESERVE: usize = 8;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// One exchange.
    Once,
    /// A probe, which keeps it.
    Kept,
}

/// The connections of one bearer of a limit.
#[derive(Debug)]
pub(super) struct Slots {
    bearer: &'static str,
    limit: usize,
    all: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

/// Room for one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _one: OwnedSemaphorePermit,
    _kept: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(bearer: &'static str, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { bearer, limit, all: semaphore(limit), kept: semaphore(kept(limit)) }
    }

    /// Waits for room.
    pub(super) async fn take(&self, purpose: Use, deadline: Instant) -> Result<Slot, ExchangeEnd> {
        let slot = async {
            let kept = match purpose {
                Use::Once => None,
                Use::Kept => Some(Arc::clone(&self.kept).acquire_owned().await.ok()?),
            };
            Some(Slot { _one: Arc::clone(&self.all).acquire_owned().await.ok()?, _kept: kept })
        };
        let slot = timeout_at(deadline, slot).await.ok().flatten();
        slot.ok_or_else(|| ExchangeEnd::Unreachable(self.exhausted(purpose)))
    }

    fn exhausted(&self, purpose: Use) -> String {
        let Self { bearer, limit, .. } = self;
        match purpose {
            Use::Once => format!("all {limit} connections that {bearer} may have at a time were in use"),
            Use::Kept => format!(
                "all {} connections that probes of {bearer} may keep (of {limit} that it may have at a time) \
                 were in use: use fewer probes or raise the limit",
                kept(*limit)
            ),
        }
    }
}

fn kept(limit: usize) -> usize {
    limit - limit / RESERVE
}
