//! Runs reconciles: one at a time for a resource, so many side by side.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, channel::mpsc as futures_mpsc, stream};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::{
    sync::mpsc,
    task::{Id, JoinSet},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    informer::Trigger,
    reconcile::{self, Next},
    runtime::Runtime,
    waiting::Waiting,
};
use crate::{
    lease::Leadership,
    model::{ObjectKey, Owner},
    telemetry,
};

/// The pause after a defect of the host itself, which a retry will hardly cure.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// How long reconciles that are under way may go on after a stop.
const DRAIN: Duration = Duration::from_secs(20);

/// What reconciles, and while what is so.
pub(super) struct Queue {
    pub(super) runtime: Arc<Runtime>,
    pub(super) leadership: Leadership,
    pub(super) waiting: Arc<Waiting>,
}

impl Queue {
    /// Serves triggers until it is stopped, then lets what is under way finish. While
    /// this host does not hold the Lease nothing is begun, and nothing is forgotten.
    pub(super) async fn run(self, triggers: mpsc::Receiver<Trigger>, stop: CancellationToken) {
        let Self { runtime, leadership, waiting } = self;
        // At most one request for each running reconcile is ever in here.
        let (again, later) = futures_mpsc::unbounded();
        let (keys_runtime, triggered) = (Arc::clone(&runtime), Arc::clone(&waiting));
        let mut owners = Owners::default();
        let now = stream::poll_fn({
            let mut triggers = triggers;
            move |context| triggers.poll_recv(context)
        })
        .filter_map(move |trigger| {
            let key = owners.resolve(trigger, &keys_runtime);
            triggered.triggered(key.as_ref());
            keys_runtime.report_store();
            futures::future::ready(key.map(|message| ScheduleRequest { message, run_at: Instant::now() }))
        });
        let mut due = std::pin::pin!(scheduler(stream::select(now, later)));
        let mut running = HashMap::<Id, ObjectKey>::new();
        let mut tasks = JoinSet::new();
        loop {
            let concurrency = usize::from(runtime.live().terms.limits.concurrency);
            let held = leadership.may_write();
            let full = !held || running.len() >= concurrency;
            let is_running = |key: &ObjectKey| running.values().any(|running| running == key);
            let mut may_run = due.as_mut().hold_unless(|key| !full && !is_running(key));
            let next_due = may_run.next();
            tokio::select! {
                () = stop.cancelled() => break,
                () = leadership.comes_to(|now| now.may_write() != held) => {}
                Some(done) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let (id, next) = match done {
                        Ok((id, next)) => (id, next),
                        Err(error) => {
                            tracing::error!(%error, "a reconcile panicked: please report this");
                            (error.id(), Next::After(AFTER_PANIC))
                        }
                    };
                    if let Some(key) = running.remove(&id) {
                        reschedule(&again, key, next);
                    }
                }
                Some(key) = next_due => {
                    waiting.begun(&key);
                    let (runtime, reconciled) = (Arc::clone(&runtime), key.clone());
                    let span = telemetry::reconcile_span(&runtime.operlet, runtime.live().digest.short(), &key);
                    let reconcile = async move { reconcile::reconcile(&runtime, &reconciled).await };
                    let task = tasks.spawn(reconcile.instrument(span));
                    running.insert(task.id(), key);
                }
            }
        }
        let drained = timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(left = tasks.len(), "reconciles did not finish in time and are given up");
        }
    }
}

fn reschedule(again: &futures_mpsc::UnboundedSender<ScheduleRequest<ObjectKey>>, key: ObjectKey, next: Next) {
    if let Next::After(pause) = next {
        let request = ScheduleRequest { message: key, run_at: Instant::now() + pause };
        // It fails only when the queue itself has ended.
        let _ = again.unbounded_send(request);
    }
}

/// Which resource an owner label stands for. The label is a hash, so it is
/// learned from the resources that were seen.
#[derive(Default)]
struct Owners {
    keys: HashMap<String, ObjectKey>,
}

impl Owners {
    fn resolve(&mut self, trigger: Trigger, runtime: &Runtime) -> Option<ObjectKey> {
        match trigger {
            Trigger::Resource(key) => {
                let label = Owner::label_value(&key);
                if runtime.store.get(&key).is_some() {
                    self.keys.insert(label, key.clone());
                } else {
                    self.keys.remove(&label);
                }
                Some(key)
            }
            Trigger::Owner(label) => {
                let known = self.keys.get(&label).cloned();
                if known.is_none() {
                    // Nobody will ever be told of what went with its resource.
                    runtime.store.forget_departed(&label);
                }
                known
            }
        }
    }
}
