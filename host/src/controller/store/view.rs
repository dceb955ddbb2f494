//! The objects that are there, by kind and by owner.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::stored::Stored;
use crate::model::{GroupVersionKind, ObjectKey};

type Objects = BTreeMap<Arc<ObjectKey>, Arc<Stored>>;

/// Objects by kind and by owner. It takes and gives; what may be taken is decided
/// elsewhere.
#[derive(Debug, Default)]
pub(super) struct View {
    kinds: HashMap<Arc<GroupVersionKind>, Objects>,
    /// Each list is ordered by key.
    by_owner: HashMap<Box<str>, Vec<Arc<Stored>>>,
    pub(super) objects: usize,
    pub(super) json_bytes: usize,
}

impl View {
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.kinds.get(&key.kind)?.get(key)
    }

    /// The objects of a kind, ordered by key.
    pub(super) fn of_kind(&self, kind: &GroupVersionKind) -> impl Iterator<Item = &Arc<Stored>> {
        self.kinds.get(kind).into_iter().flat_map(Objects::values)
    }

    /// The objects with this value of the owner label, ordered by key.
    pub(super) fn owned_by(&self, owner: &str) -> &[Arc<Stored>] {
        self.by_owner.get(owner).map(Vec::as_slice).unwrap_or_default()
    }

    /// Puts an object in the place of what has its name, and returns that.
    pub(super) fn insert(&mut self, stored: &Arc<Stored>) -> Option<Arc<Stored>> {
        let objects = match self.kinds.get_mut(&stored.key.kind) {
            Some(objects) => objects,
            None => self.kinds.entry(Arc::clone(&stored.key.kind)).or_default(),
        };
        let former = objects.insert(Arc::clone(&stored.key), Arc::clone(stored));
        self.objects += 1;
        self.json_bytes += stored.json.len();
        if let Some(former) = &former {
            self.unlink(former);
        }
        if let Some(owner) = stored.owner() {
            let owned = match self.by_owner.get_mut(owner) {
                Some(owned) => owned,
                None => self.by_owner.entry(owner.into()).or_default(),
            };
            if let Err(place) = owned.binary_search_by(|other| other.key.cmp(&stored.key)) {
                owned.insert(place, Arc::clone(stored));
            }
        }
        former
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Stored>> {
        let removed = self.kinds.get_mut(&key.kind)?.remove(key)?;
        self.unlink(&removed);
        Some(removed)
    }

    /// Takes all objects of a kind out.
    pub(super) fn remove_kind(&mut self, kind: &GroupVersionKind) {
        for stored in self.kinds.remove(kind).unwrap_or_default().values() {
            self.unlink(stored);
        }
    }

    fn unlink(&mut self, stored: &Stored) {
        self.objects -= 1;
        self.json_bytes -= stored.json.len();
        let Some(owner) = stored.owner() else { return };
        if let Some(owned) = self.by_owner.get_mut(owner) {
            if let Ok(place) = owned.binary_search_by(|other| other.key.cmp(&stored.key)) {
                owned.remove(place);
            }
            if owned.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }
}
