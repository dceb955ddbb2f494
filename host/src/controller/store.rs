//! What the API server said last, held in memory as compact JSON.
//!
//! Guarantees: an object never goes back to an older version, and what this host
//! wrote is seen at once, before its watch event arrives. A kind is either synced
//! or it is not; there is no half-known list.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::core::{DynamicObject, TypeMeta};
use serde_json::Value;

use crate::{
    model::{APPLIED_BY_ANNOTATION, GroupVersionKind, OWNER_LABEL, ObjectKey},
    plan::{ControllerReference, Existing, fingerprint},
};

/// How many deleted objects are remembered, so that a late answer to a write
/// cannot bring one of them back.
const DELETED_REMEMBERED: usize = 4096;

/// One object as the API server gave it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) key: ObjectKey,
    /// Compact JSON without `managedFields`.
    pub(super) json: Arc<str>,
    /// What the planner knows of it.
    pub(super) existing: Existing,
    /// The value of its owner label.
    pub(super) owner: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) seen: [u8; 32],
    version: u64,
}

impl Stored {
    /// Takes an object over. The kind is filled in where a list left it out.
    pub(super) fn new(kind: &Arc<GroupVersionKind>, mut object: DynamicObject) -> Self {
        let metadata = &mut object.metadata;
        metadata.managed_fields = None;
        let key = ObjectKey {
            kind: kind.clone(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
        };
        let resource_version = metadata.resource_version.clone().unwrap_or_default();
        let references = metadata.owner_references.iter().flatten();
        let mut controller =
            references.filter(|reference| reference.controller == Some(true)).map(|reference| {
                let kind = GroupVersionKind::from_type(&reference.api_version, &reference.kind);
                ControllerReference { kind, name: reference.name.clone(), uid: reference.uid.clone() }
            });
        let existing = Existing {
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: controller.next(),
            applied_by: metadata.annotations.as_ref().and_then(|map| map.get(APPLIED_BY_ANNOTATION)).cloned(),
            deleting: metadata.deletion_timestamp.is_some(),
            fingerprint: [0; 32],
            resource_version: resource_version.clone(),
        };
        let owner = metadata.labels.as_ref().and_then(|map| map.get(OWNER_LABEL)).cloned();
        let generation = metadata.generation;
        object.types = Some(TypeMeta { api_version: kind.api_version(), kind: kind.kind.clone() });
        let mut value = serde_json::to_value(&object).unwrap_or_default();
        let json = value.to_string().into();
        let seen = fingerprint(&value);
        let fingerprint = content_hash(&mut value);
        let existing = Existing { fingerprint, ..existing };
        // Versions of one object are ordered numbers since Kubernetes 1.35.
        let version = resource_version.parse().unwrap_or_default();
        Self { key, json, existing, owner, generation, seen, version }
    }
}

/// The hash of an object without what every write and every status changes.
fn content_hash(value: &mut Value) -> [u8; 32] {
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    fingerprint(value)
}

#[derive(Debug, Default)]
struct Kind {
    objects: BTreeMap<ObjectKey, Arc<Stored>>,
    /// What a list under way has brought so far.
    listing: Option<BTreeMap<ObjectKey, Arc<Stored>>>,
    synced: bool,
}

#[derive(Debug, Default)]
struct Inner {
    kinds: HashMap<Arc<GroupVersionKind>, Kind>,
    by_owner: HashMap<String, BTreeSet<ObjectKey>>,
    deleted: HashMap<ObjectKey, u64>,
    deleted_order: VecDeque<ObjectKey>,
}

/// The objects that one installation sees.
#[derive(Debug, Default)]
pub(super) struct Store {
    inner: Mutex<Inner>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an object unless it is older than what is known; tells whether it
    /// was news.
    pub(super) fn put(&self, stored: Stored) -> bool {
        self.lock().put(Arc::new(stored))
    }

