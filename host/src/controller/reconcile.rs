//! What happens to one resource: observe, decide, plan, apply, report.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    apply::{self, Report},
    conclude::Conclusion,
    observe::{Observed, observe},
    runtime::{Live, Memory, Runtime, retry_pause},
};
use crate::{
    engine::{CallContext, CallError},
    model::{Decision, Failure, ObjectKey, Outcome},
    plan,
};

/// When a resource is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When something changes.
    Wait,
    /// After this time, even if nothing does.
    After(Duration),
}

/// Reconciles one resource once.
pub(super) async fn reconcile(runtime: &Runtime, key: &ObjectKey) -> Next {
    let live = runtime.live();
    let Some(resource) = runtime.store.get(key) else {
        // It is gone; its objects go with it, by their owner references.
        runtime.recall(key);
        return Next::Wait;
    };
    if resource.deleting() || !runtime.store.synced(live.needed_kinds()) {
        return Next::Wait;
    }
    let mut memory = runtime.recall(key);
    let next = match observe(runtime, &live, resource, &memory) {
        Ok(observed) => match undisturbed(&memory, &observed) {
            Some(next) => next,
            None => run(runtime, &live, &observed, &mut memory).await,
        },
        Err(error) => {
            tracing::error!(%error, "the operating system gives no random bytes");
            Next::After(retry_pause(1, 0))
        }
    };
    runtime.remember(key.clone(), memory);
    next
}

/// When to look again at a resource for which nothing changed since it was
/// settled or failed, and which is not due either; none if there is something to do.
fn undisturbed(memory: &Memory, observed: &Observed) -> Option<Next> {
    let now = Instant::now();
    if let Some((cause, again)) = memory.failed
        && cause == observed.cause
        && now < again
    {
        return Some(Next::After(again.saturating_duration_since(now)));
    }
    if memory.settled != Some(observed.input) {
        return None;
    }
    match memory.due {
        None => Some(Next::Wait),
        Some(due) => {
            let left = due.saturating_duration_since(now);
            (!left.is_zero()).then_some(Next::After(left))
        }
    }
}

async fn run(runtime: &Runtime, live: &Live, observed: &Observed, memory: &mut Memory) -> Next {
    let limit = live.limits.reconcile;
    let end = match timeout(limit, decide_and_apply(runtime, live, observed, memory)).await {
        Ok(end) => end,
        Err(_) => {
            let limit = limit.as_millis();
            let message =
                format!("the reconcile took longer than its limit of {limit} ms; what was written stays");
            End::failed("ReconcileTimeout", message)
        }
    };
    Conclusion { runtime, live, observed, memory }.conclude(end).await
}

/// How a reconcile ended, before it is reported.
pub(super) enum End {
    /// Decided and carried out, as far as the report says.
    Settled { outcome: Box<Outcome>, report: Report },
    /// There is no decision, or it was refused as a whole. Nothing was changed.
    Failed { reason: &'static str, message: String, wait: Option<Duration>, until_changed: bool },
}

impl End {
    fn failed(reason: &'static str, message: String) -> Self {
        Self::Failed { reason, message, wait: None, until_changed: false }
    }
}

async fn decide_and_apply(runtime: &Runtime, live: &Live, observed: &Observed, memory: &mut Memory) -> End {
    let context = CallContext {
        operlet: Arc::clone(&runtime.operlet),
        resource: observed.owner.key.to_string().into(),
    };
    let called = live.component.reconcile(&observed.observation, &live.limits, &context).await;
    let outcome = match called {
        Ok(Ok(Decision::Settle(outcome))) => outcome,
        Ok(Ok(Decision::Ask(_) | Decision::Checkpoint(_))) => {
            let message = "the component asks or checkpoints, which this host does not do yet".to_owned();
            return End::failed("Unsupported", message);
        }
        Ok(Err(failure)) => return failed(failure),
        Err(error) => return call_failed(&error),
    };
    let context = plan::Context {
        operlet: &runtime.operlet,
        owner: &observed.owner,
        children: &live.manifest.children,
        retired: &live.retired,
        existing: &observed.existing,
        applied: &memory.applied,
    };
    match plan::plan(&outcome, &context) {
        Ok(plan) => {
            let report = apply::apply(runtime, live, &observed.owner, plan, memory).await;
            End::Settled { outcome: Box::new(outcome), report }
        }
        Err(refusal) => End::failed("DecisionRefused", refusal.to_string()),
    }
}

fn failed(failure: Failure) -> End {
    match failure {
        Failure::Retry { message, after_ms } => End::Failed {
            reason: "Retrying",
            message,
            wait: after_ms.map(Duration::from_millis),
            until_changed: false,
        },
        Failure::Invalid(message) => {
            End::Failed { reason: "InvalidResource", message, wait: None, until_changed: true }
        }
        Failure::Bug(message) => End::failed("ComponentBug", message),
    }
}

fn call_failed(error: &CallError) -> End {
    let reason = match error {
        CallError::Trap { .. } => "ComponentTrapped",
        error if error.is_components_fault() => "ComponentFailed",
        _ => "NotCalled",
    };
    End::failed(reason, error.to_string())
}
