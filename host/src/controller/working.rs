//! The tasks of one installation: informers, and the queue that reconciles.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, RwLock, Weak},
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::{Notify, Semaphore, mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    answer::READS_MAX,
    clients::{Clients, Impersonation},
    deletions::Deletions,
    dependencies::Dependencies,
    events::Events,
    informer::{Faults, Informer, Scope, Trigger},
    queue::Queue,
    reach::Reach,
    runtime::{Live, Runtime},
    store::Store,
    supervisor::Shared,
    waiting::Waiting,
    woken::Woken,
};
use crate::exchange::Exchanges;
use crate::model::{GroupVersionKind, ResourceKind};

/// Triggers that may wait to be sorted by resource. Informers wait when it is
/// full, and the API server keeps what they have not read.
const TRIGGERS_MAX: usize = 1024;

/// How often it is looked whether kinds are synced.
const SYNC_POLL: Duration = Duration::from_millis(5);

/// What outlives the tasks of an installation.
pub(super) struct Belongings {
    pub(super) deletions: Arc<Deletions>,
    pub(super) forbidden: Arc<Notify>,
}

/// What a component needs around it before it can be called.
pub(super) struct Surroundings {
    account: String,
    identity: Impersonation,
    clients: Clients,
    exchanges: Exchanges,
    belongings: Belongings,
    instance: String,
    store: Arc<Store>,
    triggers: mpsc::Sender<Trigger>,
    received: mpsc::Receiver<Trigger>,
    faults: Arc<Faults>,
}

impl Surroundings {
    /// Everything that is done here is done as this ServiceAccount.
    pub(super) fn new(shared: &Shared, account: &str, belongings: Belongings) -> Result<Self, kube::Error> {
        let identity = shared.impersonate(account)?;
        let (triggers, received) = mpsc::channel(TRIGGERS_MAX);
        let faults = Arc::new(watch::Sender::new(HashMap::new()));
        Ok(Self {
            account: account.to_owned(),
            identity,
            clients: shared.clients.clone(),
            exchanges: shared.exchanges.clone(),
            belongings,
            instance: shared.instance.clone(),
            store: Arc::default(),
            triggers,
            received,
            faults,
        })
    }
}

