//! What makes a cluster out of an API server: the controllers that act on objects.
//!
//! Each is a function from what there is to what it does next. They are asked again
//! whenever something has changed, and when something that takes time is due.

mod budgets;
mod claims;
mod definitions;
mod deployments;
mod due;
mod endpoints;
mod garbage;
mod jobs;
mod kubelet;
mod namespaces;
mod pods;
mod replica_sets;
mod stateful_sets;
#[cfg(test)]
mod testing;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    api::{ApiServer, Place, Refusal, Resource, State, Stored, Writing},
    world::{Application, Container, Images, Network},
};
use due::Due;
use jobs::Jobs;
use kubelet::Kubelets;
pub use kubelet::World;
pub(crate) use pods::is_ready;

/// Who controllers are to field managers.
const MANAGER: &str = "kube-controller-manager";

/// How long controllers take to notice a change: at least this, at most as long again.
const NOTICE: Duration = Duration::from_millis(5);

/// The controllers of a cluster.
pub struct Controllers {
    api: ApiServer,
    changed: Arc<Notify>,
    network: Network,
    kubelets: Arc<Mutex<Kubelets>>,
    jobs: Jobs,
}

/// Knows no images.
struct Nothing;

impl Images for Nothing {
    fn start(&self, _: &Container<'_>) -> Option<Box<dyn Application>> {
        None
    }
}

impl Controllers {
    /// Controllers of the cluster of this API server, whose containers run as these
    /// images say. [`Network::run`] is to run, too.
    #[must_use]
    pub fn new(api: ApiServer, network: Network, images: Arc<dyn Images>) -> Self {
        let changed = api.state().notify();
        let kubelets = Kubelets::new(&mut api.state(), network.clone(), images);
        Self { api, changed, network, kubelets: Arc::new(Mutex::new(kubelets)), jobs: Jobs::default() }
    }

    /// Controllers of a cluster in whose containers nothing runs.
    #[must_use]
    pub fn without_applications(api: ApiServer) -> Self {
        Self::new(api, Network::new(0), Arc::new(Nothing))
    }

    /// The nodes of the cluster, and what runs there.
    #[must_use]
    pub fn world(&self) -> World {
        World::new(Arc::clone(&self.kubelets), self.network.clone())
    }

    /// Controls for ever.
    pub async fn run(mut self) {
        let ended = self.network.endings();
        let (mut seen, mut later) = (0, None);
        loop {
            let due = self.run_pods();
            let changed = tokio::select! {
                biased;
                () = self.changed.notified() => true,
                () = ended.notified() => false,
                () = until(due) => false,
                () = until(later) => {
                    later = self.step(&mut seen);
                    false
                }
            };
            if changed {
                let more = self.api.state().random() % 1_000;
                sleep(NOTICE + NOTICE.mul_f64(more as f64 / 1_000.0)).await;
                later = self.step(&mut seen);
            }
        }
    }

    /// Does what is to be done after a change, and says when there is more. Who looks at
    /// some kinds only has nothing to do when nothing of them has changed since the last
    /// step began.
    fn step(&mut self, seen: &mut u64) -> Option<Instant> {
        let mut state = self.api.state();
        let state = &mut *state;
        let since = std::mem::replace(seen, state.store.version());
        definitions::step(state);
        namespaces::step(state);
        garbage::step(state, since);
        if state.store.touched_after(since, claims::KINDS) {
            claims::step(state);
        }
        if state.store.touched_after(since, stateful_sets::KINDS) {
            stateful_sets::step(state);
        }
        let mut due = Due::default();
        deployments::step(state, &mut due);
        replica_sets::step(state, &mut due);
        self.jobs.step(state, &mut due);
        budgets::step(state, &mut due);
        self.kubelets.lock().unwrap_or_else(PoisonError::into_inner).step(state);
        if state.store.touched_after(since, endpoints::KINDS) {
            endpoints::step(state);
        }
        // A little later than it is due, so that it is when it is looked at.
        let wait = due.first()?.duration_since((state.clock)()).max(SignedDuration::ZERO);
        Some(Instant::now() + wait.unsigned_abs() + NOTICE)
    }

