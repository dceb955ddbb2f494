//! What components have read beside the objects of their own: watched, so that a
//! change wakes the resource that read it.
//!
//! Guarantees: the watch begins before the read, so no change after a read is
//! missed. One watch serves all resources that read the same kind in the same
//! place; it asks for metadata only, and ends with its last reader.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures::StreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    core::{DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

use super::informer::{Trigger, api_resource, describe};
use crate::{
    model::{GroupVersionKind, ObjectKey, ResourceKind},
    plan::Fingerprint,
};

/// Watches side by side; each is a stream of its own to the API server.
const WATCHES_MAX: usize = 4096;

/// Ends of objects that are remembered for each watch.
const GONE_MAX: usize = 4096;

/// The objects that one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Scope {
    kind: Arc<GroupVersionKind>,
    namespace: Option<String>,
    /// A label selector, for lists; all objects where single ones are read.
    selector: Option<String>,
}

/// Something that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Read {
    scope: Scope,
    /// One object, or all that the scope covers.
    name: Option<String>,
}

impl Read {
    pub(super) fn object(key: ObjectKey) -> Self {
        let ObjectKey { kind, namespace, name } = key;
        Self { scope: Scope { kind, namespace, selector: None }, name: Some(name) }
    }

    pub(super) fn list(kind: Arc<GroupVersionKind>, namespace: Option<String>, selector: String) -> Self {
        Self { scope: Scope { kind, namespace, selector: Some(selector) }, name: None }
    }
}

/// What was read for a decision, and at which versions.
pub(super) type Reads = Vec<(Read, Fingerprint)>;

/// One object at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) uid: String,
    pub(super) resource_version: String,
}

impl Version {
    /// Versions of one kind are ordered numbers since Kubernetes 1.35.
    fn number(&self) -> u64 {
        self.resource_version.parse().unwrap_or_default()
    }
}

/// There are too many watches already.
#[derive(Debug, thiserror::Error)]
#[error(
    "the operlet's resources read from {WATCHES_MAX} places already, which is the limit: let the component \
     read fewer kinds, or with fewer different selectors"
)]
pub(super) struct TooManyWatches;

/// What the resources of one operlet have read.
pub(super) struct Dependencies {
    client: Client,
    triggers: mpsc::Sender<Trigger>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    watches: HashMap<Scope, Watch>,
    /// What each resource reads.
    reads: HashMap<ObjectKey, BTreeSet<Read>>,
}