/// An installation's tasks. Until [`Working::serve`] nothing is reconciled.
pub(super) struct Working {
    account: String,
    clients: Clients,
    client: Client,
    runtime: Arc<Runtime>,
    triggers: mpsc::Sender<Trigger>,
    /// Until the queue takes it.
    received: Option<mpsc::Receiver<Trigger>>,
    faults: Arc<Faults>,
    /// What has been reported of the faults.
    reported: watch::Receiver<HashMap<GroupVersionKind, String>>,
    informers: HashMap<GroupVersionKind, JoinHandle<()>>,
    queue: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Working {
    pub(super) fn waiting(operlet: Arc<str>, surroundings: Surroundings, live: Arc<Live>) -> Self {
        let Surroundings {
            account,
            identity,
            clients,
            exchanges,
            belongings: Belongings { deletions, forbidden },
            instance,
            store,
            triggers,
            received,
            faults,
        } = surroundings;
        let client = identity.on_behalf_of(&operlet);
        let events = Events::new(client.clone(), &instance);
        let leadership = clients.leadership().clone();
        let metrics = clients.metrics().operlet(&operlet);
        let exchanges = exchanges.operlet(Arc::new(metrics.clone()));
        let reported = faults.subscribe();
        let woken = Woken::new(triggers.clone());
        let runtime = Arc::new_cyclic(|runtime| Runtime {
            operlet,
            client: client.clone(),
            store,
            events,
            dependencies: Dependencies::new(client.clone(), triggers.clone()),
            probes: woken.probes(exchanges.clone(), Reach::new(Weak::clone(runtime))),
            reading: Semaphore::new(READS_MAX),
            exchanges,
            deletions,
            leadership,
            metrics,
            forbidden,
            live: RwLock::new(live),
            memory: Mutex::default(),
        });
        Self {
            account,
            clients,
            client,
            runtime,
            triggers,
            received: Some(received),
            faults,
            reported,
            informers: HashMap::new(),
            queue: None,
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Acts as the operlet's ServiceAccount.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn live(&self) -> Arc<Live> {
        self.runtime.live()
    }

    pub(super) fn is_serving(&self) -> bool {
        self.queue.is_some()
    }

    /// Watches every kind that a component needs and waits until all are listed;
    /// the error says which are not, and why.
    pub(super) async fn watch(&mut self, live: &Live, patience: Duration) -> Result<(), String> {
        self.inform(&live.manifest.primary, Scope::Resources);
        for kind in live.owned_kinds() {
            self.inform(kind, Scope::Owned);
        }
        let watched = self.listed(live, patience).await;
        if watched.is_err() && self.is_serving() {
            // Only what the live one needs stays watched.
            self.retire_candidates();
        }
        watched
    }

    async fn listed(&self, live: &Live, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while !self.runtime.store.synced(live.needed_kinds()) {
            // A kind that is refused now will hardly be given later within this time.
            if Instant::now() > deadline || self.faults(live).is_some() {
                let missing =
                    live.needed_kinds().filter(|kind| !self.runtime.store.synced([*kind].into_iter()));
                let names: HashSet<_> = missing.map(ToString::to_string).collect();
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                return Err(self
                    .faults(live)
                    .unwrap_or_else(|| format!("{names} could not be listed in time")));
            }
            sleep(SYNC_POLL).await;
        }
        Ok(())
    }

    fn inform(&mut self, kind: &ResourceKind, scope: Scope) {
        if self.informers.contains_key(&kind.kind) {
            return;
        }
        let informer = Informer {
            client: self.client.clone(),
            kind: kind.clone(),
            shared_kind: Arc::new(kind.kind.clone()),
            scope,
            store: Arc::clone(&self.runtime.store),
            triggers: self.triggers.clone(),
            faults: Arc::clone(&self.faults),
        };
        self.informers.insert(kind.kind.clone(), tokio::spawn(informer.run().in_current_span()));
    }

    /// Puts a component to work: from now on its decisions count. Every resource
    /// is reconciled by it.
    pub(super) async fn serve(&mut self, live: Arc<Live>) {
        self.retire(&live);
        self.runtime.metrics.live(&live.manifest.version, &live.digest.to_string());
        self.take_over(&live);
        if let Some(received) = self.received.take() {
            let (leadership, metrics) = (self.clients.leadership(), self.clients.metrics());
            let waiting = Arc::new(Waiting::new(metrics.operlet(&self.runtime.operlet)));
            let queue = Queue { runtime: Arc::clone(&self.runtime), leadership: leadership.clone(), waiting };
            let task = queue.run(received, self.stop.clone());
            self.queue = Some(tokio::spawn(task.in_current_span()));
        }
        self.reconcile_all(&live).await;
    }

    fn take_over(&self, live: &Arc<Live>) {
        let ports = self.live().terms.ports.clone();
        self.runtime.swap(Arc::clone(live));
        if ports != live.terms.ports {
            // Connections that are kept were allowed by the former terms. Those that
            // are allowed still are made anew when their resources are looked at.
            self.runtime.probes.clear_all();
        }
    }

    /// Replaces the component's limits and settings.
    pub(super) async fn swap(&self, live: Arc<Live>) {
        self.take_over(&live);
        self.reconcile_all(&live).await;
    }

    async fn reconcile_all(&self, live: &Live) {
        for key in self.runtime.store.keys(&live.manifest.primary.kind) {
            if self.triggers.send(Trigger::Resource(key)).await.is_err() {
                return;
            }
        }
    }

    /// Ends the watches that only a candidate needed.
    pub(super) fn retire_candidates(&mut self) {
        let live = self.live();
        self.retire(&live);
    }

    /// Ends the watches of kinds that are of no use any more.
    fn retire(&mut self, live: &Live) {
        let needed: HashSet<_> = live.watched_kinds().collect();
        let store = &self.runtime.store;
        let faults = &self.faults;
        self.informers.retain(|kind, task| {
            let keep = needed.contains(kind);
            if !keep {
                task.abort();
                store.forget(kind);
                faults.send_modify(|faults| {
                    faults.remove(kind);
                });
            }
            keep
        });
    }

    /// Which of the kinds that a component needs cannot be watched at present, and
    /// why.
    pub(super) fn faults(&self, live: &Live) -> Option<String> {
        let needed: HashSet<_> = live.needed_kinds().collect();
        let faults = self.faults.borrow();
        // One cause, such as a missing right, often stands behind several.
        let mut kinds_of = BTreeMap::<&str, Vec<String>>::new();
        for (kind, text) in faults.iter().filter(|(kind, _)| needed.contains(kind)) {
            kinds_of.entry(text).or_default().push(kind.to_string());
        }
        let texts = kinds_of.into_iter().map(|(text, mut kinds)| {
            kinds.sort();
            format!("cannot watch {}: {text}", kinds.join(", "))
        });
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    pub(super) async fn faults_change(&mut self) {
        // The sender is ours, so this ends only with a change.
        let _ = self.reported.changed().await;
    }

    /// Ends the watches, and lets reconciles that are under way finish.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        for task in self.informers.values() {
            task.abort();
        }
        self.runtime.probes.clear_all();
        if let Some(queue) = self.queue {
            // It fails only if the queue panicked, which was logged.
            let _ = queue.await;
        }
    }
}
