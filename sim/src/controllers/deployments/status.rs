//! What is said of a Deployment: how many pods there are, and whether it gets on.

use serde_json::{Map, Value, json};

use super::{
    super::{Due, due::after, replica_sets::counted, text},
    Rollout,
    sets::Set,
};
use crate::api::State;

/// A Deployment that says so has no deadline.
const NEVER: i64 = i32::MAX as i64;

const DONE: &str = "NewReplicaSetAvailable";
const LATE: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

/// The conditions of a Deployment.
pub(super) struct Conditions(Vec<Value>);

impl Conditions {
    pub(super) fn of(deployment: &Value) -> Self {
        Self(deployment.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    pub(super) fn get(&self, kind: &str) -> Option<&Value> {
        self.0.iter().find(|condition| text(condition, "type") == kind)
    }

    fn reason(&self, kind: &str) -> &str {
        self.get(kind).map(|condition| text(condition, "reason")).unwrap_or_default()
    }

    /// Says so from now on, unless it is said already. The time of the last transition
    /// is that of another status.
    pub(super) fn set(&mut self, state: &State, kind: &str, status: &str, reason: &str, message: &str) {
        if self
            .get(kind)
            .is_some_and(|known| text(known, "status") == status && text(known, "reason") == reason)
        {
            return;
        }
        self.put(state, kind, status, reason, message);
    }

    fn put(&mut self, state: &State, kind: &str, status: &str, reason: &str, message: &str) {
        let now = state.now();
        let same = self.get(kind).filter(|known| text(known, "status") == status);
        let since = same.map_or(now.as_str(), |known| text(known, "lastTransitionTime")).to_owned();
        self.remove(kind);
        self.0.push(json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": now, "lastTransitionTime": since,
        }));
    }

    fn remove(&mut self, kind: &str) {
        self.0.retain(|condition| text(condition, "type") != kind);
    }

    /// The status of a Deployment with these conditions.
    pub(super) fn within(self, deployment: &Value) -> Value {
        let mut status = deployment.get("status").cloned().unwrap_or_else(|| json!({}));
        if let Some(status) = status.as_object_mut().filter(|_| !self.0.is_empty()) {
            status.insert("conditions".to_owned(), json!(self.0));
        }
        status
    }
}

