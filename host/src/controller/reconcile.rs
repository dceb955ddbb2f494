//! What happens to one resource: observe, decide, plan, apply, report.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    apply::{self, Report},
    informer::{api_for, describe},
    resource_status::{NewStatus, next_status},
    runtime::{Live, Memory, Runtime, conflict_pause, retry_pause},
    store::Stored,
};
use crate::{
    engine::{CallContext, CallError},
    model::{
        Condition, ConditionStatus, Decision, Event, EventType, Failure, ObjectKey, ObjectsOfKind,
        Observation, Outcome, Owner,
    },
    plan::{self, Existing, Fingerprint, is_earlier_self},
};

/// The host's own condition on every resource: whether the last decision was
/// carried out.
const RECONCILED: &str = "Reconciled";

/// When a resource is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When something changes.
    Wait,
    /// After this time, even if nothing does.
    After(Duration),
}

/// What is known of a resource at the start of a reconcile; nothing of it changes
/// until the end.
struct Observed {
    resource: Arc<Stored>,
    owner: Owner,
    /// Everything with the owner label, for the planner.
    existing: BTreeMap<ObjectKey, Existing>,
    observation: Observation,
    /// The hash of what the decision depends on, chance and time aside.
    input: Fingerprint,
}

/// Reconciles one resource once.
pub(super) async fn reconcile(runtime: &Runtime, key: &ObjectKey) -> Next {
    let live = runtime.live();
    let Some(resource) = runtime.store.get(key) else {
        // It is gone; its objects go with it, by their owner references.
        runtime.recall(key);
        return Next::Wait;
    };
    if resource.existing.deleting || !runtime.store.synced(live.needed_kinds()) {
        return Next::Wait;
    }
    let mut memory = runtime.recall(key);
    let (chance, observed) = observe(runtime, &live, resource, &memory);
    let next = match observed {
        _ if chance.is_none() => Next::After(retry_pause(1, 0)),
        observed if memory.settled == Some(observed.input) && !memory.due => Next::Wait,
        observed => {
            let limit = live.limits.reconcile;
            let chance = observed.observation.entropy.first().copied().unwrap_or_default();
            let work = decide_and_apply(runtime, &live, &observed, &mut memory);
            match tokio::time::timeout(limit, work).await {
                Ok(end) => finish(runtime, &live, &observed, &mut memory, end, chance).await,
                Err(_) => {
                    let message = format!(
                        "the reconcile took longer than its limit of {} ms; what it had written stays",
                        limit.as_millis()
                    );
                    let end = End::failed("ReconcileTimeout", message);
                    finish(runtime, &live, &observed, &mut memory, end, chance).await
                }
            }
        }
    };
    runtime.remember(key.clone(), memory);
    next
}