    pub(super) fn put_own(&self, stored: Stored) -> Arc<Stored> {
        let stored = Arc::new(stored);
        self.lock().put(Arc::clone(&stored));
        stored
    }
    pub(super) fn removed_by_us(&self, _: &ObjectKey, _: &str) {}
    pub(super) fn departed(&self, _: &str) -> (Vec<Arc<Stored>>, u64) {
        (Vec::new(), 0)
    }
    pub(super) fn settle_departed(&self, _: &str, _: u64) {}
    pub(super) fn forget_departed(&self, _: &str) {}

    /// Takes an object out.
    pub(super) fn delete(&self, stored: &Stored) {
        self.lock().delete(stored);
    }

    /// A list of a kind begins.
    pub(super) fn list_begins(&self, kind: &Arc<GroupVersionKind>) {
        self.lock().kinds.entry(kind.clone()).or_default().listing = Some(BTreeMap::new());
    }

    /// One object of the list under way.
    pub(super) fn listed(&self, stored: Stored) {
        let mut inner = self.lock();
        let kind = inner.kinds.entry(stored.key.kind.clone()).or_default();
        kind.listing.get_or_insert_default().insert(stored.key.clone(), Arc::new(stored));
    }

    /// The list is whole: what it did not bring is gone. Returns the objects that
    /// are new, changed or gone.
    pub(super) fn list_ends(&self, kind: &Arc<GroupVersionKind>) -> Vec<Arc<Stored>> {
        let mut inner = self.lock();
        let entry = inner.kinds.entry(kind.clone()).or_default();
        let listed = entry.listing.take().unwrap_or_default();
        entry.synced = true;
        let gone = entry.objects.values().filter(|stored| !listed.contains_key(&stored.key));
        let mut touched: Vec<_> = gone.cloned().collect();
        for stored in &touched {
            // Not remembered as deleted: a list says nothing about when it went.
            inner.remove(stored);
        }
        touched.extend(listed.into_values().filter(|stored| inner.put(Arc::clone(stored))));
        touched
    }

    /// Whether every one of these kinds has been listed once.
    pub(super) fn synced<'a>(&self, mut kinds: impl Iterator<Item = &'a GroupVersionKind>) -> bool {
        let inner = self.lock();
        kinds.all(|kind| inner.kinds.get(kind).is_some_and(|kind| kind.synced))
    }

