//! Runs the pods of Jobs until enough have succeeded, or too many have failed.
//!
//! A pod that has ended is counted once: while it has the finalizer it is not counted
//! yet, while its uid is in the status it is about to be.

mod back_off;
mod counts;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Due, all, change, controller, create, delete_propagating,
    due::after,
    has_finalizer, is_deleted,
    pods::{self, Owner, Pod},
    release,
};
use crate::api::{Place, State, Stored};
use back_off::BackOff;
use counts::{Ended, is_failed};
use status::Status;

/// What holds a pod until it is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The most pods that are made at once.
const BURST: i64 = 500;

/// What is remembered of the failures of Jobs, by their uids.
#[derive(Debug, Default)]
pub(super) struct Jobs(BTreeMap<String, BackOff>);

impl Jobs {
    pub(super) fn step(&mut self, state: &mut State, due: &mut Due) {
        let jobs = all(state, "batch", "jobs");
        self.0.retain(|uid, _| jobs.iter().any(|(_, job)| job.text("/metadata/uid") == uid));
        for (place, job) in &jobs {
            if let Some(finished) = status::finished(&job.value) {
                self.0.remove(job.text("/metadata/uid"));
                outlive(state, place, job, finished, due);
            } else {
                let back_off = self.0.entry(job.text("/metadata/uid").to_owned()).or_default();
                Sync::of(state, place, job).run(state, back_off, due);
            }
        }
        free_orphans(state);
    }
}

/// Deletes a Job that has been finished for as long as it wants to be kept.
fn outlive(state: &mut State, place: &Place, job: &Stored, finished: &str, due: &mut Due) {
    let keep = job.value.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64);
    let Some(end) = keep.and_then(|keep| after(finished, keep)).filter(|_| !is_deleted(job)) else { return };
    if end <= (state.clock)() {
        delete_propagating(state, place, job.text("/metadata/uid"), "Foreground");
    } else {
        due.at(end);
    }
}

/// Lets go of pods whose Job does not count them any more.
fn free_orphans(state: &mut State) {
    for (place, pod) in all(state, "", "pods") {
        if !has_finalizer(&pod, TRACKING) {
            continue;
        }
        let counted = controller(&pod.value).is_some_and(|owner| {
            let mut jobs = state.store.list("batch", "jobs", Some(&place.namespace));
            let job =
                jobs.find(|(_, job)| owner.get("uid").is_some_and(|uid| uid == job.text("/metadata/uid")));
            let other = owner.get("kind").is_none_or(|kind| kind != "Job");
            other || job.is_some_and(|(_, job)| status::finished(&job.value).is_none())
        });
        if !counted {
            change(state, &place, "", |pod| release(pod, TRACKING));
        }
    }
}

/// A Job and its pods, as they were when it was looked at.
struct Sync<'a> {
    place: &'a Place,
    job: &'a Stored,
    pods: Vec<Pod>,
    active: Vec<Pod>,
    status: Status,
    ended: Ended,
}

/// Why a Job is finished.
#[derive(Clone, Debug)]
struct Verdict {
    /// Whether it has done what it was to do.
    good: bool,
    reason: String,
    message: String,
}

impl<'a> Sync<'a> {
    fn of(state: &mut State, place: &'a Place, job: &'a Stored) -> Self {
        let owner = Owner { api_version: "batch/v1", kind: "Job", place, object: job };
        let pods = owner.claim(state, "", "pods", |_| true, hold);
        let active: Vec<Pod> = pods.iter().filter(|(_, pod)| pods::is_active(pod)).cloned().collect();
        let mut status = Status::read(&job.value);
        status.terminating = count(&pods, pods::is_terminating);
        status.ready = count(&active, |pod| pods::is_ready(&pod.value));
        let ended = Ended::of(&pods, &status, waits_for_end(&job.value));
        Self { place, job, pods, active, status, ended }
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.job.value.get("spec")?.get(field)?.as_i64()
    }

