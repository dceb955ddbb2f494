//! What an Operlet grants to its component, with the defaults filled in.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{LimitsSpec, OperletSpec};
use crate::model::{Limits, Manifest};

/// What a component is granted. It may change without the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bounds on what it uses.
    pub limits: Limits,
    /// Handed to it with each observation: a JSON object.
    pub settings: Arc<str>,
    /// The ports that it asks for and that the Operlet allows.
    pub ports: BTreeSet<u16>,
    /// Objects that may be deleted in one reconcile.
    pub deletions_per_reconcile: usize,
    /// Objects that may be deleted within an hour.
    pub deletions_per_hour: usize,
    /// How long a resource that is being deleted waits for the component.
    pub finalizer_timeout: Duration,
}

const DELETIONS_PER_RECONCILE: usize = 5;
const DELETIONS_PER_HOUR: usize = 50;
const FINALIZER_TIMEOUT: Duration = Duration::from_secs(600);

impl Terms {
    /// The terms for a component with this manifest.
    #[must_use]
    pub fn new(spec: &OperletSpec, manifest: &Manifest) -> Self {
        let settings = serde_json::Value::Object(spec.settings.clone().unwrap_or_default());
        let allowed = spec.dial.iter().filter_map(|dial| u16::try_from(dial.port).ok());
        let budget = spec.deletion_budget.unwrap_or_default();
        Self {
            limits: limits(Limits::requested(&manifest.limits), spec.limits.as_ref()),
            settings: settings.to_string().into(),
            ports: allowed.filter(|port| manifest.ports.contains(port)).collect(),
            deletions_per_reconcile: budget.per_reconcile.and_then(count).unwrap_or(DELETIONS_PER_RECONCILE),
            deletions_per_hour: budget.per_hour.and_then(count).unwrap_or(DELETIONS_PER_HOUR),
            finalizer_timeout: Self::finalizer_timeout(spec),
        }
    }

    /// How long a resource that is being deleted waits, whatever the component.
    #[must_use]
    pub fn finalizer_timeout(spec: &OperletSpec) -> Duration {
        let seconds = spec.finalizer.and_then(|finalizer| finalizer.timeout_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(FINALIZER_TIMEOUT, Duration::from_secs)
    }
}

/// The schema keeps these from being negative.
fn count(value: i32) -> Option<usize> {
    usize::try_from(value).ok()
}

/// The component's limits with those of the Operlet put before them.
fn limits(requested: Limits, spec: Option<&LimitsSpec>) -> Limits {
    let Some(spec) = spec else { return requested };
    let LimitsSpec {
        memory_mebibytes,
        call_milliseconds,
        reconcile_milliseconds,
        concurrency,
        rounds,
        exchanges,
        input_kibibytes,
        output_kibibytes,
        objects,
        carry_kibibytes,
        log_lines,
    } = *spec;
    let kibibytes = |value: Option<i32>| value.and_then(count).map(|value| value.saturating_mul(1024));
    let milliseconds =
        |value: Option<i32>| value.and_then(|value| u64::try_from(value).ok()).map(Duration::from_millis);
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    Limits {
        memory_bytes: kibibytes(memory_mebibytes)
            .map_or(requested.memory_bytes, |kibibytes| kibibytes.saturating_mul(1024)),
        call: milliseconds(call_milliseconds).unwrap_or(requested.call),
        reconcile: milliseconds(reconcile_milliseconds).unwrap_or(requested.reconcile),
        input_bytes: kibibytes(input_kibibytes).unwrap_or(requested.input_bytes),
        output_bytes: kibibytes(output_kibibytes).unwrap_or(requested.output_bytes),
        objects: objects.and_then(count).unwrap_or(requested.objects),
        carry_bytes: kibibytes(carry_kibibytes).unwrap_or(requested.carry_bytes),
        log_lines: number(log_lines).unwrap_or(requested.log_lines),
        concurrency: concurrency.and_then(|value| u16::try_from(value).ok()).unwrap_or(requested.concurrency),
        rounds: number(rounds).unwrap_or(requested.rounds),
        exchanges: exchanges.and_then(count).unwrap_or(requested.exchanges),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> OperletSpec {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["source"] = serde_json::json!({ "configMap": { "namespace": "n", "name": "c" } });
        value["serviceAccountName"] = "account".into();
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_limit_can_be_set() {
        let set = spec(
            r#"{"limits": {"memoryMebibytes": 2, "callMilliseconds": 3, "reconcileMilliseconds": 400,
                "concurrency": 5, "rounds": 6, "exchanges": 7, "inputKibibytes": 8, "outputKibibytes": 9,
                "objects": 10, "carryKibibytes": 11, "logLines": 12}}"#,
        );
        let expected = Limits {
            memory_bytes: 2 * 1024 * 1024,
            call: Duration::from_millis(3),
            reconcile: Duration::from_millis(400),
            input_bytes: 8 * 1024,
            output_bytes: 9 * 1024,
            objects: 10,
            carry_bytes: 11 * 1024,
            log_lines: 12,
            concurrency: 5,
            rounds: 6,
            exchanges: 7,
        };
        assert_eq!(limits(Limits::default(), set.limits.as_ref()), expected);
        assert_eq!(limits(Limits::default(), None), Limits::default());
    }
}
