use operlet_sdk::{EventType, Outcome};

use super::{Report, Summary};
use crate::{
    carried::{Carried, Change, Told},
    protocol::record::{Failover, Millis},
    recorded::{cause, phase},
};

/// How far a change of primary has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The primary before is still one, or may be.
    Unfenced,
    /// It takes no more writes.
    Fenced,
    /// There is another.
    Promoted,
}

impl Report<'_> {
    /// Tells of each step once, as it is seen at the end of a reconcile.
    pub(super) fn push_events(
        &self,
        summary: &Summary,
        before: Option<&str>,
        carried: &mut Carried,
        outcome: &mut Outcome,
    ) {
        let change = |failover: &Failover| Change {
            phase: phase(failover.phase).to_owned(),
            cause: cause(failover.cause).to_owned(),
            started: failover.started_at,
        };
        let now = Told { epoch: self.record.epoch, change: self.record.failover.as_ref().map(change) };
        let told = carried.told.replace(now.clone()).unwrap_or_else(|| now.clone());
        self.push_change_events(&told, &now, outcome);
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

    /// Several steps may have been made since the last time.
    fn push_change_events(&self, told: &Told, now: &Told, outcome: &mut Outcome) {
        let Some(change) = now.change.as_ref().or(told.change.as_ref()) else { return };
        // The first primary takes over from nobody.
        if change.cause == "Bootstrap" {
            return;
        }
        let is_planned = change.cause != "Lost";
        let names = self.instance.names;
        let from = self.record.failover.as_ref().and_then(|failover| failover.from);
        let from = from.map_or_else(|| "nobody".to_owned(), |from| names.pod(from.pod));
        let primary = self.record.primary.as_ref();
        let primary = primary.map_or_else(|| "nobody".to_owned(), |primary| names.pod(primary.who.pod));
        let since = seconds(self.facts.now.saturating_sub(change.started));

        let before = told.change.as_ref().filter(|before| before.started == change.started);
        if before.is_none() {
            let (class, reason, message) = match is_planned {
                true => (EventType::Normal, "SwitchoverStarted", format!("{from} hands over")),
                false => (EventType::Warning, "FailoverStarted", format!("{from}, the primary, is lost")),
            };
            outcome.event(class, reason, "Failover", message);
        }
        if now.change.is_none() && self.record.hibernated {
            return;
        }
        if now.change.is_none() && change.phase == "HandOver" && told.epoch == now.epoch {
            let message = format!("{primary} stays the primary: nobody had all of its writes after {since}");
            outcome.event(EventType::Warning, "SwitchoverGivenUp", "Failover", message);
            return;
        }
        let before = before.map_or(Stage::Unfenced, |before| stage(&before.phase));
        let after = now.change.as_ref().map_or(Stage::Promoted, |now| stage(&now.phase));
        // It may have gone on without a proof.
        let is_proven = self.record.lossy != Some(self.record.epoch);
        if before < Stage::Fenced && after >= Stage::Fenced && !is_planned && is_proven {
            let message = match &self.record.failover {
                Some(_) => format!("{from} takes no more writes, {since} after it began"),
                None => format!("the primary before takes no more writes, {since} after it began"),
            };
            outcome.event(EventType::Normal, "Fenced", "Failover", message);
        }
        if before < Stage::Promoted && after == Stage::Promoted {
            let message = format!("{primary} is the primary, {since} after it began");
            outcome.event(EventType::Normal, "Promoted", "Failover", message);
        }
        if now.change.is_none() {
            let reason = if is_planned { "SwitchoverCompleted" } else { "FailoverCompleted" };
            let message = format!("{primary} takes writes, {since} after it began");
            outcome.event(EventType::Normal, reason, "Failover", message);
        }
    }
}

fn stage(phase: &str) -> Stage {
    match phase {
        "HandOver" | "Fence" => Stage::Unfenced,
        "Promote" => Stage::Fenced,
        _ => Stage::Promoted,
    }
}

/// With one digit after the point.
fn seconds(millis: Millis) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}