    fn is_suspended(&self) -> bool {
        self.job.value.pointer("/spec/suspend") == Some(&Value::Bool(true))
    }

    fn run(mut self, state: &mut State, back_off: &mut BackOff, due: &mut Due) {
        if self.status.start.is_none() && !self.is_suspended() {
            self.status.start = Some(state.now());
        }
        let next_back_off = back_off.after(&self.ended);
        let mut verdict = self.verdict(state, due);
        let mut active = i64::try_from(self.active.len()).unwrap_or(i64::MAX);
        if verdict.is_some() {
            self.end_active(state);
            active = 0;
        } else {
            let managed = !is_deleted(self.job);
            if managed {
                active = self.manage(state, active, &next_back_off, due);
            }
            let enough = match self.number("completions") {
                Some(wanted) => self.ended.succeeded >= wanted,
                None => self.ended.succeeded > 0,
            };
            if enough && active == 0 {
                verdict = Some(Verdict::complete());
            } else if managed {
                self.note_suspension(state);
            }
        }
        self.status.active = active;
        self.track(state, verdict);
        *back_off = next_back_off;
    }

    /// Whether it is finished, by what was said before or by what has failed.
    fn verdict(&self, state: &State, due: &mut Due) -> Option<Verdict> {
        if let Some(known) = self.status.verdict() {
            return Some(known);
        }
        let failed = |reason: &str, message: &str| {
            Some(Verdict { good: false, reason: reason.to_owned(), message: message.to_owned() })
        };
        let limit = self.number("backoffLimit").unwrap_or(6);
        if self.ended.failed > limit || self.restarts_too_often(limit) {
            return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        let seconds = self.number("activeDeadlineSeconds").filter(|_| !self.is_suspended())?;
        let deadline = after(self.status.start.as_deref()?, seconds)?;
        if deadline <= (state.clock)() {
            return failed("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        due.at(deadline);
        None
    }

    /// Where containers are started again in their pods, their restarts are failures.
    fn restarts_too_often(&self, limit: i64) -> bool {
        if self.job.text("/spec/template/spec/restartPolicy") != "OnFailure" {
            return false;
        }
        let runs = |pod: &Stored| matches!(pod.text("/status/phase"), "Running" | "Pending");
        let running = self.pods.iter().filter(|(_, pod)| runs(pod));
        let restarts: i64 = running.flat_map(|(_, pod)| pods::restarts(&pod.value)).sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    /// Deletes the pods of a Job that is finished.
    fn end_active(&mut self, state: &mut State) {
        for (place, pod) in &self.active {
            delete_propagating(state, place, pod.text("/metadata/uid"), "Background");
        }
        self.status.terminating += i64::try_from(self.active.len()).unwrap_or(i64::MAX);
        self.status.ready = 0;
    }

    /// Makes and deletes pods, and gives how many are active then.
    fn manage(&mut self, state: &mut State, active: i64, back_off: &BackOff, due: &mut Due) -> i64 {
        if self.is_suspended() {
            return active - self.remove(state, active);
        }
        let parallelism = self.number("parallelism").unwrap_or(1);
        let wanted = match self.number("completions") {
            None if self.ended.succeeded > 0 => active,
            None => parallelism,
            Some(completions) => (completions - self.ended.succeeded).clamp(0, parallelism),
        };
        if active > wanted {
            return active - self.remove(state, active - wanted);
        }
        let held = if waits_for_end(&self.job.value) { self.status.terminating } else { 0 };
        let missing = (wanted - held - active).min(BURST);
        if missing <= 0 {
            return active;
        }
        if let Some(until) = back_off.until().filter(|until| *until > (state.clock)()) {
            due.at(until);
            return active;
        }
        for _ in 0..missing {
            self.make(state);
        }
        active + missing
    }

    fn make(&self, state: &mut State) {
        let owner = Owner { api_version: "batch/v1", kind: "Job", place: self.place, object: self.job };
        let template = self.job.value.pointer("/spec/template").unwrap_or(&Value::Null);
        let mut pod = owner.pod(template);
        hold(&mut pod);
        create(state, "", "pods", &self.place.namespace, pod);
    }

    /// Deletes so many pods, which do not count, and says how many there were.
    fn remove(&mut self, state: &mut State, surplus: i64) -> i64 {
        let mut active = self.active.clone();
        pods::sort_for_deletion(&mut active, &[], (state.clock)());
        let surplus = usize::try_from(surplus).unwrap_or_default();
        let mut removed = 0;
        for (place, pod) in active.iter().take(surplus) {
            change(state, place, "", |pod| release(pod, TRACKING));
            delete_propagating(state, place, pod.text("/metadata/uid"), "Background");
            removed += 1;
            self.status.ready -= i64::from(pods::is_ready(&pod.value));
        }
        self.status.terminating += removed;
        removed
    }

    fn note_suspension(&mut self, state: &State) {
        if self.is_suspended() {
            if self.status.note(state, "Suspended", "True", "JobSuspended", "Job suspended") {
                self.status.start = None;
            }
        } else if self.status.note(state, "Suspended", "False", "JobResumed", "Job resumed") {
            self.status.start = Some(state.now());
        }
    }

    /// Counts the pods that have ended: they are put into the status, lose their
    /// finalizer, and then are counted. When none is left the Job can be finished.
    fn track(mut self, state: &mut State, verdict: Option<Verdict>) {
        let mut held: BTreeSet<String> = self
            .pods
            .iter()
            .filter(|(_, pod)| has_finalizer(pod, TRACKING))
            .map(|(_, pod)| pod.text("/metadata/uid").to_owned())
            .collect();
        self.status.count(&held);
        let failed = verdict.as_ref().is_some_and(|verdict| !verdict.good);
        let over = verdict.is_some() || is_deleted(self.job);
        let mut freed = Vec::new();
        for (place, pod) in self.pods.iter().filter(|(_, pod)| has_finalizer(pod, TRACKING)) {
            let is_bad = is_failed(pod, waits_for_end(&self.job.value));
            let is_good = pod.text("/status/phase") == "Succeeded";
            if over || is_good || is_bad {
                freed.push((place.clone(), pod.text("/metadata/uid").to_owned()));
                self.status.put(pod.text("/metadata/uid"), is_good, is_bad || failed);
            }
        }
        if let Some(verdict) = &verdict {
            self.status.announce(state, verdict);
        }
        self.write(state);
        for (place, uid) in freed {
            change(state, &place, "", |pod| release(pod, TRACKING));
            held.remove(&uid);
        }
        self.status.count(&held);
        if let Some(verdict) = verdict.filter(|_| self.status.is_settled()) {
            self.status.finish(state, &verdict);
        }
        self.write(state);
    }

    fn write(&self, state: &mut State) {
        let known = state.store.get(self.place).and_then(|job| job.value.get("status")).cloned();
        let status = self.status.to_json();
        if known.as_ref() == Some(&status) {
            return;
        }
        change(state, self.place, "status", |job| {
            if let Some(job) = job.as_object_mut() {
                job.insert("status".to_owned(), status);
            }
        });
    }
}

impl Verdict {
    fn complete() -> Self {
        Self {
            good: true,
            reason: "CompletionsReached".to_owned(),
            message: "Reached expected number of succeeded pods".to_owned(),
        }
    }
}

/// Whether a pod counts as failed, and is replaced, only when it has ended.
fn waits_for_end(job: &Value) -> bool {
    job.pointer("/spec/podReplacementPolicy").is_some_and(|policy| policy == "Failed")
}

/// Puts the finalizer on a pod.
fn hold(pod: &mut Value) {
    let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut().filter(|all| !all.contains(&json!(TRACKING))) {
        finalizers.push(json!(TRACKING));
    }
}

fn count(pods: &[Pod], is: impl Fn(&Stored) -> bool) -> i64 {
    i64::try_from(pods.iter().filter(|(_, pod)| is(pod)).count()).unwrap_or(i64::MAX)
}
