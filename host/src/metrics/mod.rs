//! What is counted and measured, for Prometheus.
//!
//! Labels are names of Operlets, which a cluster has few of, plurals of kinds, and
//! words of fixed sets; never names of other objects. What belongs to an Operlet
//! goes when it goes.

mod operlet;
mod page;
mod process;
mod series;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use prometheus_client::{encoding::text::encode, registry::Registry};

pub use self::operlet::OperletMetrics;
use self::{operlet::Measured, page::Page};

/// The type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The host's own requests are counted under this name.
const HOST: &str = "host";

/// All that is measured. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    all: Arc<All>,
}

#[derive(Debug, Default)]
struct All {
    operlets: RwLock<BTreeMap<Arc<str>, Arc<Measured>>>,
    lease_held: AtomicBool,
    lease_transitions: AtomicU64,
}

impl Metrics {
    /// Nothing is measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What belongs to an Operlet; to be kept, and shared by all that is done for it.
    #[must_use]
    pub fn operlet(&self, name: &str) -> OperletMetrics {
        let metrics = self.get(name);
        metrics.begin();
        metrics
    }

    /// What the host does in its own name.
    #[must_use]
    pub fn host(&self) -> OperletMetrics {
        self.get(HOST)
    }

    /// An Operlet is gone, and what was measured of it goes.
    pub fn remove_operlet(&self, name: &str) {
        if name != HOST {
            self.all.operlets.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    /// Whether this host holds the Lease.
    pub fn lease_held(&self, held: bool) {
        self.all.lease_held.store(held, Ordering::Relaxed);
    }

    /// How often the Lease has changed hands, as it says itself.
    pub fn lease_transitions(&self, transitions: u64) {
        self.all.lease_transitions.store(transitions, Ordering::Relaxed);
    }

    /// All of it in the OpenMetrics text format.
    ///
    /// # Errors
    /// If the library fails to, which it has no reason for.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page(Arc::clone(&self.all))));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn get(&self, name: &str) -> OperletMetrics {
        let mut operlets = self.all.operlets.write().unwrap_or_else(PoisonError::into_inner);
        let measured = operlets.entry(name.into()).or_default();
        OperletMetrics::new(Arc::clone(measured))
    }
}

#[cfg(test)]
mod tests;