    /// Does what is to be done now for pods, and says when there is more.
    fn run_pods(&self) -> Option<Instant> {
        let mut state = self.api.state();
        let due = self.kubelets.lock().unwrap_or_else(PoisonError::into_inner).step(&mut state);
        due.map(|due| self.network.instant(due))
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// All objects of a kind.
fn all(state: &State, group: &str, plural: &str) -> Vec<(Place, Arc<Stored>)> {
    state.store.list(group, plural, None).map(|(place, stored)| (place.clone(), Arc::clone(stored))).collect()
}

/// The kind that is served so.
fn kind(state: &State, group: &str, plural: &str) -> Option<Arc<Resource>> {
    state.registry.of_plural(group, plural).cloned()
}

/// Changes an object; what somebody else did first is seen at the next step.
fn change(state: &mut State, place: &Place, subresource: &'static str, change: impl FnOnce(&mut Value)) {
    let Some(resource) = kind(state, &place.group, &place.plural) else { return };
    let writing = Writing { manager: MANAGER.to_owned(), subresource, ..Writing::default() };
    let changed = |object: &mut Value| {
        change(object);
        Ok(())
    };
    drop(state.amend(&resource, place, changed, &writing));
}

fn create(state: &mut State, group: &str, plural: &str, namespace: &str, object: Value) {
    drop(try_create(state, group, plural, namespace, object));
}

/// Creates an object, or says why that cannot be.
fn try_create(
    state: &mut State,
    group: &str,
    plural: &str,
    namespace: &str,
    object: Value,
) -> Result<(), Refusal> {
    let Some(resource) = kind(state, group, plural) else { return Err(Refusal::unknown_path()) };
    let writing = Writing { manager: MANAGER.to_owned(), ..Writing::default() };
    state.create(&resource, Some(namespace), object, &writing).map(drop)
}

fn delete(state: &mut State, place: &Place, uid: &str) {
    delete_propagating(state, place, uid, "Background");
}

/// Deletes an object, and what it owns in this way.
fn delete_propagating(state: &mut State, place: &Place, uid: &str, propagation: &str) {
    let Some(resource) = kind(state, &place.group, &place.plural) else { return };
    let propagation = Some(propagation.to_owned());
    let deleting = crate::api::Deleting { uid: Some(uid.to_owned()), propagation, ..Default::default() };
    drop(state.delete(&resource, place, &deleting));
}

/// Deletes what has ended: nothing is given time any more.
fn delete_now(state: &mut State, place: &Place, uid: &str) {
    let Some(resource) = kind(state, &place.group, &place.plural) else { return };
    let deleting =
        crate::api::Deleting { uid: Some(uid.to_owned()), grace_seconds: Some(0), ..Default::default() };
    drop(state.delete(&resource, place, &deleting));
}

fn is_deleted(stored: &Stored) -> bool {
    stored.value.pointer("/metadata/deletionTimestamp").is_some()
}

/// The object's owner that controls it.
fn controller(object: &Value) -> Option<&Value> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

/// Whether that is this one.
fn is_controlled_by(object: &Value, uid: &str) -> bool {
    controller(object).is_some_and(|owner| text(owner, "uid") == uid)
}

/// Takes a finalizer off.
fn release(object: &mut Value, finalizer: &str) {
    if let Some(all) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
        all.retain(|one| one != finalizer);
    }
}

fn has_finalizer(stored: &Stored, finalizer: &str) -> bool {
    let all = stored.value.pointer("/metadata/finalizers").and_then(Value::as_array);
    all.is_some_and(|all| all.iter().any(|one| one == finalizer))
}

/// A text in an object, or none.
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
