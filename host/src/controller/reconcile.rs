//! What happens to one resource: observe, decide, plan, apply, report.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{
    apply::{self, Report},
    conclude::Conclusion,
    dependencies::{Read, Reads},
    events::about,
    finalizer::{self, Ending},
    informer::{api_for, describe},
    memory::{Memory, conflict_pause, retry_pause},
    observe::{Observed, observe},
    rounds::{Rounds, Settlement, Trouble, Undecided},
    runtime::{Live, Runtime},
    store::Stored,
};
use crate::{
    model::{Event, EventType, ObjectKey, Owner},
    plan::{self, Budget, Fingerprint},
};

/// When a resource is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When something changes.
    Wait,
    /// After this time, even if nothing does.
    After(Duration),
}

/// How long nothing is tried while another host may be at work.
const WITHOUT_LEASE: Duration = Duration::from_secs(1);

/// What is left of a reconcile's time for the report of how it ended.
const FOR_THE_REPORT: Duration = Duration::from_secs(5);

/// Reconciles one resource once.
pub(super) async fn reconcile(runtime: &Runtime, key: &ObjectKey) -> Next {
    if !runtime.leadership.may_write() {
        return Next::After(WITHOUT_LEASE);
    }
    let live = runtime.live();
    let Some(resource) = runtime.store.get(key) else {
        // It is gone; its objects go with it, by their owner references.
        forget(runtime, key);
        runtime.store.forget_departed(&Owner::label_value(key));
        return Next::Wait;
    };
    if !runtime.store.synced(live.needed_kinds()) {
        return Next::Wait;
    }
    let mut memory = runtime.recall(key);
    let next = match prepare(runtime, &live, resource).await {
        Prepared::Ready(resource) => attend(runtime, &live, resource, &mut memory).await,
        Prepared::Leaving => {
            forget(runtime, key);
            return Next::Wait;
        }
        Prepared::Later(error) => {
            memory.failures = memory.failures.saturating_add(1);
            tracing::warn!(error, "cannot put the finalizer on or take it off");
            Next::After(retry_pause(memory.failures, 0))
        }
        Prepared::Changed => {
            memory.conflicts = memory.conflicts.saturating_add(1);
            Next::After(conflict_pause(memory.conflicts, 0))
        }
    };
    runtime.remember(key.clone(), memory);
    next
}

/// Nothing of a resource outlives it.
fn forget(runtime: &Runtime, key: &ObjectKey) {
    runtime.recall(key);
    runtime.probes.clear(key);
    runtime.metrics.probes_running(runtime.probes.len());
    runtime.dependencies.keep(key, &BTreeSet::new());
}

/// A resource before it is looked at.
enum Prepared {
    /// With the finalizer, if the component wants one, and without if not.
    Ready(Arc<Stored>),
    /// It is on its way out and waits for nothing here.
    Leaving,
    /// It has changed meanwhile.
    Changed,
    /// The finalizer could not be set, in words.
    Later(String),
}

async fn prepare(runtime: &Runtime, live: &Live, resource: Arc<Stored>) -> Prepared {
    let (deleting, wanted) = (resource.deleting(), live.manifest.finalizer);
    // Reading the metadata of every resource each time would be for nothing.
    if !deleting && !wanted && !resource.json.contains(finalizer::FINALIZER) {
        return Prepared::Ready(resource);
    }
    let ending = Ending::of(&resource.json);
    match (deleting, ending.has_finalizer(), wanted) {
        (true, false, _) => Prepared::Leaving,
        (true, true, true) => match overdue(live, &ending) {
            false => Prepared::Ready(resource),
            true => {
                give_up(runtime, live, &resource).await;
                set_finalizer(runtime, live, &resource, &ending, false).await
            }
        },
        (false, has, wanted) if has == wanted => Prepared::Ready(resource),
        (_, _, wanted) => set_finalizer(runtime, live, &resource, &ending, wanted && !deleting).await,
    }
}

fn overdue(live: &Live, ending: &Ending) -> bool {
    let waiting = ending.waiting_seconds(Timestamp::now());
    waiting.is_some_and(|seconds| Duration::from_secs(seconds) >= live.terms.finalizer_timeout)
}

