//! Keeps one kind of the store true, and tells whom a change concerns.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client,
    core::ApiResource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::store::{Given, Store, Stored};
use crate::model::{GroupVersionKind, OWNER_LABEL, ObjectKey, ResourceKind};

/// How `kube` addresses a kind.
pub(super) fn api_resource(kind: &ResourceKind) -> ApiResource {
    let ResourceKind { kind: GroupVersionKind { group, version, kind: name }, plural, namespaced: _ } = kind;
    ApiResource {
        group: group.clone(),
        version: version.clone(),
        api_version: kind.kind.api_version(),
        kind: name.clone(),
        plural: plural.clone(),
    }
}

/// The API for the objects of a kind in one place.
pub(super) fn api_for(client: &Client, kind: &ResourceKind, namespace: Option<&str>) -> Api<Given> {
    let resource = api_resource(kind);
    match namespace {
        Some(namespace) if kind.namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
        _ => Api::all_with(client.clone(), &resource),
    }
}

/// Which objects of a kind are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All: the resources themselves.
    Resources,
    /// Those with an owner label, selected by the API server.
    Owned,
}

/// Something that concerns a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trigger {
    /// The resource itself.
    Resource(ObjectKey),
    /// An object with this value of the owner label.
    Owner(String),
}

/// Why a kind cannot be watched at present, by kind.
pub(super) type Faults = watch::Sender<HashMap<GroupVersionKind, String>>;

/// A fault is over when none has followed for so long. A watch that goes on says
/// nothing until something changes, and of a kind of which nothing changes a fault
/// would be told for ever. It is tried again after at most 30 s and as much again by
/// chance, as kube's `DefaultBackoff` has it.
const HEALED: Duration = Duration::from_secs(75);

pub(super) struct Informer {
    pub(super) client: Client,
    pub(super) kind: ResourceKind,
    /// The same group, version and kind, shared by all objects.
    pub(super) shared_kind: Arc<GroupVersionKind>,
    pub(super) scope: Scope,
    pub(super) store: Arc<Store>,
    pub(super) triggers: mpsc::Sender<Trigger>,
    pub(super) faults: Arc<Faults>,
}

impl Informer {
    /// Watches until it is aborted or nobody listens any more.
    pub(super) async fn run(self) {
        let config = match self.scope {
            Scope::Resources => watcher::Config::default(),
            Scope::Owned => watcher::Config::default().labels(OWNER_LABEL),
        };
        let api = api_for(&self.client, &self.kind, None);
        let events = watcher(api, config).default_backoff().into_stream();
        let mut events = std::pin::pin!(events);
        let mut faulty = false;
        loop {
            let next = events.next();
            let event = if faulty { timeout(HEALED, next).await } else { Ok(next.await) };
            let heard = match event {
                Ok(None) => return,
                Ok(Some(Ok(event))) => {
                    faulty = false;
                    self.fault(None);
                    self.take(event).await
                }
                Ok(Some(Err(error))) => {
                    let text = describe(&error);
                    tracing::warn!(kind = %self.kind.kind, error = text, "cannot watch");
                    faulty = true;
                    self.fault(Some(text));
                    true
                }
                Err(_) => {
                    faulty = false;
                    self.fault(None);
                    true
                }
            };
            if !heard {
                return;
            }
        }
    }

    /// Takes an event in; false if nobody listens any more.
    async fn take(&self, event: Event<Given>) -> bool {
        let kind = &self.shared_kind;
        match event {
            Event::Apply(object) => {
                let stored = Stored::new(kind, object);
                let trigger = self.trigger(&stored);
                let (news, others) = self.store.watched(stored);
                // What this host wrote itself is known already, and was looked at.
                (!news || self.send(trigger).await) && self.send_all(&others).await
            }
            Event::Delete(object) => {
                let stored = Stored::new(kind, object);
                let trigger = self.trigger(&stored);
                let others = self.store.deleted(stored);
                self.send(trigger).await && self.send_all(&others).await
            }
            Event::Init => {
                self.store.list_begins(kind);
                true
            }
            Event::InitApply(object) => {
                self.store.listed(Stored::new(kind, object));
                true
            }
            Event::InitDone => self.send_all(&self.store.list_ends(kind)).await,
        }
    }

    fn trigger(&self, stored: &Stored) -> Option<Trigger> {
        match self.scope {
            Scope::Resources => Some(Trigger::Resource(ObjectKey::clone(&stored.key))),
            Scope::Owned => stored.owner().map(|owner| Trigger::Owner(owner.to_owned())),
        }
    }

    async fn send(&self, trigger: Option<Trigger>) -> bool {
        match trigger {
            Some(trigger) => self.triggers.send(trigger).await.is_ok(),
            None => true,
        }
    }

    async fn send_all(&self, touched: &[Arc<Stored>]) -> bool {
        for stored in touched {
            if !self.send(self.trigger(stored)).await {
                return false;
            }
        }
        true
    }

    fn fault(&self, fault: Option<String>) {
        self.faults.send_if_modified(|faults| {
            let known = faults.get(&self.kind.kind);
            if known == fault.as_ref() {
                return false;
            }
            match fault {
                Some(fault) => faults.insert(self.kind.kind.clone(), fault),
                None => faults.remove(&self.kind.kind),
            };
            true
        });
    }
}

/// An error with its causes, for a person. Of an answer of the API server only
/// the message is for people.
pub(super) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(kube::Error::Api(status)) = error.downcast_ref() {
            texts.push(status.message.clone());
            break;
        }
        if let Some(kube::Error::Service(cause)) = error.downcast_ref() {
            // What was refused on this side says all there is to say.
            next = Some(&**cause);
            continue;
        }
        let text = error.to_string();
        let cause = error.source();
        // Many errors repeat their cause in their own text.
        let repeats = cause.is_some_and(|cause| text.contains(&cause.to_string()));
        if repeats && let Some(cause) = cause {
            let own = text.replace(&cause.to_string(), "");
            texts.push(own.trim_end_matches([':', ' ']).to_owned());
        } else {
            texts.push(text);
        }
        next = cause;
    }
    texts.retain(|text| !text.is_empty());
    texts.join(": ")
}
