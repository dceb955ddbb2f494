//! Says of budgets for disruptions how many pods may go.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Due, all, change, controller,
    deployments::part_of,
    due::after,
    is_deleted,
    pods::{self, Pod},
};
use crate::api::{LabelSelector, State, Stored, allow_disruptions};

/// How long a pod that is evicted counts as gone although it is not deleted.
const EVICTED_SECONDS: i64 = 120;

pub(super) fn step(state: &mut State, due: &mut Due) {
    for (place, budget) in all(state, "policy", "poddisruptionbudgets") {
        if is_deleted(&budget) {
            continue;
        }
        let selector = budget.value.pointer("/spec/selector").cloned();
        let selected = state.store.list("", "pods", Some(&place.namespace));
        let selector_of = selector.as_ref().map(LabelSelector::from_object);
        let pods: Vec<Pod> = selected
            .filter(|(_, pod)| selector_of.as_ref().is_some_and(|selector| selector.matches(&pod.value)))
            .map(|(place, pod)| (place.clone(), pod.clone()))
            .collect();
        let status = status(state, &budget, &pods, due);
        if budget.value.get("status") != Some(&status) {
            change(state, &place, "status", |budget| {
                if let Some(budget) = budget.as_object_mut() {
                    budget.insert("status".to_owned(), status);
                }
            });
        }
    }
}

fn status(state: &State, budget: &Stored, pods: &[Pod], due: &mut Due) -> Value {
    let evicted = evicted(state, budget, pods, due);
    let healthy = |(place, pod): &&Pod| {
        !is_deleted(pod) && pods::is_ready(&pod.value) && !evicted.contains_key(&place.name)
    };
    let current = i64::try_from(pods.iter().filter(healthy).count()).unwrap_or(i64::MAX);
    let (expected, desired) = wanted(state, budget, pods);
    let allowed = if expected > 0 { (current - desired).max(0) } else { 0 };
    let mut status = json!({
        "currentHealthy": current, "desiredHealthy": desired, "expectedPods": expected,
        "observedGeneration": budget.value.pointer("/metadata/generation"),
    });
    if let Some(status) = status.as_object_mut() {
        let known = budget.value.pointer("/status/conditions").cloned();
        status.extend(known.map(|known| ("conditions".to_owned(), known)));
        if !evicted.is_empty() {
            status.insert("disruptedPods".to_owned(), Value::Object(evicted));
        }
    }
    allow_disruptions(&mut status, allowed, &state.now());
    status
}

/// The pods that are evicted and not deleted yet, and since when.
fn evicted(state: &State, budget: &Stored, pods: &[Pod], due: &mut Due) -> Map<String, Value> {
    let known = budget.value.pointer("/status/disruptedPods").and_then(Value::as_object);
    let mut known = known.cloned().unwrap_or_default();
    known.retain(|name, since| {
        let there = pods.iter().any(|(place, pod)| place.name == *name && !is_deleted(pod));
        let until = since.as_str().and_then(|since| after(since, EVICTED_SECONDS));
        let counts = there && until.is_some_and(|until| until > (state.clock)());
        until.filter(|_| counts).into_iter().for_each(|until| due.at(until));
        counts
    });
    known
}

/// How many pods there should be, and how many of them healthy.
fn wanted(state: &State, budget: &Stored, pods: &[Pod]) -> (i64, i64) {
    let spec = |field: &str| budget.value.get("spec")?.get(field);
    match (spec("maxUnavailable"), spec("minAvailable")) {
        (Some(most), _) => {
            let expected = scale(state, pods);
            (expected, (expected - part_of(most, expected, true)).max(0))
        }
        (None, Some(least)) if least.is_string() => {
            let expected = scale(state, pods);
            (expected, part_of(least, expected, true))
        }
        (None, least) => {
            let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
            (count, least.and_then(Value::as_i64).unwrap_or_default())
        }
    }
}

/// How many pods those want who control them.
fn scale(state: &State, pods: &[Pod]) -> i64 {
    let mut scales: BTreeMap<String, i64> = BTreeMap::new();
    for (place, pod) in pods {
        let Some(mut owner) = controller(&pod.value).cloned() else { continue };
        let mut replicas = None;
        // A ReplicaSet may be one of those of a Deployment.
        while let Some(found) = find(state, &place.namespace, &owner) {
            let Some(count) = found.value.pointer("/spec/replicas").and_then(Value::as_i64) else { break };
            replicas = Some((found.text("/metadata/uid").to_owned(), count));
            match controller(&found.value) {
                Some(above) => owner = above.clone(),
                None => break,
            }
        }
        scales.extend(replicas);
    }
    scales.values().sum()
}

/// Who controls, if it is one of the kinds that have replicas.
fn find<'a>(state: &'a State, namespace: &'a str, owner: &Value) -> Option<&'a Stored> {
    let plural = match owner.get("kind")?.as_str()? {
        "ReplicaSet" => "replicasets",
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        _ => return None,
    };
    let mut all = state.store.list("apps", plural, Some(namespace));
    let found = all.find(|(_, known)| owner.get("uid").is_some_and(|uid| uid == known.text("/metadata/uid")));
    found.map(|(_, found)| found.as_ref())
}
