//! What the reconciles of one installation share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use kube::Client;
use tokio::sync::{Notify, Semaphore};

use super::{
    deletions::Deletions,
    dependencies::Dependencies,
    events::Events,
    memory::Memory,
    store::{Counts, Store},
};
use crate::{
    engine::Component,
    exchange::{OperletExchanges, Probes},
    lease::Leadership,
    metrics::OperletMetrics,
    model::{ChildKind, Digest, GroupVersionKind, Manifest, ObjectKey, ResourceKind},
    operlets::Terms,
};

/// The component whose decisions are applied, and all that goes with it. It is
/// replaced as a whole, so a reconcile never sees half of a swap.
pub(super) struct Live {
    pub(super) digest: Digest,
    pub(super) component: Component,
    pub(super) manifest: Arc<Manifest>,
    pub(super) terms: Terms,
    /// Kinds of earlier components that this one does not declare.
    pub(super) retired: Vec<ChildKind>,
}

impl Live {
    /// Every kind of which the objects with an owner label are watched.
    pub(super) fn owned_kinds(&self) -> impl Iterator<Item = &ResourceKind> {
        let children = self.manifest.children.iter().map(|child| &child.resource);
        children.chain(&self.manifest.observed_only).chain(self.retired.iter().map(|child| &child.resource))
    }

    /// Every kind that must be known before anything is decided. Retired ones are
    /// not among them: what cannot be seen is not pruned, and a kind that nobody
    /// serves any more must not stop the others.
    pub(super) fn needed_kinds(&self) -> impl Iterator<Item = &GroupVersionKind> {
        let children = self.manifest.children.iter().map(|child| &child.resource);
        let owned = children.chain(&self.manifest.observed_only);
        std::iter::once(&self.manifest.primary).chain(owned).map(|resource| &resource.kind)
    }

    /// Every kind that is watched.
    pub(super) fn watched_kinds(&self) -> impl Iterator<Item = &GroupVersionKind> {
        std::iter::once(&self.manifest.primary).chain(self.owned_kinds()).map(|resource| &resource.kind)
    }

    /// How a kind is addressed.
    pub(super) fn resource_kind(&self, kind: &GroupVersionKind) -> Option<&ResourceKind> {
        self.owned_kinds().find(|resource| resource.kind == *kind)
    }
}

/// One installation at work.
pub(super) struct Runtime {
    pub(super) operlet: Arc<str>,
    /// Acts as the operlet's ServiceAccount.
    pub(super) client: Client,
    pub(super) store: Arc<Store>,
    pub(super) events: Events,
    pub(super) dependencies: Arc<Dependencies>,
    /// Turns to read for components.
    pub(super) reading: Semaphore,
    pub(super) exchanges: OperletExchanges,
    pub(super) probes: Probes,
    pub(super) deletions: Arc<Deletions>,
    pub(super) leadership: Leadership,
    pub(super) metrics: OperletMetrics,
    /// Told when the ServiceAccount turned out to lack a right.
    pub(super) forbidden: Arc<Notify>,
    pub(super) live: RwLock<Arc<Live>>,
    pub(super) memory: Mutex<HashMap<ObjectKey, Memory>>,
}

impl Runtime {
    /// The component of the moment. A call that holds it finishes on it.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another component in its place.
    pub(super) fn swap(&self, live: Arc<Live>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for remembered in memory.values_mut() {
            remembered.failures = 0;
            // A loop was the earlier component's.
            remembered.breaker = super::breaker::Breaker::default();
        }
    }

    /// Takes what is remembered of a resource; one reconcile at a time has it.
    pub(super) fn recall(&self, key: &ObjectKey) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(key).unwrap_or_default()
    }

    pub(super) fn remember(&self, key: ObjectKey, remembered: Memory) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(key, remembered);
    }

    /// Tells the metrics what the store holds.
    pub(super) fn report_store(&self) {
        let Counts { objects, json_bytes, .. } = self.store.counts();
        self.metrics.store(objects, json_bytes);
        self.metrics.departed_dropped(self.store.take_departed_dropped());
    }

    /// The name under which the API server records who owns which field.
    pub(super) fn field_manager(&self) -> String {
        format!("operlet/{}", self.operlet)
    }
}
