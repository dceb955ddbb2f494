//! Keeps one installation for each Operlet.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    clients::{Clients, Impersonation},
    informer::describe,
    installation::{self, Ending},
};
use crate::{
    engine::Engine,
    exchange::Exchanges,
    model::GroupVersionKind,
    operlets::{ComponentStatus, Operlet, Refusal},
    telemetry,
};

/// What a supervisor is made from.
pub struct SupervisorOptions {
    /// How the API server is reached.
    pub clients: Clients,
    /// Runs the components.
    pub engine: Engine,
    /// The host's namespace: its copies of components and the ServiceAccounts it
    /// impersonates live there.
    pub namespace: String,
    /// The name of this process in events, for instance the pod's.
    pub instance: String,
    /// Reaches the pods of resources.
    pub exchanges: Exchanges,
}

/// What all installations share.
pub(super) struct Shared {
    pub(super) clients: Clients,
    /// Acts as the host itself.
    pub(super) client: Client,
    pub(super) engine: Engine,
    pub(super) namespace: String,
    pub(super) instance: String,
    pub(super) exchanges: Exchanges,
    /// Which Operlet has which kind, by group and kind: two would fight.
    kinds: Mutex<HashMap<(String, String), String>>,
}

impl Shared {
    /// The identity of a ServiceAccount of the host's namespace.
    pub(super) fn impersonate(&self, account: &str) -> Result<Impersonation, kube::Error> {
        self.clients.impersonate(account)
    }

    /// Gives a kind to an Operlet, unless another has it.
    pub(super) fn claim_kind(&self, operlet: &str, kind: &GroupVersionKind) -> Result<(), Refusal> {
        let taken = self.claim(operlet, &kind.group, &kind.kind);
        taken.map_err(|other| Refusal::KindTaken { kind: kind.clone(), other })
    }

    /// Gives a kind to an Operlet; the error is the name of another that has it.
    fn claim(&self, operlet: &str, group: &str, kind: &str) -> Result<(), String> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = kinds.entry((group.to_owned(), kind.to_owned())).or_insert_with(|| operlet.to_owned());
        if owner == operlet { Ok(()) } else { Err(owner.clone()) }
    }

    /// An Operlet is gone: others may have its kinds.
    pub(super) fn release_kinds(&self, operlet: &str) {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, owner| owner != operlet);
    }
}

struct Running {
    operlets: watch::Sender<Arc<Operlet>>,
    uid: Option<String>,
    ending: Ending,
    task: JoinHandle<()>,
}

/// Watches Operlets and serves each.
pub struct Supervisor {
    shared: Arc<Shared>,
    running: HashMap<String, Running>,
    /// Installations that are on their way out, and that the next of their name
    /// waits for.
    leaving: HashMap<String, JoinHandle<()>>,
    /// The host stops.
    stop: CancellationToken,
    ready: watch::Sender<bool>,
}

impl Supervisor {
    /// A supervisor that has not begun.
    ///
    /// # Errors
    /// If the configuration of the client is not valid.
    pub fn new(options: SupervisorOptions) -> Result<Self, kube::Error> {
        let SupervisorOptions { clients, engine, exchanges, namespace, instance } = options;
        let client = clients.host()?;
        let kinds = Mutex::default();
        let shared = Shared { clients, client, engine, exchanges, namespace, instance, kinds };
        Ok(Self {
            shared: Arc::new(shared),
            running: HashMap::new(),
            leaving: HashMap::new(),
            stop: CancellationToken::new(),
            ready: watch::Sender::new(false),
        })
    }

    /// Turns true once the Operlets are known.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Serves until it is stopped, then lets everything under way finish.
    pub async fn run(mut self, stop: CancellationToken) {
        self.stop = stop.clone();
        let api: Api<Operlet> = Api::all(self.shared.client.clone());
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        let mut listed = Vec::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = events.next() => event,
            };
            match event {
                Some(Ok(Event::Init)) => listed.clear(),
                Some(Ok(Event::InitApply(operlet))) => listed.push(operlet),
                Some(Ok(Event::InitDone)) => {
                    self.listed(std::mem::take(&mut listed));
                    self.ready.send_replace(true);
                }
                Some(Ok(Event::Apply(operlet))) => self.serve(operlet),
                Some(Ok(Event::Delete(operlet))) => self.end(&operlet.name_any()),
                Some(Err(error)) => {
                    tracing::warn!(error = describe(&error), "cannot watch Operlets");
                }
                None => break,
            }
        }
        for running in self.running.values() {
            running.ending.stop.cancel();
        }
        let running = self.running.into_values().map(|running| running.task);
        for task in running.chain(self.leaving.into_values()) {
            // It fails only if the installation panicked, which was logged.
            let _ = task.await;
        }
    }

    /// These are all there are. Whoever is on record as live has its kind before
    /// anybody else may ask for it.
    fn listed(&mut self, operlets: Vec<Operlet>) {
        let names: HashSet<_> = operlets.iter().map(Operlet::name_any).collect();
        let gone = self.running.keys().filter(|name| !names.contains(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.end(&name);
        }
        for operlet in &operlets {
            let live = operlet.status.as_ref().and_then(|status| status.live.as_ref());
            if let Some(ComponentStatus { group, kind, .. }) = live {
                // Two that are live at once cannot be; the first one listed goes on.
                let _ = self.shared.claim(&operlet.name_any(), group, kind);
            }
        }
        for operlet in operlets {
            self.serve(operlet);
        }
    }

    fn serve(&mut self, operlet: Operlet) {
        let name = operlet.name_any();
        let uid = operlet.metadata.uid.clone();
        if self.running.get(&name).is_some_and(|running| running.uid != uid) {
            // Deleted and made again while the watch was down.
            self.end(&name);
        }
        if let Some(running) = self.running.get(&name) {
            let changed = running.operlets.borrow().spec != operlet.spec;
            if changed {
                running.operlets.send_replace(Arc::new(operlet));
            }
            return;
        }
        let (operlets, received) = watch::channel(Arc::new(operlet));
        let ending = Ending { host: self.stop.clone(), ..Ending::default() };
        let previous = self.leaving.remove(&name);
        let (shared, of, ends) = (Arc::clone(&self.shared), name.clone(), ending.clone());
        let task = async move {
            if let Some(previous) = previous {
                // It fails only if it panicked, which was logged.
                let _ = previous.await;
            }
            installation::run(shared, of, received, ends).await;
        };
        let task = task.instrument(telemetry::installation_span(&name));
        self.running.insert(name, Running { operlets, uid, ending, task: tokio::spawn(task) });
    }

    /// Ends an installation without waiting for it: others need not.
    fn end(&mut self, name: &str) {
        self.leaving.retain(|_, task| !task.is_finished());
        let Some(Running { ending, task, .. }) = self.running.remove(name) else { return };
        ending.deleted.cancel();
        ending.stop.cancel();
        let (metrics, of) = (self.shared.clients.metrics().clone(), name.to_owned());
        let leaving = async move {
            // It fails only if it panicked, which was logged.
            let _ = task.await;
            metrics.remove_operlet(&of);
        };
        self.leaving.insert(name.to_owned(), tokio::spawn(leaving));
    }
}
