//! What is said of a Job.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    super::{pods::condition, replica_sets::counted},
    Verdict,
};
use crate::api::State;

/// The conditions that a Job gets when it is decided how it ends, and those when it has
/// ended: for the better and for the worse.
const DECIDED: [&str; 2] = ["SuccessCriteriaMet", "FailureTarget"];
const FINISHED: [&str; 2] = ["Complete", "Failed"];

/// The status of a Job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Status {
    pub(super) active: i64,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) start: Option<String>,
    pub(super) uncounted_succeeded: Vec<String>,
    pub(super) uncounted_failed: Vec<String>,
    completion: Option<String>,
    conditions: Vec<Value>,
}

/// Since when a Job is finished, if it is.
pub(super) fn finished(job: &Value) -> Option<&str> {
    let is = |kind: &&str| condition(job, kind).filter(|found| is_true(found));
    FINISHED.iter().find_map(is)?.get("lastTransitionTime")?.as_str()
}

impl Status {
    pub(super) fn read(job: &Value) -> Self {
        let status = job.get("status").cloned().unwrap_or_default();
        let number = |field: &str| status.get(field).and_then(Value::as_i64).unwrap_or_default();
        let text = |field: &str| status.get(field).and_then(Value::as_str).map(str::to_owned);
        let uids = |kind: &str| {
            let all = status.get("uncountedTerminatedPods").and_then(|all| all.get(kind)?.as_array());
            all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            active: number("active"),
            ready: number("ready"),
            terminating: number("terminating"),
            succeeded: number("succeeded"),
            failed: number("failed"),
            start: text("startTime"),
            completion: text("completionTime"),
            uncounted_succeeded: uids("succeeded"),
            uncounted_failed: uids("failed"),
            conditions: status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut status =
            counted(&[("active", self.active), ("succeeded", self.succeeded), ("failed", self.failed)]);
        let mut put = |field: &str, value: Value| drop(status.insert(field.to_owned(), value));
        put("ready", json!(self.ready));
        put("terminating", json!(self.terminating));
        let mut uncounted = Map::new();
        for (kind, uids) in [("succeeded", &self.uncounted_succeeded), ("failed", &self.uncounted_failed)] {
            if !uids.is_empty() {
                uncounted.insert(kind.to_owned(), json!(uids));
            }
        }
        put("uncountedTerminatedPods", Value::Object(uncounted));
        for (field, time) in [("startTime", &self.start), ("completionTime", &self.completion)] {
            if let Some(time) = time {
                put(field, json!(time));
            }
        }
        if !self.conditions.is_empty() {
            put("conditions", json!(self.conditions));
        }
        Value::Object(status)
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.conditions.iter().find(|condition| condition.get("type").is_some_and(|is| is == kind))
    }

    /// How it ends, if that was decided before.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        DECIDED.iter().find_map(|kind| {
            let known = self.get(kind).filter(|known| is_true(known))?;
            let text = |field: &str| known.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            Some(Verdict { good: *kind == DECIDED[0], reason: text("reason"), message: text("message") })
        })
    }

    /// Says so from now on, and whether that is new. What has never been is not denied.
    pub(super) fn note(
        &mut self,
        state: &State,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> bool {
        let now = state.now();
        let new = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        });
        let same = |known: &Value| {
            ["status", "reason", "message"].iter().all(|field| known.get(*field) == new.get(*field))
        };
        let known = self.conditions.iter_mut();
        let mut known = known.filter(|known| known.get("type").is_some_and(|is| is == kind));
        match known.next() {
            Some(known) if same(known) => false,
            Some(known) => {
                *known = new;
                true
            }
            None if status == "False" => false,
            None => {
                self.conditions.push(new);
                true
            }
        }
    }

    /// Says how it is going to end.
    pub(super) fn announce(&mut self, state: &State, verdict: &Verdict) {
        let [good, bad] = DECIDED;
        let kind = if verdict.good { good } else { bad };
        if self.get(kind).is_none() {
            self.note(state, kind, "True", &verdict.reason, &verdict.message);
        }
    }

    /// Says that it has ended.
    pub(super) fn finish(&mut self, state: &State, verdict: &Verdict) {
        let [good, bad] = FINISHED;
        let kind = if verdict.good { good } else { bad };
        self.note(state, kind, "True", &verdict.reason, &verdict.message);
        if verdict.good {
            self.completion = Some(state.now());
        }
    }

    /// Whether all pods that have ended are counted, and none is ending.
    pub(super) fn is_settled(&self) -> bool {
        self.uncounted_succeeded.is_empty() && self.uncounted_failed.is_empty() && self.terminating == 0
    }

    /// Notes a pod that has ended, unless it is noted.
    pub(super) fn put(&mut self, uid: &str, good: bool, bad: bool) {
        let uid = uid.to_owned();
        if self.uncounted_failed.contains(&uid) || self.uncounted_succeeded.contains(&uid) {
            return;
        }
        if good {
            self.uncounted_succeeded.push(uid);
        } else if bad {
            self.uncounted_failed.push(uid);
        }
    }

    /// Counts the noted pods that are held by nothing any more.
    pub(super) fn count(&mut self, held: &BTreeSet<String>) {
        let counted = |uids: &mut Vec<String>| {
            let before = uids.len();
            uids.retain(|uid| held.contains(uid));
            i64::try_from(before - uids.len()).unwrap_or(i64::MAX)
        };
        self.succeeded += counted(&mut self.uncounted_succeeded);
        self.failed += counted(&mut self.uncounted_failed);
    }
}

fn is_true(condition: &Value) -> bool {
    condition.get("status").is_some_and(|status| status == "True")
}
