//! Wakes resources whose probes have news. A probe cannot wait, so the resources
//! are noted down, each once, and handed on when the queue takes them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::{Notify, mpsc};

use super::{informer::Trigger, reach::Reach};
use crate::{
    exchange::{Observer, OperletExchanges, ProbeHooks, Probes},
    metrics::OperletMetrics,
    model::{Effect, ObjectKey},
};

#[derive(Default)]
struct Noted {
    resources: Mutex<BTreeSet<ObjectKey>>,
    some: Notify,
}

/// The resources to be woken.
pub(super) struct Woken {
    noted: Arc<Noted>,
}

impl Woken {
    /// Hands them on until nobody takes them any more.
    pub(super) fn new(triggers: mpsc::Sender<Trigger>) -> Self {
        let noted = Arc::new(Noted::default());
        let weak = Arc::downgrade(&noted);
        tokio::spawn(async move {
            loop {
                let Some(noted) = weak.upgrade() else { return };
                let resources = {
                    let mut resources = noted.resources.lock().unwrap_or_else(PoisonError::into_inner);
                    std::mem::take(&mut *resources)
                };
                if resources.is_empty() {
                    tokio::select! {
                        () = noted.some.notified() => {}
                        () = triggers.closed() => return,
                    }
                    continue;
                }
                for resource in resources {
                    if triggers.send(Trigger::Resource(resource)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { noted }
    }

    /// Probes that wake the resources they belong to.
    pub(super) fn probes(&self, exchanges: OperletExchanges, reach: Reach) -> Probes {
        let noted = Arc::clone(&self.noted);
        let wake = move |resource: &ObjectKey| {
            noted.resources.lock().unwrap_or_else(PoisonError::into_inner).insert(resource.clone());
            noted.some.notify_one();
        };
        let hooks = ProbeHooks { resolve: Arc::new(reach), wake: Arc::new(wake), now_ms: Arc::new(now_ms) };
        Probes::new(exchanges, hooks)
    }
}

impl Observer for OperletMetrics {
    fn exchange_ended(&self, effect: Effect, end: &'static str) {
        self.exchange(effect.name(), end);
    }

    fn probe_round(&self, end: &'static str) {
        OperletMetrics::probe_round(self, end);
    }

    fn probe_wake(&self) {
        OperletMetrics::probe_wake(self);
    }
}

/// The present, in milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
