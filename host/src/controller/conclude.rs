//! The end of a reconcile: status, events, and when to look again.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    apply::Report,
    dependencies::Reads,
    events::about,
    memory::{Carry, Failed, Memory, Settled, conflict_pause, retry_pause},
    observe::Observed,
    reconcile::{End, Next},
    resource_status::NewStatus,
    rounds::{Settlement, Trouble},
    runtime::{Live, Runtime},
    status::{self, StatusError, Wrote},
};
use crate::{
    model::{Condition, ConditionStatus, Event, EventType, ObjectKey, Owner},
    plan::Blocked,
};

/// The host's own condition on every resource: whether the last decision was
/// carried out.
const RECONCILED: &str = "Reconciled";

/// A component that wants to be called at once, for ever, leaves this much to
/// others.
const PAUSE_SHORTEST: Duration = Duration::from_millis(10);

/// A component that wants to be called again within this time is in a hurry. One that
/// waits for a process to do something may ask more often than once a second for long.
const HURRY: Duration = Duration::from_millis(100);

/// The reason where a right is missing.
const FORBIDDEN: &str = "Forbidden";

/// The reason while something is on its way out: no trouble, only not yet.
const WAITING: &str = "Waiting";

/// What a reconcile knows when it is over.
pub(super) struct Conclusion<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) live: &'a Live,
    pub(super) observed: &'a Observed,
    /// What was read, as it is now.
    pub(super) reads: Reads,
    pub(super) memory: &'a mut Memory,
}

impl Conclusion<'_> {
    /// Reports how it ended, and says when to look again.
    pub(super) async fn conclude(mut self, end: End) -> Next {
        if self.observed.moved {
            self.leave_resource_at(self.observed.resource.resource_version().to_owned());
        }
        match end {
            End::Gone => Next::Wait,
            End::Settled { report, .. } if report.terminating => Next::Wait,
            End::Settled { report, .. } if report.stale => self.anew(),
            End::Stale => self.anew(),
            End::Settled { settlement, report } => self.settled(*settlement, &report).await,
            End::Failed(Trouble { reason, message, wait, until_changed }) => {
                let own = reconciled(ConditionStatus::False, reason, message);
                let wrote = self.report(None, std::slice::from_ref(&own), Some(&own), "Reconcile").await;
                if reason == FORBIDDEN {
                    self.runtime.forbidden.notify_one();
                }
                if until_changed && matches!(wrote, Told::Already | Told::Now) {
                    self.succeeded();
                    self.remember(None);
                    return Next::Wait;
                }
                self.failed(wait)
            }
        }
    }

    /// At this version this host itself left the resource.
    fn leave_resource_at(&mut self, version: String) {
        self.memory.own_versions.insert(self.observed.owner.key.clone(), version);
    }

    /// What was observed has changed meanwhile: once more, with what is now.
    fn anew(&mut self) -> Next {
        self.memory.conflicts = self.memory.conflicts.saturating_add(1);
        Next::After(conflict_pause(self.memory.conflicts, self.chance()))
    }

    async fn settled(&mut self, settlement: Settlement, report: &Report) -> Next {
        let Settlement { outcome, checkpointed, forbidden } = settlement;
        self.memory.conflicts = 0;
        let now = Instant::now();
        let requeue = outcome.requeue_after_ms.map(|pause| Duration::from_millis(pause).max(PAUSE_SHORTEST));
        let futile = self.is_futile(report, requeue, checkpointed);
        let undone = !report.undone.is_empty();
        let slowed = self.memory.breaker.count(futile, undone, now, self.observed.why(), self.chance());
        let mut own = carried_out(report, &forbidden);
        if slowed.is_some() && own.status == ConditionStatus::True {
            self.runtime.metrics.loop_breaker_tripped();
            own = slowed_down(&report.undone);
        }
        let fine = own.status == ConditionStatus::True || slowed.is_some();
        if own.reason == FORBIDDEN {
            self.runtime.forbidden.notify_one();
        }
        let trouble = (own.status != ConditionStatus::True && own.reason != WAITING).then_some(&own);
        let mut conditions = outcome.conditions;
        conditions.push(own.clone());
        let told = self.report(outcome.status.as_deref(), &conditions, trouble, "Apply").await;
        if matches!(told, Told::Stale) {
            // What the component decided from is no more; what was written stays.
            return self.anew();
        }
        for event in &outcome.events {
            self.runtime.events.publish(event, &about(&self.observed.resource)).await;
        }
        self.runtime.probes.set(&self.observed.owner.key, outcome.probes);
        self.runtime.metrics.probes_running(self.runtime.probes.len());
        let (digest, uid) = (self.live.digest.clone(), self.observed.owner.uid.clone());
        self.memory.carry = Some(Carry { digest, uid, bytes: outcome.carry });
        self.runtime
            .store
            .settle_departed(&Owner::label_value(&self.observed.owner.key), self.observed.departed_up_to);
        if !fine || !matches!(told, Told::Already | Told::Now) {
            return self.unfinished(requeue);
        }
        self.succeeded();
        self.remember(requeue.and_then(|pause| now.checked_add(pause)));
        // What this host wrote is looked at once more; no event will tell of it.
        let wrote = report.changed > 0 || checkpointed || matches!(told, Told::Now);
        let next = if wrote { Some(Duration::ZERO) } else { requeue };
        match (next, slowed) {
            (next, Some(slowed)) => Next::After(next.unwrap_or_default().max(slowed)),
            (Some(next), None) => Next::After(next),
            (None, None) => Next::Wait,
        }
    }

    /// Whether this reconcile only followed from earlier ones, and will be followed
    /// by another for no better reason.
    fn is_futile(&self, report: &Report, requeue: Option<Duration>, checkpointed: bool) -> bool {
        let settled = self.memory.settled.as_ref();
        let by_itself = settled.is_some_and(|settled| settled.foreign == self.observed.foreign);
        let hurries = requeue.is_some_and(|pause| pause < HURRY) && !checkpointed;
        by_itself && (report.changed > 0 || self.memory.told || hurries) || !report.undone.is_empty()
    }

    /// Writes the status; where that changes it, trouble is also logged and
    /// published, once.
    async fn report(
        &mut self,
        wanted: Option<&str>,
        conditions: &[Condition],
        trouble: Option<&Condition>,
        action: &str,
    ) -> Told {
        let told = match self.write_status(wanted, conditions).await {
            Ok(Wrote::Unchanged) => Told::Already,
            Ok(Wrote::Written(resource)) => {
                self.leave_resource_at(resource.resource_version().to_owned());
                Told::Now
            }
            Ok(Wrote::Stale) => Told::Stale,
            // It was deleted meanwhile, which is no trouble of ours.
            Ok(Wrote::Gone) => Told::Already,
            Err(error) => {
                tracing::warn!(%error, "cannot report");
                Told::Not
            }
        };
        self.memory.told = matches!(told, Told::Now);
        if let Some(Condition { reason, message, .. }) = trouble
            && matches!(told, Told::Now | Told::Not)
        {
            tracing::warn!(reason, message, "not reconciled");
            let (reason, message, action) = (reason.clone(), message.clone(), action.to_owned());
            let event = Event { type_: EventType::Warning, reason, message, action };
            self.runtime.events.publish(&event, &about(&self.observed.resource)).await;
        }
        told
    }

    async fn write_status(
        &self,
        wanted: Option<&str>,
        conditions: &[Condition],
    ) -> Result<Wrote, StatusError> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let new = NewStatus {
            wanted,
            conditions,
            generation: self.observed.resource.generation(),
            state_version: wanted.map(|_| self.live.manifest.state.writes),
            now: &now,
        };
        status::write(self.runtime, self.live, &self.observed.resource, &new).await
    }

    fn remember(&mut self, due: Option<Instant>) {
        self.memory.settled = Some(Settled {
            input: self.observed.input(),
            foreign: self.observed.foreign,
            reads: std::mem::take(&mut self.reads),
            due,
        });
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
        let (cause, reads) = (self.observed.cause(), std::mem::take(&mut self.reads));
        self.memory.failed = Instant::now().checked_add(pause).map(|again| Failed { cause, reads, again });
        Next::After(pause)
    }

    /// As a failure, but the component may want to be called sooner.
    fn unfinished(&mut self, requeue: Option<Duration>) -> Next {
        let next = self.failed(None);
        let (Next::After(grown), Some(requeue)) = (next, requeue) else { return next };
        let pause = grown.min(requeue);
        if let (Some(failed), Some(again)) = (&mut self.memory.failed, Instant::now().checked_add(pause)) {
            failed.again = again;
        }
        Next::After(pause)
    }

    fn chance(&self) -> u8 {
        self.observed.observation.entropy.first().copied().unwrap_or_default()
    }
}