struct Watch {
    task: JoinHandle<()>,
    view: View,
    readers: HashMap<ObjectKey, BTreeSet<Option<String>>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dependencies {
    pub(super) fn new(client: Client, triggers: mpsc::Sender<Trigger>) -> Arc<Self> {
        Arc::new(Self { client, triggers, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches what is about to be read for a resource.
    pub(super) fn watch(
        self: &Arc<Self>,
        resource: &ObjectKey,
        kind: &ResourceKind,
        read: &Read,
    ) -> Result<(), TooManyWatches> {
        let mut inner = self.lock();
        if !inner.watches.contains_key(&read.scope) {
            if inner.watches.len() >= WATCHES_MAX {
                return Err(TooManyWatches);
            }
            let task = tokio::spawn(follow(Arc::downgrade(self), kind.clone(), read.scope.clone()));
            let watch = Watch { task, view: View::default(), readers: HashMap::new() };
            inner.watches.insert(read.scope.clone(), watch);
        }
        if let Some(watch) = inner.watches.get_mut(&read.scope) {
            watch.readers.entry(resource.clone()).or_default().insert(read.name.clone());
        }
        inner.reads.entry(resource.clone()).or_default().insert(read.clone());
        Ok(())
    }

    /// Takes in what a read has found, as far as it is newer than what the watch has
    /// brought; returns what a decision from it depends on.
    pub(super) fn found(&self, read: Read, objects: Vec<(String, Version)>) -> (Read, Fingerprint) {
        let mut answer = View::default();
        let mut inner = self.lock();
        let mut watch = inner.watches.get_mut(&read.scope);
        for (name, version) in objects {
            if let Some(watch) = &mut watch {
                watch.view.put(name.clone(), version.clone());
            }
            answer.put(name, version);
        }
        let fingerprint = answer.fingerprint(read.name.as_deref());
        (read, fingerprint)
    }

    /// What these reads would find now, as far as is known.
    pub(super) fn versions(&self, reads: impl IntoIterator<Item = Read>) -> Reads {
        let inner = self.lock();
        let now = |read: Read| {
            let view = inner.watches.get(&read.scope).map(|watch| &watch.view);
            let fingerprint = view.map(|view| view.fingerprint(read.name.as_deref())).unwrap_or_default();
            (read, fingerprint)
        };
        reads.into_iter().map(now).collect()
    }

    /// Whether these reads would find the same now.
    pub(super) fn unchanged(&self, reads: &Reads) -> bool {
        reads.is_empty() || self.versions(reads.iter().map(|(read, _)| read.clone())) == *reads
    }

    /// From now on a resource depends on these reads and no others.
    pub(super) fn keep(&self, resource: &ObjectKey, keep: &BTreeSet<Read>) {
        let mut inner = self.lock();
        let Inner { watches, reads } = &mut *inner;
        let Some(before) = reads.get_mut(resource) else { return };
        let gone: Vec<Read> = before.difference(keep).cloned().collect();
        for read in gone {
            before.remove(&read);
            if let Some(watch) = watches.get_mut(&read.scope) {
                watch.forget(resource, &read);
                if watch.readers.is_empty() {
                    watches.remove(&read.scope);
                }
            }
        }
        if before.is_empty() {
            reads.remove(resource);
        }
    }

    /// Takes an event in; the resources that it concerns.
    fn take(&self, scope: &Scope, event: Event<PartialObjectMeta<DynamicObject>>) -> Vec<ObjectKey> {
        let mut inner = self.lock();
        let Some(watch) = inner.watches.get_mut(scope) else { return Vec::new() };
        let changed = match event {
            Event::Apply(object) => watch.changed(&object).into_iter().collect(),
            Event::Delete(object) => watch.deleted(&object).into_iter().collect(),
            Event::Init => {
                watch.view.listing = Some(BTreeSet::new());
                return Vec::new();
            }
            Event::InitApply(object) => {
                if let Some(listing) = &mut watch.view.listing {
                    listing.insert(object.name_any());
                }
                watch.changed(&object).into_iter().collect()
            }
            Event::InitDone => watch.view.list_ends(),
        };
        watch.concerned(&changed)
    }
}

impl Watch {
    fn is_read(&self, name: &str) -> bool {
        self.readers.values().flatten().any(|read| read.as_deref().is_none_or(|read| read == name))
    }

    fn changed(&mut self, object: &PartialObjectMeta<DynamicObject>) -> Option<String> {
        let name = object.name_any();
        // Most objects of a namespace are nobody's concern.
        let news = self.is_read(&name) && self.view.put(name.clone(), version(object));
        news.then_some(name)
    }

    fn deleted(&mut self, object: &PartialObjectMeta<DynamicObject>) -> Option<String> {
        let name = object.name_any();
        (self.is_read(&name) && self.view.delete(&name, &version(object))).then_some(name)
    }

    fn concerned(&self, names: &[String]) -> Vec<ObjectKey> {
        let concerns = |reads: &BTreeSet<Option<String>>| {
            let concerned = |read: &Option<String>| read.as_ref().is_none_or(|read| names.contains(read));
            !names.is_empty() && reads.iter().any(concerned)
        };
        self.readers.iter().filter(|(_, reads)| concerns(reads)).map(|(reader, _)| reader.clone()).collect()
    }

    fn forget(&mut self, resource: &ObjectKey, read: &Read) {
        if let Some(reads) = self.readers.get_mut(resource) {
            reads.remove(&read.name);
            if reads.is_empty() {
                self.readers.remove(resource);
            }
        }
        if let Some(name) = &read.name
            && !self.is_read(name)
        {
            self.view.objects.remove(name);
            self.view.gone.remove(name);
        }
    }
}

/// The versions of the objects that somebody reads.
#[derive(Debug, Default)]
struct View {
    objects: BTreeMap<String, Version>,
    /// At which version objects went, so that a late answer does not bring one back.
    gone: BTreeMap<String, u64>,
    /// The names that a list under way has brought so far.
    listing: Option<BTreeSet<String>>,
}

impl View {
    /// Whether it was news.
    fn put(&mut self, name: String, version: Version) -> bool {
        let number = version.number();
        let known = self.objects.get(&name).is_some_and(|known| known.number() >= number);
        if known || self.gone.get(&name).is_some_and(|gone| *gone >= number) {
            return false;
        }
        self.gone.remove(&name);
        self.objects.insert(name, version);
        true
    }

    fn delete(&mut self, name: &str, version: &Version) -> bool {
        if self.objects.get(name).is_some_and(|known| known.number() > version.number()) {
            return false;
        }
        self.went(name, version.number());
        // Also news if it was not known: an answer on its way may still speak of it.
        self.objects.remove(name);
        true
    }

    fn went(&mut self, name: &str, number: u64) {
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        self.gone.insert(name.to_owned(), number);
    }

    /// The names that the list did not bring.
    fn list_ends(&mut self) -> Vec<String> {
        let Some(listed) = self.listing.take() else { return Vec::new() };
        let gone: Vec<String> = self.objects.keys().filter(|name| !listed.contains(*name)).cloned().collect();
        for name in &gone {
            if let Some(known) = self.objects.remove(name) {
                self.went(name, known.number());
            }
        }
        gone
    }

    fn fingerprint(&self, name: Option<&str>) -> Fingerprint {
        let mut hash = Sha256::new();
        let read = self.objects.iter().filter(|(known, _)| name.is_none_or(|name| name == known.as_str()));
        for (name, Version { uid, resource_version }) in read {
            for text in [name, uid, resource_version] {
                hash.update(text.as_bytes());
                hash.update([0]);
            }
        }
        hash.finalize().into()
    }
}

fn version(object: &PartialObjectMeta<DynamicObject>) -> Version {
    Version {
        uid: object.uid().unwrap_or_default(),
        resource_version: object.resource_version().unwrap_or_default(),
    }
}

/// Watches one scope until nobody reads from it any more.
async fn follow(dependencies: Weak<Dependencies>, kind: ResourceKind, scope: Scope) {
    let Some(client) = dependencies.upgrade().map(|dependencies| dependencies.client.clone()) else { return };
    // Of this type, only metadata is asked for.
    let api: Api<PartialObjectMeta<DynamicObject>> = match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &api_resource(&kind)),
        None => Api::all_with(client, &api_resource(&kind)),
    };
    let config = match scope.selector.as_deref() {
        None | Some("") => watcher::Config::default(),
        Some(selector) => watcher::Config::default().labels(selector),
    };
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        let Some(dependencies) = dependencies.upgrade() else { return };
        match event {
            Ok(event) => {
                for resource in dependencies.take(&scope, event) {
                    if dependencies.triggers.send(Trigger::Resource(resource)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(kind = %kind.kind, error = describe(&error), "cannot watch what was read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version { uid: "u".into(), resource_version: number.to_string() }
    }

    #[test]
    fn a_read_that_is_ahead_of_the_watch_is_not_taken_back() {
        let mut view = View::default();
        assert!(view.put("a".into(), version(5)));
        let read = view.fingerprint(Some("a"));
        assert!(!view.put("a".into(), version(4)), "a late event");
        assert!(!view.put("a".into(), version(5)), "the event of what was read");
        assert!(!view.delete("a", &version(3)), "the end of an earlier one of the name");
        assert_eq!(view.fingerprint(Some("a")), read);
        assert!(view.put("a".into(), version(6)));
        assert_ne!(view.fingerprint(Some("a")), read);
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_went() {
        let mut view = View::default();
        assert!(view.delete("a", &version(6)), "news, though it was not known");
        assert!(!view.put("a".into(), version(5)), "the answer to a read before that");
        assert_eq!(view.fingerprint(Some("a")), View::default().fingerprint(Some("a")));
        assert!(view.put("a".into(), version(7)), "another of that name");
    }

    #[test]
    fn what_a_list_does_not_bring_has_changed() {
        let mut view = View::default();
        view.put("a".into(), version(1));
        view.put("b".into(), version(2));
        let (one, all) = (view.fingerprint(Some("a")), view.fingerprint(None));
        view.listing = Some(BTreeSet::from(["a".into()]));
        assert_eq!(view.list_ends(), ["b"]);
        assert_eq!(view.fingerprint(Some("a")), one);
        assert_ne!(view.fingerprint(None), all);
    }
}