impl Rollout {
    /// How long it may take until there is progress.
    pub(super) fn deadline(&self) -> Option<i64> {
        let deadline = self.object.value.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64);
        deadline.filter(|deadline| *deadline != NEVER)
    }

    /// Notes that it is paused or goes on, and says whether that is new.
    pub(super) fn note_pause(&self, state: &mut State) -> bool {
        let mut conditions = Conditions::of(&self.object.value);
        let known = conditions.reason("Progressing");
        let paused = self.object.value.pointer("/spec/paused") == Some(&Value::Bool(true));
        if self.deadline().is_none() || known == LATE || paused == (known == PAUSED) {
            return false;
        }
        let (reason, message) = if paused {
            (PAUSED, "Deployment is paused")
        } else {
            ("DeploymentResumed", "Deployment is resumed")
        };
        conditions.set(state, "Progressing", "Unknown", reason, message);
        self.write_status(state, conditions.within(&self.object.value), None)
    }

    /// Says how many pods there are.
    pub(super) fn report(&self, state: &mut State) {
        let (counts, conditions) = self.counted(state);
        self.write_status(state, joined(counts, conditions), None);
    }

    /// Says how many pods there are, and whether there is progress.
    pub(super) fn report_rollout(&self, state: &mut State, due: &mut Due) {
        let (counts, mut conditions) = self.counted(state);
        match self.deadline() {
            None => conditions.remove("Progressing"),
            Some(deadline) => self.judge(state, &counts, &mut conditions, deadline),
        }
        let sets = self.new_set().into_iter().chain(self.old_sets());
        match sets.filter_map(Set::failure).next() {
            Some(failure) => {
                let of = |field: &str| text(&failure, field).to_owned();
                let (kind, status, reason, message) = (of("type"), of("status"), of("reason"), of("message"));
                conditions.set(state, &kind, &status, &reason, &message);
            }
            None => conditions.remove("ReplicaFailure"),
        }
        let waits =
            conditions.get("Progressing").filter(|known| ![LATE, DONE].contains(&text(known, "reason")));
        let since = waits.map(|known| text(known, "lastUpdateTime").to_owned());
        let status = joined(counts, conditions);
        let complete = self.is_complete(&status);
        if let (Some(since), Some(deadline), false) = (since, self.deadline(), complete)
            && let Some(late) = after(&since, deadline + 1)
        {
            due.at(late);
        }
        self.write_status(state, status, None);
    }

    /// Whether all pods are those of the new set, and available.
    pub(super) fn is_complete(&self, status: &Value) -> bool {
        let number = |field: &str| status.get(field).and_then(Value::as_i64).unwrap_or_default();
        let generation = self.object.value.pointer("/metadata/generation").and_then(Value::as_i64);
        let all = ["updatedReplicas", "replicas", "availableReplicas"];
        all.iter().all(|field| number(field) == self.limits.replicas)
            && number("observedGeneration") >= generation.unwrap_or_default()
    }

    fn judge(&self, state: &State, counts: &Map<String, Value>, conditions: &mut Conditions, deadline: i64) {
        let number = |field: &str| counts.get(field).and_then(Value::as_i64).unwrap_or_default();
        let known = conditions.reason("Progressing").to_owned();
        if known == DONE && number("replicas") == number("updatedReplicas") {
            return;
        }
        let name = match self.new_set() {
            Some(new) => format!("ReplicaSet {:?}", new.place().name),
            None => format!("Deployment {:?}", self.place.name),
        };
        if self.is_complete(&Value::Object(counts.clone())) {
            let message = format!("{name} has successfully progressed.");
            conditions.set(state, "Progressing", "True", DONE, &message);
        } else if self.gets_on(counts) {
            let message = format!("{name} is progressing.");
            conditions.put(state, "Progressing", "True", "ReplicaSetUpdated", &message);
        } else if known != DONE && known != LATE {
            let since = conditions.get("Progressing").map(|known| text(known, "lastUpdateTime"));
            let late = since.and_then(|since| after(since, deadline));
            if late.is_some_and(|late| late < (state.clock)()) {
                let message = format!("{name} has timed out progressing.");
                conditions.set(state, "Progressing", "False", LATE, &message);
            }
        }
    }

    /// Whether there are more new pods than before, or fewer old ones.
    fn gets_on(&self, counts: &Map<String, Value>) -> bool {
        let is = |field: &str| counts.get(field).and_then(Value::as_i64).unwrap_or_default();
        let was = |field: &str| {
            let status = self.object.value.get("status").and_then(|status| status.get(field));
            status.and_then(Value::as_i64).unwrap_or_default()
        };
        is("updatedReplicas") > was("updatedReplicas")
            || is("replicas") - is("updatedReplicas") < was("replicas") - was("updatedReplicas")
            || is("readyReplicas") > was("readyReplicas")
            || is("availableReplicas") > was("availableReplicas")
    }

    fn counted(&self, state: &State) -> (Map<String, Value>, Conditions) {
        let sum = |of: fn(&Set) -> i64| self.sets.iter().map(of).sum::<i64>();
        let available = sum(Set::available);
        let mut counts = counted(&[
            ("replicas", sum(Set::replicas)),
            ("updatedReplicas", self.new_set().map(Set::replicas).unwrap_or_default()),
            ("readyReplicas", sum(Set::ready)),
            ("availableReplicas", available),
            ("unavailableReplicas", (sum(Set::wanted) - available).max(0)),
        ]);
        counts.insert("terminatingReplicas".to_owned(), json!(sum(Set::terminating)));
        for (field, from) in
            [("observedGeneration", "/metadata/generation"), ("collisionCount", "/status/collisionCount")]
        {
            let value = self.object.value.pointer(from).cloned();
            counts.extend(value.map(|value| (field.to_owned(), value)));
        }
        let mut conditions = Conditions::of(&self.object.value);
        let (status, reason, has) = if available >= self.limits.replicas - self.limits.unavailable {
            ("True", "MinimumReplicasAvailable", "has")
        } else {
            ("False", "MinimumReplicasUnavailable", "does not have")
        };
        let message = format!("Deployment {has} minimum availability.");
        conditions.set(state, "Available", status, reason, &message);
        (counts, conditions)
    }
}

fn joined(mut counts: Map<String, Value>, conditions: Conditions) -> Value {
    counts.insert("conditions".to_owned(), json!(conditions.0));
    Value::Object(counts)
}