/// How a reconcile ended, before it is reported.
enum End {
    /// Carried out; the component wants to be called again after this time.
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
        Ok(Ok(Decision::Ask | Decision::Checkpoint)) => {
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

/// Reports how it ended, and says when to look again.
async fn finish(
    runtime: &Runtime,
    live: &Live,
    observed: &Observed,
    memory: &mut Memory,
    end: End,
    chance: u8,
) -> Next {
    match end {
        End::Settled { report, .. } if report.terminating => Next::Wait,
        End::Settled { report, .. } if report.stale => {
            memory.conflicts = memory.conflicts.saturating_add(1);
            Next::After(conflict_pause(memory.conflicts, chance))
        }
        End::Settled { outcome, report } => {
            memory.conflicts = 0;
            settled(runtime, live, observed, memory, *outcome, &report, chance).await
        }
        End::Failed { reason, message, wait, until_changed } => {
            let condition = reconciled(ConditionStatus::False, reason, message.clone());
            tracing::warn!(resource = %observed.owner.key, reason, message, "not reconciled");
            let wrote = write_status(runtime, live, observed, None, &[condition]).await;
            if !matches!(wrote, Ok(false)) {
                let event = Event {
                    type_: EventType::Warning,
                    reason: reason.to_owned(),
                    message,
                    action: "Reconcile".to_owned(),
                };
                runtime.events.publish(&event, &reference(&observed.owner)).await;
            }
            if until_changed && wrote.is_ok() {
                memory.failures = 0;
                memory.settled = Some(observed.input);
                memory.due = false;
                return Next::Wait;
            }
            memory.failures = memory.failures.saturating_add(1);
            Next::After(wait.unwrap_or_else(|| retry_pause(memory.failures, chance)))
        }
    }
}

async fn settled(
    runtime: &Runtime,
    live: &Live,
    observed: &Observed,
    memory: &mut Memory,
    outcome: Outcome,
    report: &Report,
    chance: u8,
) -> Next {
    let mut conditions = outcome.conditions;
    let own = match (report.errors.first(), report.blocked.as_slice()) {
        (Some(first), _) => {
            let reason = if first.forbidden { "Forbidden" } else { "WriteFailed" };
            reconciled(ConditionStatus::False, reason, join(&report.errors))
        }
        (None, []) => {
            reconciled(ConditionStatus::True, "Settled", "the last decision was carried out".to_owned())
        }
        (None, blocked) => reconciled(ConditionStatus::False, "Blocked", join(blocked)),
    };
    let trouble = (own.status == ConditionStatus::False).then(|| own.clone());
    conditions.push(own);
    let wrote = write_status(runtime, live, observed, outcome.status.as_deref(), &conditions).await;
    for event in &outcome.events {
        runtime.events.publish(event, &reference(&observed.owner)).await;
    }
    if let Some(Condition { reason, message, .. }) = trouble {
        tracing::warn!(resource = %observed.owner.key, reason, message, "not reconciled");
        if !matches!(wrote, Ok(false)) {
            let event = Event { type_: EventType::Warning, reason, message, action: "Apply".to_owned() };
            runtime.events.publish(&event, &reference(&observed.owner)).await;
        }
    }
    memory.carry = outcome.carry;
    memory.due = outcome.requeue_after_ms.is_some();
    if let Err(error) = &wrote {
        tracing::warn!(resource = %observed.owner.key, error = describe(error), "cannot write the status");
    }
    if wrote.is_err() || !report.errors.is_empty() || !report.blocked.is_empty() {
        memory.failures = memory.failures.saturating_add(1);
        return Next::After(retry_pause(memory.failures, chance));
    }
    memory.failures = 0;
    memory.settled = Some(observed.input);
    outcome.requeue_after_ms.map_or(Next::Wait, |pause| Next::After(Duration::from_millis(pause)))
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn reconciled(status: ConditionStatus, reason: &str, message: String) -> Condition {
    let message = super::events::shorten(&message, 32 * 1024);
    Condition { type_: RECONCILED.to_owned(), status, reason: reason.to_owned(), message }
}

/// Gathers what the component is shown. Without chance from the operating system
/// there is no call.
fn observe(runtime: &Runtime, live: &Live, resource: Arc<Stored>, memory: &Memory) -> (Option<()>, Observed) {
    let owner = Owner { key: resource.key.clone(), uid: resource.existing.uid.clone() };
    let mut owned = runtime.store.owned_by(&Owner::label_value(&owner.key));
    owned.retain(|stored| stored.key.namespace == owner.key.namespace || owner.key.namespace.is_none());
    let existing = owned.iter().map(|stored| (stored.key.clone(), stored.existing.clone())).collect();
    let shown = shown(&owned, &owner);
    let manifest = &live.manifest;
    let kinds = manifest.children.iter().map(|child| &child.resource).chain(&manifest.observed_only);
    let observed: Vec<ObjectsOfKind> = kinds
        .map(|resource| ObjectsOfKind {
            kind: resource.kind.clone(),
            objects: shown
                .iter()
                .filter(|stored| stored.key.kind == resource.kind)
                .map(|stored| Arc::clone(&stored.json))
                .collect(),
        })
        .collect();
    let mut hash = Sha256::new();
    hash.update(live.digest.to_string());
    hash.update(live.settings.as_bytes());
    hash.update(resource.json.as_bytes());
    for stored in &owned {
        hash.update(stored.json.as_bytes());
    }
    let mut entropy = [0; 32];
    let chance = getrandom::fill(&mut entropy).ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observation = Observation {
        resource: Arc::clone(&resource.json),
        deleting: false,
        observed,
        round: 0,
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        entropy,
        carry: memory.carry.clone(),
        settings: Arc::clone(&live.settings),
    };
    (chance, Observed { resource, owner, existing, observation, input: hash.finalize().into() })
}

/// What a component may see: not what belongs to an earlier resource of the same
/// name, nor what that in turn controls.
fn shown(owned: &[Arc<Stored>], owner: &Owner) -> Vec<Arc<Stored>> {
    let mut leaving: Vec<&str> = Vec::new();
    loop {
        let before = leaving.len();
        for stored in owned {
            let Some(controller) = &stored.existing.controller else { continue };
            let uid = stored.existing.uid.as_str();
            let earlier = is_earlier_self(controller, owner) || leaving.contains(&controller.uid.as_str());
            if earlier && !leaving.contains(&uid) {
                leaving.push(uid);
            }
        }
        if leaving.len() == before {
            break;
        }
    }
    owned.iter().filter(|stored| !leaving.contains(&stored.existing.uid.as_str())).cloned().collect()
}

/// Writes the status if it changes; tells whether it did.
async fn write_status(
    runtime: &Runtime,
    live: &Live,
    observed: &Observed,
    wanted: Option<&str>,
    conditions: &[Condition],
) -> Result<bool, kube::Error> {
    let key = &observed.owner.key;
    let current: Value = serde_json::from_str(&observed.resource.json).unwrap_or_default();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let new = NewStatus {
        wanted,
        conditions,
        generation: observed.resource.generation,
        state_version: wanted.map(|_| live.manifest.state.writes),
        now: &now,
    };
    let Some(status) = next_status(&current, &new) else { return Ok(false) };
    let mut metadata = json!({ "name": key.name, "uid": observed.owner.uid });
    if let (Some(namespace), Some(map)) = (&key.namespace, metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), Value::from(namespace.as_str()));
    }
    let body = json!({
        "apiVersion": key.kind.api_version(), "kind": key.kind.kind, "metadata": metadata, "status": status,
    });
    let api = api_for(&runtime.client, &live.manifest.primary, key.namespace.as_deref());
    let params = PatchParams::apply(&runtime.field_manager()).force();
    match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
        Ok(object) => {
            runtime.store.put(Stored::new(&key.kind, object));
            Ok(true)
        }
        // It was deleted meanwhile, which is no trouble of ours.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(true),
        Err(error) => Err(error),
    }
}

fn reference(owner: &Owner) -> ObjectReference {
    ObjectReference {
        api_version: Some(owner.key.kind.api_version()),
        kind: Some(owner.key.kind.kind.clone()),
        name: Some(owner.key.name.clone()),
        namespace: owner.key.namespace.clone(),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    }
}