/// What came of telling it in the status.
enum Told {
    /// It was told before.
    Already,
    /// It is told now.
    Now,
    /// The resource is not the one observed any more.
    Stale,
    /// It could not be told.
    Not,
}

fn carried_out(report: &Report, forbidden: &[String]) -> Condition {
    let told = |reason: &str, message: String| reconciled(ConditionStatus::False, reason, message);
    if let Some(first) = report.errors.first() {
        return told(if first.forbidden { FORBIDDEN } else { "WriteFailed" }, join(&report.errors));
    }
    if !forbidden.is_empty() {
        return told(FORBIDDEN, join(forbidden));
    }
    if let Some(withheld) = &report.withheld {
        return told("DeletionBudgetExceeded", withheld.to_string());
    }
    match report.blocked.as_slice() {
        [] => reconciled(ConditionStatus::True, "Settled", "the last decision was carried out".to_owned()),
        blocked if blocked.iter().all(Blocked::passes) => told(WAITING, join(blocked)),
        blocked => told("Blocked", join(blocked)),
    }
}

fn slowed_down(undone: &[ObjectKey]) -> Condition {
    let message = if undone.is_empty() {
        "every decision of the component leads to another one, though nothing else changes: it is called less \
         and less often until that ends; this is a defect of the component"
            .to_owned()
    } else {
        format!(
            "somebody else keeps changing {}: it is put right less and less often; see who writes it by its \
             managedFields",
            join(undone)
        )
    };
    reconciled(ConditionStatus::False, "SlowedDown", message)
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn reconciled(status: ConditionStatus, reason: &str, message: String) -> Condition {
    let message = super::events::shorten(&message, 32 * 1024);
    Condition { type_: RECONCILED.to_owned(), status, reason: reason.to_owned(), message }
}
