//! What the reconciles of one installation share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use kube::Client;
use tokio::time::Instant;

use super::{events::Events, store::Store};
use crate::{
    engine::Component,
    model::{ChildKind, Digest, GroupVersionKind, Limits, Manifest, ObjectKey, ResourceKind},
    plan::{Applied, Fingerprint},
};

/// The component whose decisions are applied, and all that goes with it. It is
/// replaced as a whole, so a reconcile never sees half of a swap.
pub(super) struct Live {
    pub(super) digest: Digest,
    pub(super) component: Component,
    pub(super) manifest: Arc<Manifest>,
    pub(super) limits: Limits,
    pub(super) settings: Arc<str>,
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

/// What is remembered of a resource between reconciles. It is only ever a hint:
/// after a restart everything is written once more, which changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The last writes.
    pub(super) applied: BTreeMap<ObjectKey, Applied>,
    /// What a component handed over, which one, and for which uid.
    pub(super) carry: Option<Carry>,
    /// What the last settled decision was made from.
    pub(super) settled: Option<Fingerprint>,
    /// When the component wants to be called again though nothing changes.
    pub(super) due: Option<Instant>,
    /// What the last failure came of, and when it is tried again: the write of a
    /// status that tells of a failure is no reason to try at once.
    pub(super) failed: Option<(Fingerprint, Instant)>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Writes in a row that met a newer state.
    pub(super) conflicts: u32,
}

/// What a component handed to the next reconcile: nobody else is given it.
#[derive(Clone, Debug)]
pub(super) struct Carry {
    pub(super) digest: Digest,
    pub(super) uid: String,
    pub(super) bytes: Vec<u8>,
}

/// One installation at work.
pub(super) struct Runtime {
    pub(super) operlet: Arc<str>,
    /// Acts as the operlet's ServiceAccount.
    pub(super) client: Client,
    pub(super) store: Arc<Store>,
    pub(super) events: Events,
    live: RwLock<Arc<Live>>,
    memory: Mutex<HashMap<ObjectKey, Memory>>,
}

impl Runtime {
    pub(super) fn new(
        operlet: Arc<str>,
        client: Client,
        store: Arc<Store>,
        events: Events,
        live: Arc<Live>,
    ) -> Self {
        Self { operlet, client, store, events, live: RwLock::new(live), memory: Mutex::default() }
    }

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
        }
    }

    /// Takes what is remembered of a resource; one reconcile at a time has it.
    pub(super) fn recall(&self, key: &ObjectKey) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(key).unwrap_or_default()
    }

    pub(super) fn remember(&self, key: ObjectKey, remembered: Memory) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(key, remembered);
    }

    /// The name under which the API server records who owns which field.
    pub(super) fn field_manager(&self) -> String {
        format!("operlet/{}", self.operlet)
    }
}

/// The first pause after a failure, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// The first pause after a write met a newer state: just long enough for the
/// watch to bring it.
const CONFLICT_FIRST: Duration = Duration::from_millis(20);
const CONFLICT_LONGEST: Duration = Duration::from_secs(5);

/// The pause before a try after so many failures in a row.
pub(super) fn retry_pause(failures: u32, chance: u8) -> Duration {
    pause(RETRY_FIRST, RETRY_LONGEST, failures, chance)
}

/// The pause before a try after so many conflicts in a row.
pub(super) fn conflict_pause(conflicts: u32, chance: u8) -> Duration {
    pause(CONFLICT_FIRST, CONFLICT_LONGEST, conflicts, chance)
}

/// Doubles each time; up to a quarter more by chance, so that resources which
/// failed together do not come back together.
fn pause(first: Duration, longest: Duration, times: u32, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1 << times.saturating_sub(1).min(16));
    let base = doubled.min(longest);
    base + base / 4 * u32::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_within_a_quarter_of_it() {
        assert_eq!(retry_pause(1, 0), RETRY_FIRST);
        assert_eq!(retry_pause(2, 0), RETRY_FIRST * 2);
        assert_eq!(retry_pause(1000, 0), RETRY_LONGEST);
        assert_eq!(retry_pause(1000, 255), RETRY_LONGEST + RETRY_LONGEST / 4);
    }
}
