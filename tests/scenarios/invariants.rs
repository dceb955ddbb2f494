//! What must hold at every moment, as the design of the failover protocol numbers it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use operlet_sim::Seen;
use serde_json::Value;
use tokio::time::Instant;

use crate::server::{Server, Servers};

/// For how long one that goes on after it was frozen may take writes: it looks once a
/// second whether it still has replicas.
const THAWED: Duration = Duration::from_millis(1_100);

/// And one that was cut off, beyond the lag that is allowed.
const HEALED: Duration = Duration::from_secs(2);

/// Holds a run to them.
#[derive(Clone)]
pub(crate) struct Invariants(Arc<Mutex<State>>);

struct State {
    servers: Servers,
    /// The run ids of those that are frozen.
    frozen: Vec<String>,
    /// Until when two may take writes, for one of them is to find out.
    excused: Instant,
    epoch: u64,
    emptied: BTreeMap<String, u64>,
    broken: Vec<String>,
}

impl Invariants {
    pub(crate) fn new(servers: Servers) -> Self {
        let state = State {
            servers,
            frozen: Vec::new(),
            excused: Instant::now(),
            epoch: 0,
            emptied: BTreeMap::new(),
            broken: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// What was broken.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.with(|state| state.broken.clone())
    }

    /// The process with this run id stands still.
    pub(crate) fn freeze(&self, run_id: &str) {
        self.with(|state| state.frozen.push(run_id.to_owned()));
    }

    /// It goes on, if it is still there.
    pub(crate) fn thaw(&self, run_id: &str) {
        self.with(|state| {
            state.frozen.retain(|one| one != run_id);
            state.excuse(THAWED);
        });
    }

    /// A partition is over that lasted with this lag allowed.
    pub(crate) fn heal(&self, lag: Duration) {
        self.with(|state| state.excuse(lag + HEALED));
    }

    /// Looks at all servers.
    pub(crate) fn look(&self) {
        self.with(State::look);
    }

    /// Looks at a request.
    pub(crate) fn see(&self, seen: &Seen<'_>) {
        if seen.code < 300 {
            self.with(|state| {
                state.see(seen);
                state.look();
            });
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn excuse(&mut self, time: Duration) {
        self.excused = self.excused.max(Instant::now() + time);
    }

    fn breaks(&mut self, what: String) {
        if !self.broken.contains(&what) {
            self.broken.push(what);
        }
    }

    fn is_frozen(&self, server: &Server) -> bool {
        self.frozen.iter().any(|run_id| run_id == server.redis().run_id())
    }

    fn look(&mut self) {
        let servers = self.servers.all();
        let takes = |(_, server): &(&String, &Server)| {
            server.runs() && !self.is_frozen(server) && server.redis().takes_writes()
        };
        let writable: Vec<&str> = servers.iter().filter(takes).map(|(pod, _)| pod.as_str()).collect();
        if writable.len() > 1 && Instant::now() >= self.excused {
            self.breaks(format!("I4: {} take writes", writable.join(" and ")));
        }
        for (pod, server) in &servers {
            let emptied = server.redis().emptied();
            if self.emptied.insert(pod.clone(), emptied).is_some_and(|before| emptied > before) {
                self.breaks(format!("I6: {pod} had data, and was emptied by a copy"));
            }
        }
    }

    fn see(&mut self, seen: &Seen<'_>) {
        let path = seen.path.split('?').next().unwrap_or_default();
        if path.contains("/redises/") && path.ends_with("/status") && !seen.body.is_empty() {
            let body: Value = serde_json::from_slice(seen.body).unwrap_or_default();
            let epoch = body.pointer("/status/epoch").and_then(Value::as_u64).unwrap_or(self.epoch);
            if epoch < self.epoch {
                self.breaks(format!("I3: epoch {epoch} follows {}", self.epoch));
            }
            self.epoch = self.epoch.max(epoch);
        }
        if seen.method != "DELETE" || !seen.user.ends_with(":redis-operlet") {
            return;
        }
        if path.contains("/persistentvolumeclaims/") {
            self.breaks(format!("I10: {path} was deleted"));
        }
        let Some((_, pod)) = path.split_once("/pods/") else { return };
        let servers = self.servers.all();
        let leads = |server: &Server| server.runs() && server.redis().follows().is_none();
        let follows = |(other, server): (&String, &Server)| {
            other != pod
                && server.runs()
                && server.redis().link().is_ok()
                && server.redis().follows().is_some()
        };
        let is_primary = servers.get(pod).is_some_and(|server| leads(server) && !self.is_frozen(server));
        if is_primary && servers.iter().any(follows) {
            self.breaks(format!("I8: the live primary {pod} was deleted while another one followed it"));
        }
    }
}
