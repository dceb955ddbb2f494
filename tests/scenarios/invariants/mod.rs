//! What must hold at every moment, as the design of the failover protocol numbers it.

mod disruption;
mod reigns;
mod service;

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

/// And one that was cut off, for what replicas told it before is still on its way: the
/// lag that is allowed, 5 s by default, and two more.
const HEALED: Duration = Duration::from_secs(7);

/// Holds a run to them.
#[derive(Clone)]
pub(crate) struct Invariants(Arc<Mutex<State>>);

struct State {
    servers: Servers,
    /// The run ids of those that are frozen.
    frozen: Vec<String>,
    /// The run ids of those that have yet to find out that there is another primary, and
    /// until when they must.
    excused: BTreeMap<String, Instant>,
    /// What is promised in the mode Safe is not promised.
    promises_nothing: bool,
    /// A person has accepted that data is lost.
    accepts_loss: bool,
    /// The status that was written last.
    status: Value,
    /// Whom the read-write Service selects.
    selected: String,
    emptied: BTreeMap<String, u64>,
    reigns: reigns::Reigns,
    disruption: disruption::Disruption,
    broken: Vec<String>,
}

impl Invariants {
    pub(crate) fn new(servers: Servers) -> Self {
        let state = State {
            servers,
            frozen: Vec::new(),
            excused: BTreeMap::new(),
            promises_nothing: false,
            accepts_loss: false,
            status: Value::Null,
            selected: String::new(),
            emptied: BTreeMap::new(),
            reigns: reigns::Reigns::default(),
            disruption: disruption::Disruption::default(),
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
            state.excused.insert(run_id.to_owned(), Instant::now() + THAWED);
        });
    }

    /// A partition is over: who was cut off as a primary may hear late what was told it
    /// in time.
    pub(crate) fn heal(&self) {
        self.with(|state| {
            let recorded = text(&state.status, "/primary/runID").to_owned();
            for server in state.servers.all().values() {
                let redis = server.redis();
                if redis.follows().is_none() && redis.run_id() != recorded {
                    state.excused.insert(redis.run_id().to_owned(), Instant::now() + HEALED);
                }
            }
        });
    }

    /// Whether the resource is from now on one that promises anything.
    pub(crate) fn promise(&self, promises: bool) {
        self.with(|state| {
            state.promises_nothing = !promises;
            state.accepts_loss = false;
        });
    }

    /// A person accepts that data is lost, until it is promised anew.
    pub(crate) fn accept_loss(&self) {
        self.with(|state| state.accepts_loss = true);
    }

    /// Looks at all servers.
    pub(crate) fn look(&self) {
        self.with(State::look);
    }

    /// Looks at a request.
    pub(crate) fn see(&self, seen: &Seen<'_>) {
        // What servers were told was decided before this.
        self.with(|state| {
            state.look();
            state.see(seen);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn breaks(&mut self, what: String) {
        if !self.broken.contains(&what) {
            self.broken.push(what);
        }
    }

    fn is_frozen(&self, server: &Server) -> bool {
        self.frozen.iter().any(|run_id| run_id == server.redis().run_id())
    }

    fn is_excused(&self, server: &Server) -> bool {
        self.excused.get(server.redis().run_id()).is_some_and(|until| Instant::now() < *until)
    }

    fn look(&mut self) {
        let servers = self.servers.all();
        let takes = |(_, server): &(&String, &Server)| {
            server.runs()
                && !self.is_frozen(server)
                && !self.is_excused(server)
                && server.redis().takes_writes()
        };
        let writable: Vec<&str> = servers.iter().filter(takes).map(|(pod, _)| pod.as_str()).collect();
        if writable.len() > 1 && !self.promises_nothing {
            self.breaks(format!("I4: {} take writes", writable.join(" and ")));
        }
        for (pod, server) in &servers {
            let emptied = server.redis().emptied();
            if self.emptied.insert(pod.clone(), emptied).is_some_and(|before| emptied > before) {
                self.breaks(format!("I6: {pod} had data, and was emptied by a copy"));
            }
            if server.runs() && !server.knows_operator() {
                self.breaks(format!("I14: the operator cannot log in at {pod}"));
            }
        }
        self.look_at_orders(&servers);
        self.look_at_disrupted(&servers);
    }

    fn see(&mut self, seen: &Seen<'_>) {
        let is_operator = seen.user.ends_with(":redis-operlet");
        if seen.user.starts_with("system:serviceaccount:") && [403, 422].contains(&seen.code) {
            self.breaks(format!("{} {} {} was refused: {}", seen.user, seen.method, seen.path, seen.code));
        }
        if seen.code >= 300 || seen.method == "GET" {
            return;
        }
        let path = seen.path.split('?').next().unwrap_or_default();
        let body: Value = serde_json::from_slice(seen.body).unwrap_or_default();
        if path.ends_with("/status") && path.contains("/redises/") {
            if let Some(status) = body.get("status").filter(|status| status.is_object()) {
                self.see_status(status);
            }
        } else if is_operator {
            self.see_effect(seen.method, path, &body);
        } else if path.contains("/redises/") {
            // A person's annotation says nothing of the rest.
            let Some(spec) = body.get("spec") else { return };
            self.disruption.is_asked_to_pause = spec.get("paused") == Some(&Value::Bool(true));
            // What is said may be of a pause before, and what came between has yet to be heard of.
            self.disruption.says_paused = false;
            self.disruption.replicas = spec.get("replicas").and_then(Value::as_u64).unwrap_or_default();
        }
    }

    fn see_status(&mut self, status: &Value) {
        let (before, now) = (epoch(&self.status), epoch(status).max(epoch(&self.status)));
        if epoch(status) < before && !status.get("epoch").is_none_or(Value::is_null) {
            self.breaks(format!("I3: epoch {} follows {before}", epoch(status)));
        }
        self.status = status.clone();
        if let Some(status) = self.status.as_object_mut() {
            status.insert("epoch".to_owned(), now.into());
        }
        let paused = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let mut paused = paused.filter(|condition| text(condition, "/type") == "Paused");
        self.disruption.says_paused = paused.any(|condition| text(condition, "/status") == "True");
    }

    fn see_effect(&mut self, method: &str, path: &str, body: &Value) {
        if self.disruption.is_paused() && !path.contains("/events") && !path.contains("accessreviews") {
            self.breaks(format!("I12: {method} {path} while it is paused"));
        }
        if path.ends_with("/services/cache") && method != "DELETE" {
            self.see_service(body);
        }
        if method == "DELETE" {
            self.see_deletion(path, body);
        }
    }
}

fn epoch(status: &Value) -> u64 {
    status.get("epoch").and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
