//! Which pods of a Job have ended, and how.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    super::{
        due::after,
        has_finalizer, is_deleted,
        pods::{Pod, condition},
    },
    TRACKING,
    status::Status,
};
use crate::api::Stored;

/// The pods that have ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How many have succeeded in all.
    pub(super) succeeded: i64,
    /// How many have failed in all.
    pub(super) failed: i64,
    /// When those succeeded that are not in the status yet, in order.
    pub(super) new_successes: Vec<Timestamp>,
    /// When those failed that are not in the status yet, in order.
    pub(super) new_failures: Vec<Timestamp>,
}

impl Ended {
    pub(super) fn of(pods: &[Pod], status: &Status, waits_for_end: bool) -> Self {
        let times = |known: &[String], is: &dyn Fn(&Stored) -> bool| {
            let new = pods.iter().filter(|(_, pod)| {
                let uid = pod.text("/metadata/uid");
                has_finalizer(pod, TRACKING) && !known.iter().any(|known| known == uid) && is(pod)
            });
            let mut times: Vec<Timestamp> = new.map(|(_, pod)| end(pod)).collect();
            times.sort();
            times
        };
        let new_successes =
            times(&status.uncounted_succeeded, &|pod| pod.text("/status/phase") == "Succeeded");
        let new_failures = times(&status.uncounted_failed, &|pod| is_failed(pod, waits_for_end));
        let all = |counted: i64, new: &[Timestamp], uncounted: &[String]| {
            counted + i64::try_from(new.len() + uncounted.len()).unwrap_or(i64::MAX)
        };
        Self {
            succeeded: all(status.succeeded, &new_successes, &status.uncounted_succeeded),
            failed: all(status.failed, &new_failures, &status.uncounted_failed),
            new_successes,
            new_failures,
        }
    }
}

/// Whether a pod has failed. One that is deleted has, unless somebody wants to wait for
/// its end.
pub(super) fn is_failed(pod: &Stored, waits_for_end: bool) -> bool {
    match pod.text("/status/phase") {
        "Failed" => true,
        "Succeeded" => false,
        _ => !waits_for_end && is_deleted(pod),
    }
}

/// When a pod has ended: as its containers say, or else what is known of it.
fn end(pod: &Stored) -> Timestamp {
    let noted = |text: &str| text.parse().ok();
    let deleted = || {
        let grace = pod.value.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        after(pod.text("/metadata/deletionTimestamp"), -grace.unwrap_or_default())
    };
    let unready = || {
        let ready = condition(&pod.value, "Ready")?;
        let is = ready.get("status")?.as_str()? == "False";
        noted(ready.get("lastTransitionTime")?.as_str()?).filter(|_| is)
    };
    let last = containers(&pod.value).or_else(unready).or_else(deleted);
    last.or_else(|| noted(pod.text("/metadata/creationTimestamp"))).unwrap_or(Timestamp::MIN)
}

/// When the last of the containers has ended, if all have.
fn containers(pod: &Value) -> Option<Timestamp> {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array)?;
    let ended = |container: &Value| {
        container.pointer("/state/terminated/finishedAt")?.as_str()?.parse::<Timestamp>().ok()
    };
    let all: Option<Vec<Timestamp>> = containers.iter().map(ended).collect();
    all?.into_iter().max()
}
