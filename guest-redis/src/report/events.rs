use operlet_sdk::{EventType, Outcome};

use super::{Report, Summary};
use crate::{
    carried::{Carried, Told},
    protocol::record::{Cause, Millis, Phase},
};

impl Report<'_> {
    /// Tells of each step once, as it is seen at the end of a reconcile.
    pub(super) fn push_events(
        &self,
        summary: &Summary,
        before: Option<&str>,
        carried: &mut Carried,
        outcome: &mut Outcome,
    ) {
        let now = Told {
            epoch: self.record.epoch,
            phase: self.record.phase().map(|phase| format!("{phase:?}")),
            cause: self.record.failover.as_ref().map(|failover| format!("{:?}", failover.cause)),
            started: self.record.failover.as_ref().map(|failover| failover.started_at),
        };
        let told = carried.told.replace(now.clone()).unwrap_or_else(|| now.clone());
        self.push_failover_events(&told, &now, outcome);
        if before == Some(summary.phase) {
            return;
        }
        match summary.phase {
            "Running" => {
                outcome.event(EventType::Normal, "Running", "Reconcile", "all pods are ready and up to date");
            }
            "Degraded" => {
                let message = "pods that should be ready and in sync are not";
                outcome.event(EventType::Warning, "Degraded", "Reconcile", message);
            }
            "Hibernated" => {
                let message = "every pod is gone in good order, the data is on the volumes";
                outcome.event(EventType::Normal, "Hibernated", "Reconcile", message);
            }
            _ => {}
        }
    }

    fn push_failover_events(&self, told: &Told, now: &Told, outcome: &mut Outcome) {
        let failover = self.record.failover.as_ref();
        let cause = failover.map(|failover| failover.cause);
        if cause == Some(Cause::Bootstrap) {
            return;
        }
        let names = self.instance.names;
        let pod = |who: Option<u8>| who.map_or_else(|| "nobody".to_owned(), |pod| names.pod(pod));
        let from = pod(failover.and_then(|failover| failover.from).map(|from| from.pod));
        let primary = pod(self.record.primary.as_ref().map(|primary| primary.who.pod));
        let began = now.started.or(told.started).unwrap_or(self.facts.now);
        let since = seconds(self.facts.now.saturating_sub(began));
        if told.started.is_none() && now.started.is_some() {
            let (class, reason, message) = match cause {
                Some(Cause::Planned | Cause::Hibernate) => {
                    (EventType::Normal, "SwitchoverStarted", format!("{from} hands over"))
                }
                _ => (EventType::Warning, "FailoverStarted", format!("{from}, the primary, is lost")),
            };
            outcome.event(class, reason, "Failover", message);
        }
        let is_open = |told: &Told| !matches!(told.phase.as_deref(), Some("Fence" | "Promote"));
        if !is_open(told) && is_open(now) || told.epoch < now.epoch && is_open(now) {
            let message = format!("{primary} is the primary, {since} after it began");
            outcome.event(EventType::Normal, "Promoted", "Failover", message);
        } else if told.phase.as_deref() == Some("Fence") && self.record.phase() == Some(Phase::Promote) {
            let message = format!("{from} takes no more writes, {since} after it began");
            outcome.event(EventType::Normal, "Fenced", "Failover", message);
        }
        if told.started.is_some() && now.started.is_none() {
            let planned = told.cause.as_deref() == Some("Planned");
            let reason = match (planned, told.epoch == now.epoch && told.phase.as_deref() == Some("HandOver"))
            {
                (_, true) => return,
                (true, _) => "SwitchoverCompleted",
                (false, _) => "FailoverCompleted",
            };
            if told.cause.as_deref() == Some("Bootstrap") || self.record.hibernated {
                return;
            }
            let message = format!("{primary} is the primary and takes writes, {since} after it began");
            outcome.event(EventType::Normal, reason, "Failover", message);
        }
    }
}

/// With one digit after the point.
fn seconds(millis: Millis) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}