/// A broken component must not keep a resource from going for ever.
async fn give_up(runtime: &Runtime, live: &Live, resource: &Stored) {
    let seconds = live.terms.finalizer_timeout.as_secs();
    let message = format!(
        "the component did not release the resource within {seconds} s (spec.finalizer.timeoutSeconds of the \
         Operlet): it goes without; what it owns goes with it, and what the component would have cleaned up \
         elsewhere is left"
    );
    tracing::warn!(message, "finalizer given up");
    let (type_, reason, action) = (EventType::Warning, "FinalizerTimeout".to_owned(), "Finalize".to_owned());
    let event = Event { type_, reason, message, action };
    runtime.events.publish(&event, &about(resource)).await;
}

async fn set_finalizer(
    runtime: &Runtime,
    live: &Live,
    resource: &Stored,
    ending: &Ending,
    wanted: bool,
) -> Prepared {
    let key = &resource.key;
    let api = api_for(&runtime.client, &live.manifest.primary, key.namespace.as_deref());
    match finalizer::set(&api, &key.name, ending, wanted).await {
        Ok(object) => {
            let resource = runtime.store.put_own(Stored::new(&key.kind, object));
            if resource.deleting() { Prepared::Leaving } else { Prepared::Ready(resource) }
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Prepared::Leaving,
        Err(kube::Error::Api(status)) if status.is_conflict() || apply::uid_mismatch(&status) => {
            Prepared::Changed
        }
        Err(error) => Prepared::Later(describe(&error)),
    }
}

async fn attend(runtime: &Runtime, live: &Live, resource: Arc<Stored>, memory: &mut Memory) -> Next {
    let ending = resource.deleting().then(|| Ending::of(&resource.json));
    let next = look(runtime, live, resource, memory).await;
    let Some(ending) = ending else { return next };
    // It must be looked at again when its time is up, whatever else happens.
    let waiting = ending.waiting_seconds(Timestamp::now()).unwrap_or_default();
    let left = live.terms.finalizer_timeout.saturating_sub(Duration::from_secs(waiting));
    match next {
        Next::Wait => Next::After(left),
        Next::After(pause) => Next::After(pause.min(left)),
    }
}

async fn look(runtime: &Runtime, live: &Live, resource: Arc<Stored>, memory: &mut Memory) -> Next {
    let now = Instant::now();
    let mut observed = match observe(runtime, live, resource, memory) {
        Ok(observed) => observed,
        Err(error) => {
            tracing::error!(%error, "the operating system gives no random bytes");
            return Next::After(retry_pause(1, 0));
        }
    };
    if let Some(left) = memory.breaker.left(now, observed.why()) {
        return Next::After(left);
    }
    // Of what is gone nothing is remembered.
    let is_there = |key: &ObjectKey| observed.existing.contains_key(key) || *key == observed.owner.key;
    memory.applied.retain(|key, _| is_there(key));
    memory.own_versions.retain(|key, _| is_there(key));
    if let Some(next) = undisturbed(runtime, memory, &observed, now) {
        runtime.metrics.reconcile_skipped();
        return next;
    }
    run(runtime, live, &mut observed, memory).await
}

/// When to look again at a resource for which nothing changed since it was
/// settled or failed, and which is not due either; none if there is something to do.
fn undisturbed(runtime: &Runtime, memory: &Memory, observed: &Observed, now: Instant) -> Option<Next> {
    if let Some(failed) = &memory.failed
        && now < failed.again
        && failed.cause == observed.cause()
        && runtime.dependencies.unchanged(&failed.reads)
    {
        return Some(Next::After(failed.again.saturating_duration_since(now)));
    }
    let settled = memory.settled.as_ref()?;
    if settled.input != observed.input()
        || !observed.observation.departed.is_empty()
        || !runtime.dependencies.unchanged(&settled.reads)
    {
        return None;
    }
    match settled.due {
        None => Some(Next::Wait),
        Some(due) => {
            let left = due.saturating_duration_since(now);
            (!left.is_zero()).then_some(Next::After(left))
        }
    }
}

/// How a reconcile ended, before it is reported.
pub(super) enum End {
    /// Decided and carried out, as far as the report says.
    Settled { settlement: Box<Settlement>, report: Report },
    /// There is no decision, or it was refused as a whole. Nothing was changed, but
    /// for what was put on record first.
    Failed(Trouble),
    /// What was observed has changed.
    Stale,
    /// The resource is gone.
    Gone,
}

async fn run(runtime: &Runtime, live: &Live, observed: &mut Observed, memory: &mut Memory) -> Next {
    let begun = Instant::now();
    let limit = live.terms.limits.reconcile;
    let deadline = begun + limit;
    let mut reads = BTreeMap::new();
    let carried_out = decide_and_apply(runtime, live, observed, memory, &mut reads, deadline);
    let end = timeout_at(deadline, carried_out).await.unwrap_or_else(|_| {
        runtime.metrics.limit_breach("reconcile-time");
        let limit = limit.as_millis();
        let message = format!(
            "the reconcile took longer than its limit of {limit} ms (limit reconcileTimeout); what was written \
             stays"
        );
        End::Failed(Trouble::new("ReconcileTimeout", message))
    });
    runtime.dependencies.keep(&observed.owner.key, &reads.keys().cloned().collect());
    let reads: Reads = reads.into_iter().collect();
    let name = match &end {
        End::Settled { .. } => "settled",
        End::Failed(_) => "failed",
        End::Stale => "stale",
        End::Gone => "gone",
    };
    let released = matches!(&end, End::Settled { settlement, report } if is_released(settlement, report));
    let conclusion = Conclusion { runtime, live, observed, reads, memory }.conclude(end);
    let next = tokio::time::timeout(FOR_THE_REPORT, conclusion).await.unwrap_or_else(|_| {
        tracing::warn!("the end of the reconcile could not be reported in time");
        Next::After(retry_pause(1, 0))
    });
    runtime.metrics.reconcile(
        name,
        begun.elapsed().as_secs_f64(),
        observed.observation.round.saturating_add(1),
    );
    if released && observed.observation.deleting { release(runtime, live, observed).await } else { next }
}

fn is_released(settlement: &Settlement, report: &Report) -> bool {
    settlement.outcome.released && !report.stale && report.errors.is_empty()
}

/// The component has cleaned up: the resource may go.
async fn release(runtime: &Runtime, live: &Live, observed: &Observed) -> Next {
    // The report may have changed it.
    let Some(resource) = runtime.store.get(&observed.owner.key) else { return Next::Wait };
    let ending = Ending::of(&resource.json);
    match set_finalizer(runtime, live, &resource, &ending, false).await {
        Prepared::Ready(_) | Prepared::Leaving => {
            forget(runtime, &observed.owner.key);
            Next::Wait
        }
        Prepared::Changed => Next::After(conflict_pause(1, 0)),
        Prepared::Later(error) => {
            tracing::warn!(error, "cannot take the finalizer off");
            Next::After(retry_pause(1, 0))
        }
    }
}

async fn decide_and_apply(
    runtime: &Runtime,
    live: &Live,
    observed: &mut Observed,
    memory: &mut Memory,
    reads: &mut BTreeMap<Read, Fingerprint>,
    deadline: Instant,
) -> End {
    let mut rounds = Rounds { runtime, live, observed, deadline, reads };
    let settlement = match rounds.decide().await {
        Ok(settlement) => settlement,
        Err(Undecided::Stale) => return End::Stale,
        Err(Undecided::Gone) => return End::Gone,
        Err(Undecided::Failed(trouble)) => return End::Failed(trouble),
    };
    let budget = Budget {
        per_reconcile: live.terms.deletions_per_reconcile,
        per_hour: live.terms.deletions_per_hour,
        left_this_hour: live.terms.deletions_per_hour.saturating_sub(runtime.deletions.within_an_hour()),
    };
    let context = plan::Context {
        operlet: &runtime.operlet,
        owner: &observed.owner,
        children: &live.manifest.children,
        retired: &live.retired,
        existing: &observed.existing,
        applied: &memory.applied,
        budget: (!observed.observation.deleting).then_some(budget),
    };
    match plan::plan(&settlement.outcome, &context) {
        Ok(plan) => {
            let report = apply::apply(runtime, live, observed, plan, memory).await;
            End::Settled { settlement: Box::new(settlement), report }
        }
        Err(refusal) => End::Failed(Trouble::new("DecisionRefused", refusal.to_string())),
    }
}