    /// Forgets a kind that is no longer watched.
    pub(super) fn forget(&self, kind: &GroupVersionKind) {
        let mut inner = self.lock();
        let Some(gone) = inner.kinds.remove(kind) else { return };
        for stored in gone.objects.values() {
            inner.unlink(stored);
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<Stored>> {
        self.lock().kinds.get(&key.kind)?.objects.get(key).cloned()
    }

    /// Every object of a kind.
    pub(super) fn keys(&self, kind: &GroupVersionKind) -> Vec<ObjectKey> {
        self.lock().kinds.get(kind).map(|kind| kind.objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// Every object with this value of the owner label, ordered by key.
    pub(super) fn owned_by(&self, owner: &str) -> Vec<Arc<Stored>> {
        let inner = self.lock();
        let keys = inner.by_owner.get(owner).into_iter().flatten();
        keys.filter_map(|key| inner.kinds.get(&key.kind)?.objects.get(key).cloned()).collect()
    }
}

impl Inner {
    fn put(&mut self, stored: Arc<Stored>) -> bool {
        if self.deleted.get(&stored.key).is_some_and(|deleted| stored.version <= *deleted) {
            return false;
        }
        let kind = self.kinds.entry(stored.key.kind.clone()).or_default();
        // A list under way may be older than an answer to a write.
        if let Some(listing) = &mut kind.listing
            && listing.get(&stored.key).is_none_or(|listed| listed.version < stored.version)
        {
            listing.insert(stored.key.clone(), Arc::clone(&stored));
        }
        let objects = &mut kind.objects;
        let known = objects.get(&stored.key).cloned();
        if known.as_ref().is_some_and(|known| known.version >= stored.version) {
            return false;
        }
        objects.insert(stored.key.clone(), Arc::clone(&stored));
        if let Some(known) = known
            && known.owner != stored.owner
        {
            self.unlink(&known);
        }
        if let Some(owner) = &stored.owner {
            self.by_owner.entry(owner.clone()).or_default().insert(stored.key.clone());
        }
        true
    }

    fn delete(&mut self, stored: &Stored) {
        if self.deleted.insert(stored.key.clone(), stored.version).is_none() {
            self.deleted_order.push_back(stored.key.clone());
        }
        if self.deleted_order.len() > DELETED_REMEMBERED
            && let Some(oldest) = self.deleted_order.pop_front()
        {
            self.deleted.remove(&oldest);
        }
        self.remove(stored);
    }

    fn remove(&mut self, stored: &Stored) {
        let Some(kind) = self.kinds.get_mut(&stored.key.kind) else { return };
        // A newer object of the same name stays.
        let known = kind.objects.get(&stored.key).filter(|known| known.version <= stored.version).cloned();
        if let Some(known) = known {
            kind.objects.remove(&stored.key);
            self.unlink(&known);
        }
    }

    fn unlink(&mut self, stored: &Stored) {
        let Some(owner) = &stored.owner else { return };
        if let Some(keys) = self.by_owner.get_mut(owner) {
            keys.remove(&stored.key);
            if keys.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind() -> Arc<GroupVersionKind> {
        GroupVersionKind::from_type("v1", "ConfigMap").into()
    }

    fn stored(name: &str, version: u64) -> Stored {
        let object = json!({
            "metadata": {
                "name": name, "namespace": "n", "uid": "u", "resourceVersion": version.to_string(),
                "labels": { OWNER_LABEL: "o" }, "managedFields": [{"manager": "m"}],
            },
            "data": { "version": version.to_string() },
        });
        Stored::new(&kind(), serde_json::from_value(object).unwrap())
    }

    #[test]
    fn an_object_has_its_kind_and_no_managed_fields() {
        let json: Value = serde_json::from_str(&stored("a", 1).json).unwrap();
        assert_eq!(json["kind"], "ConfigMap");
        assert_eq!(json["apiVersion"], "v1");
        assert!(json["metadata"].get("managedFields").is_none());
    }

    #[test]
    fn an_object_never_goes_back() {
        let store = Store::default();
        assert!(store.put(stored("a", 2)));
        assert!(!store.put(stored("a", 1)));
        assert!(!store.put(stored("a", 2)));
        assert_eq!(store.owned_by("o").len(), 1);
    }

    #[test]
    fn a_late_answer_does_not_bring_a_deleted_object_back() {
        let store = Store::default();
        store.put(stored("a", 2));
        store.delete(&stored("a", 4));
        assert!(!store.put(stored("a", 3)));
        assert!(store.owned_by("o").is_empty());
        assert!(store.put(stored("a", 5)), "a new object of the same name is welcome");
    }

    #[test]
    fn a_list_removes_what_it_does_not_bring_and_makes_the_kind_synced() {
        let store = Store::default();
        store.put(stored("gone", 1));
        store.put(stored("same", 1));
        store.list_begins(&kind());
        assert!(!store.synced([&*kind()].into_iter()));
        store.listed(stored("same", 1));
        store.listed(stored("new", 3));
        let touched = store.list_ends(&kind());
        let names: Vec<_> = touched.iter().map(|stored| stored.key.name.as_str()).collect();
        assert_eq!(names, ["gone", "new"]);
        assert!(store.synced([&*kind()].into_iter()));
        assert_eq!(store.keys(&kind()).len(), 2);
    }

    #[test]
    fn what_is_written_while_a_list_is_under_way_stays() {
        let store = Store::default();
        store.list_begins(&kind());
        assert!(store.put(stored("written", 5)));
        assert!(store.list_ends(&kind()).is_empty(), "it is no news");
        assert_eq!(store.owned_by("o").len(), 1);
        assert!(store.put(stored("written", 6)));
    }

    #[test]
    fn what_a_list_did_not_bring_may_come_back_as_it_was() {
        let store = Store::default();
        store.put(stored("missed", 5));
        store.list_begins(&kind());
        store.list_ends(&kind());
        assert!(store.owned_by("o").is_empty());
        assert!(store.put(stored("missed", 5)));
    }
}
