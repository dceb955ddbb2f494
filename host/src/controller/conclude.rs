//! The end of a reconcile: status, events, and when to look again.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    apply::Report,
    informer::{api_for, describe},
    observe::Observed,
    reconcile::{End, Next},
    resource_status::{NewStatus, next_status},
    runtime::{Carry, Live, Memory, Runtime, conflict_pause, retry_pause},
    store::Stored,
};
use crate::{
    model::{Condition, ConditionStatus, Event, EventType, Outcome, Owner},
    plan::Blocked,
};

/// The host's own condition on every resource: whether the last decision was
/// carried out.
const RECONCILED: &str = "Reconciled";

/// A component that wants to be called at once, for ever, leaves this much to
/// others.
const PAUSE_SHORTEST: Duration = Duration::from_millis(10);

/// The reason while something is on its way out: no trouble, only not yet.
const WAITING: &str = "Waiting";

/// What a reconcile knows when it is over.
pub(super) struct Conclusion<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) live: &'a Live,
    pub(super) observed: &'a Observed,
    pub(super) memory: &'a mut Memory,
}

impl Conclusion<'_> {
    /// Reports how it ended, and says when to look again.
    pub(super) async fn conclude(mut self, end: End) -> Next {
        match end {
            End::Settled { report, .. } if report.terminating => Next::Wait,
            End::Settled { report, .. } if report.stale => {
                self.memory.conflicts = self.memory.conflicts.saturating_add(1);
                Next::After(conflict_pause(self.memory.conflicts, self.chance()))
            }
            End::Settled { outcome, report } => {
                self.memory.conflicts = 0;
                self.settled(*outcome, &report).await
            }
            End::Failed { reason, message, wait, until_changed } => {
                let own = reconciled(ConditionStatus::False, reason, message);
                let wrote = self.report(None, std::slice::from_ref(&own), Some(&own), "Reconcile").await;
                if until_changed && wrote {
                    self.succeeded();
                    self.memory.settled = Some(self.observed.input);
                    self.memory.due = None;
                    return Next::Wait;
                }
                self.failed(wait)
            }
        }
    }

    async fn settled(&mut self, outcome: Outcome, report: &Report) -> Next {
        let mut conditions = outcome.conditions;
        let own = carried_out(report);
        conditions.push(own.clone());
        let fine = own.status == ConditionStatus::True;
        let trouble = (!fine && own.reason != WAITING).then_some(&own);
        let wrote = self.report(outcome.status.as_deref(), &conditions, trouble, "Apply").await;
        for event in &outcome.events {
            self.runtime.events.publish(event, &self.reference()).await;
        }
        let (digest, uid) = (self.live.digest.clone(), self.observed.owner.uid.clone());
        self.memory.carry = Some(Carry { digest, uid, bytes: outcome.carry });
        if !fine || !wrote {
            return self.failed(None);
        }
        self.succeeded();
        self.memory.settled = Some(self.observed.input);
        let pause = outcome.requeue_after_ms.map(|pause| Duration::from_millis(pause).max(PAUSE_SHORTEST));
        self.memory.due = pause.and_then(|pause| Instant::now().checked_add(pause));
        pause.map_or(Next::Wait, Next::After)
    }

    /// Writes the status; where that changes it, trouble is also logged and
    /// published, once. False if the status could not be written.
    async fn report(
        &self,
        wanted: Option<&str>,
        conditions: &[Condition],
        trouble: Option<&Condition>,
        action: &str,
    ) -> bool {
        let resource = &self.observed.owner.key;
        let wrote = self.write_status(wanted, conditions).await;
        if let Err(error) = &wrote {
            tracing::warn!(%resource, error = describe(error), "cannot write the status");
        }
        if let Some(Condition { reason, message, .. }) = trouble
            && !matches!(wrote, Ok(false))
        {
            tracing::warn!(%resource, reason, message, "not reconciled");
            let (reason, message, action) = (reason.clone(), message.clone(), action.to_owned());
            let event = Event { type_: EventType::Warning, reason, message, action };
            self.runtime.events.publish(&event, &self.reference()).await;
        }
        wrote.is_ok()
    }

    /// Writes the status if it changes; tells whether it did.
    async fn write_status(
        &self,
        wanted: Option<&str>,
        conditions: &[Condition],
    ) -> Result<bool, kube::Error> {
        let Owner { key, uid } = &self.observed.owner;
        let current: Value = serde_json::from_str(&self.observed.resource.json).unwrap_or_default();
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let new = NewStatus {
            wanted,
            conditions,
            generation: self.observed.resource.generation(),
            state_version: wanted.map(|_| self.live.manifest.state.writes),
            now: &now,
        };
        let Some(status) = next_status(&current, &new) else { return Ok(false) };
        let mut metadata = json!({ "name": key.name, "uid": uid });
        if let (Some(namespace), Some(map)) = (&key.namespace, metadata.as_object_mut()) {
            map.insert("namespace".to_owned(), Value::from(namespace.as_str()));
        }
        let body = json!({
            "apiVersion": key.kind.api_version(), "kind": key.kind.kind, "metadata": metadata, "status": status,
        });
        let api = api_for(&self.runtime.client, &self.live.manifest.primary, key.namespace.as_deref());
        let params = PatchParams::apply(&self.runtime.field_manager()).force();
        match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
            Ok(object) => {
                self.runtime.store.put(Stored::new(&key.kind, object));
                Ok(true)
            }
            // It was deleted meanwhile, which is no trouble of ours.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn succeeded(&mut self) {
        self.memory.failures = 0;
        self.memory.failed = None;
    }

    /// Counts a failure and says when to try again: when the component says, or
    /// after a pause that grows.
    fn failed(&mut self, wait: Option<Duration>) -> Next {
        self.memory.failures = self.memory.failures.saturating_add(1);
        let grown = retry_pause(self.memory.failures, self.chance());
        let pause = wait.map_or(grown, |wait| wait.max(PAUSE_SHORTEST));
        self.memory.failed = Instant::now().checked_add(pause).map(|again| (self.observed.cause, again));
        Next::After(pause)
    }

    fn chance(&self) -> u8 {
        self.observed.observation.entropy.first().copied().unwrap_or_default()
    }

    fn reference(&self) -> ObjectReference {
        let Owner { key, uid } = &self.observed.owner;
        ObjectReference {
            api_version: Some(key.kind.api_version()),
            kind: Some(key.kind.kind.clone()),
            name: Some(key.name.clone()),
            namespace: key.namespace.clone(),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }
    }
}

fn carried_out(report: &Report) -> Condition {
    match (report.errors.first(), report.blocked.as_slice()) {
        (Some(first), _) => {
            let reason = if first.forbidden { "Forbidden" } else { "WriteFailed" };
            reconciled(ConditionStatus::False, reason, join(&report.errors))
        }
        (None, []) => {
            reconciled(ConditionStatus::True, "Settled", "the last decision was carried out".to_owned())
        }
        (None, blocked) if blocked.iter().all(Blocked::passes) => {
            reconciled(ConditionStatus::False, WAITING, join(blocked))
        }
        (None, blocked) => reconciled(ConditionStatus::False, "Blocked", join(blocked)),
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn reconciled(status: ConditionStatus, reason: &str, message: String) -> Condition {
    let message = super::events::shorten(&message, 32 * 1024);
    Condition { type_: RECONCILED.to_owned(), status, reason: reason.to_owned(), message }
}
