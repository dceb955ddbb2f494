//! What etcd and the watch cache are in a cluster: the objects, one order of all
//! changes, and the last of these.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde_json::Value;

use crate::fields::Managers;

/// How many changes are remembered for watches that begin in the past.
const CHANGES: usize = 4_096;

/// The first version that is given out. A cluster has had others before whatever is
/// looked at, and nobody remembers those.
const FIRST: u64 = 100;

/// Where an object is: its kind as group and plural, its namespace, its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// An object as it was at one moment.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Without `managedFields`, and without a version if it was not written.
    pub(crate) value: Value,
    pub(crate) managers: Managers,
    /// The version that it has, also in `metadata.resourceVersion`.
    pub(crate) version: u64,
    json: OnceLock<Bytes>,
    item: OnceLock<Bytes>,
}

impl Stored {
    pub(crate) fn new(mut value: Value, managers: Managers, version: u64) -> Self {
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            if version > 0 {
                metadata.insert("resourceVersion".to_owned(), version.to_string().into());
            }
        }
        Self { value, managers, version, json: OnceLock::new(), item: OnceLock::new() }
    }

    /// The whole of it.
    pub(crate) fn full(&self) -> Value {
        let mut full = self.value.clone();
        if let Some(metadata) = full.get_mut("metadata").and_then(Value::as_object_mut)
            && !self.managers.is_empty()
        {
            metadata.insert("managedFields".to_owned(), self.managers.to_json());
        }
        full
    }

    /// The whole of it, as it is sent.
    pub(crate) fn json(&self) -> Bytes {
        self.json.get_or_init(|| self.full().to_string().into()).clone()
    }

    /// The whole of it, as in another version.
    pub(crate) fn converted(&self, api_version: &str) -> Bytes {
        let mut full = self.full();
        if let Some(full) = full.as_object_mut() {
            full.insert("apiVersion".to_owned(), api_version.into());
        }
        full.to_string().into()
    }

    /// As it is sent in a list, which says once of what kind all are.
    pub(crate) fn item(&self) -> Bytes {
        let item = || {
            let mut full = self.full();
            if let Some(full) = full.as_object_mut() {
                full.remove("apiVersion");
                full.remove("kind");
            }
            full.to_string().into()
        };
        self.item.get_or_init(item).clone()
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) fate: Fate,
    pub(crate) place: Place,
    pub(crate) before: Option<Arc<Stored>>,
    /// As it is now, or was last.
    pub(crate) now: Arc<Stored>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Place, Arc<Stored>>,
    changes: VecDeque<Change>,
    version: u64,
    /// The last version of each kind, by group and plural.
    touched: BTreeMap<(String, String), u64>,
    /// The last version of which the changes after it are remembered no more.
    forgotten: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            version: FIRST,
            touched: BTreeMap::new(),
            forgotten: FIRST,
        }
    }
}

impl Store {
    /// The version of the last change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether an object of one of these kinds has changed after this version.
    pub(crate) fn touched_after(&self, version: u64, kinds: &[(&str, &str)]) -> bool {
        let touched = self.touched.iter().filter(|(_, last)| **last > version);
        touched.into_iter().any(|((group, plural), _)| kinds.contains(&(group.as_str(), plural.as_str())))
    }

    /// Whether watches can begin after this version.
    pub(crate) fn remembers(&self, version: u64) -> bool {
        version >= self.forgotten
    }

    /// Forgets all changes so far, as a compaction does.
    pub(crate) fn compact(&mut self) {
        self.changes.clear();
        self.forgotten = self.version;
    }

    pub(crate) fn get(&self, place: &Place) -> Option<&Arc<Stored>> {
        self.objects.get(place)
    }

    /// All of a kind, or of it in one namespace, in the order of their places.
    pub(crate) fn list<'a>(
        &'a self,
        group: &'a str,
        plural: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Place, &'a Arc<Stored>)> {
        let first = Place {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        self.objects.range(first..).take_while(move |(place, _)| {
            place.group == group
                && place.plural == plural
                && namespace.is_none_or(|namespace| place.namespace == namespace)
        })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Place, &Arc<Stored>)> {
        self.objects.iter()
    }

    /// The changes after this version, oldest first.
    pub(crate) fn changes_after(&self, version: u64) -> impl Iterator<Item = &Change> {
        let known = self.changes.partition_point(|change| change.now.version <= version);
        self.changes.iter().skip(known)
    }

    /// Puts an object in, as its next version.
    pub(crate) fn put(&mut self, place: Place, value: Value, managers: Managers) -> Change {
        self.version += 1;
        let now = Arc::new(Stored::new(value, managers, self.version));
        let before = self.objects.insert(place.clone(), Arc::clone(&now));
        let fate = if before.is_some() { Fate::Modified } else { Fate::Added };
        self.remember(Change { fate, place, before, now })
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, place: &Place) -> Option<Change> {
        let before = self.objects.remove(place)?;
        self.version += 1;
        let now = Arc::new(Stored::new(before.value.clone(), before.managers.clone(), self.version));
        let change = Change { fate: Fate::Deleted, place: place.clone(), before: Some(before), now };
        Some(self.remember(change))
    }

    fn remember(&mut self, change: Change) -> Change {
        let Place { group, plural, .. } = &change.place;
        self.touched.insert((group.clone(), plural.clone()), self.version);
        self.changes.push_back(change.clone());
        if self.changes.len() > CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.forgotten = oldest.now.version;
        }
        change
    }
}
