//! All that an API server knows, and who watches it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::{
    custom,
    error::Refusal,
    late::{Delays, Lag, Told},
    registry::{Registry, Resource},
    request::Target,
    store::{Change, Fate, Place, Store},
    watch::Wanted,
};
use crate::chance::Chance;

/// Gives the time of day.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who asked, or in whose name.
    pub user: &'a str,
    /// The method, as in HTTP.
    pub method: &'a str,
    /// The path, with its query.
    pub path: &'a str,
    /// What was sent with it.
    pub body: &'a [u8],
    /// The status code of the answer.
    pub code: u16,
}

/// Is told of each request.
pub(crate) type Observer = Box<dyn FnMut(&Seen<'_>) + Send>;

/// All that an API server knows.
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    watchers: Vec<Watcher>,
    pub(crate) delays: Option<Delays>,
    random: Chance,
    addresses: u16,
    changed: Arc<Notify>,
    observer: Option<Observer>,
}

/// How many events wait at most for one who watches.
pub(crate) const EVENTS: usize = 4_096;

struct Watcher {
    wanted: Wanted,
    lag: Lag,
    sender: mpsc::Sender<Told>,
}

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl State {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        let (registry, store) = (Registry::kubernetes(), Store::default());
        let mut state = Self {
            registry,
            store,
            clock,
            watchers: Vec::new(),
            delays: None,
            random: Chance::new(seed),
            addresses: 0,
            changed: Arc::default(),
            observer: None,
        };
        for name in NAMESPACES {
            let namespace =
                serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            let resource = state.registry.get("", "v1", "namespaces").cloned();
            if let Some(resource) = resource {
                drop(state.create(&resource, None, namespace, &super::write::Writing::default()));
            }
        }
        state
    }

    /// The kind that a path is about.
    pub(crate) fn resource(&self, target: &Target) -> Result<Arc<Resource>, Refusal> {
        let found = self.registry.get(&target.group, &target.version, &target.plural);
        let served = || {
            self.registry.iter().any(|known| known.group == target.group && known.version == target.version)
        };
        found.cloned().ok_or_else(|| if served() { Refusal::unknown_path() } else { Refusal::no_page() })
    }

    /// Where an object of a kind is.
    pub(crate) fn place(resource: &Resource, namespace: Option<&str>, name: &str) -> Place {
        Place {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespace: namespace.filter(|_| resource.namespaced).unwrap_or_default().to_owned(),
            name: name.to_owned(),
        }
    }

    /// Now, as objects note it.
    pub(crate) fn now(&self) -> String {
        (self.clock)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The next of a sequence of numbers that the seed decides.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next()
    }

    /// A uid that nothing else has.
    pub(crate) fn uid(&mut self) -> String {
        let (high, low) = (self.random(), self.random());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// The five letters that a generated name ends with.
    pub(crate) fn suffix(&mut self) -> String {
        let number = self.random();
        let parts = (0..5).map(|place| number / (LETTERS.len() as u64).pow(place));
        letters(parts)
    }

    /// The next address for a Service.
    pub(crate) fn cluster_address(&mut self) -> String {
        self.addresses += 1;
        let [high, low] = self.addresses.to_be_bytes();
        format!("10.96.{high}.{low}")
    }

    /// Tells all who watch, and takes notice of definitions.
    pub(crate) fn announce(&mut self, change: &Change) {
        self.changed.notify_one();
        if change.place.plural == "customresourcedefinitions" {
            self.define(change);
        }
        let delays = &mut self.delays;
        self.watchers.retain_mut(|watcher| match watcher.wanted.event(change) {
            // Whoever does not keep up must watch anew.
            Some(line) => {
                let due = watcher.lag.next(delays.as_mut());
                watcher.sender.try_send(Told { due, line }).is_ok()
            }
            None => !watcher.sender.is_closed(),
        });
    }

    pub(crate) fn add_watcher(&mut self, wanted: Wanted) -> mpsc::Receiver<Told> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        self.watchers.push(Watcher { wanted, lag: Lag::default(), sender });
        receiver
    }

    /// Tells of each request from now on.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// A request was answered.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) {
        if let Some(observer) = &mut self.observer {
            observer(seen);
        }
    }

    /// Tells one who waits for it that something has changed.
    pub(crate) fn notify(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Ends all watches, as an API server does that is restarted.
    pub(crate) fn drop_watchers(&mut self) {
        self.watchers.clear();
    }

    fn define(&mut self, change: &Change) {
        let definition = &change.now.value;
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let before = change.before.as_ref().map(|before| before.value.get("spec"));
        if change.fate != Fate::Deleted && before == Some(definition.get("spec")) {
            return;
        }
        let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
        self.registry.remove(group, plural);
        if change.fate == Fate::Deleted {
            self.watchers.retain(|watcher| watcher.wanted.group != group || watcher.wanted.plural != plural);
        }
        if change.fate != Fate::Deleted {
            for resource in custom::resources(definition) {
                self.registry.insert(resource);
            }
        }
    }
}

/// What generated names are made of: they cannot become words.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A letter for each number.
pub(crate) fn letters(numbers: impl Iterator<Item = u64>) -> String {
    let places = numbers.map(|number| usize::try_from(number % LETTERS.len() as u64).unwrap_or_default());
    places.filter_map(|place| LETTERS.get(place)).map(|letter| char::from(*letter)).collect()
}
