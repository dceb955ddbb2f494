//! Observations as a cluster would give them.

use operlet_redis::{REDIS, RedisOperlet};
use operlet_sdk::{Decision, Failure, Observation, Operator, Outcome, kinds, testing};
use serde_json::{Value, json};

/// A Redis called `sample` with this spec, of which nothing exists yet.
pub(crate) fn fresh(spec: Value) -> Observation {
    named("sample", spec)
}

/// A Redis of this name, of which nothing exists yet.
pub(crate) fn named(name: &str, spec: Value) -> Observation {
    with_status(name, spec, json!(null))
}

/// A Redis with a status from before.
pub(crate) fn with_status(name: &str, spec: Value, status: Value) -> Observation {
    let resource = json!({
        "apiVersion": REDIS.api_version(),
        "kind": REDIS.kind,
        "metadata": {"name": name, "namespace": "shop", "uid": "0001", "generation": 1},
        "spec": spec,
        "status": status,
    });
    testing::observation(&resource).with_kinds_of(&RedisOperlet::describe())
}

/// As the cluster is when all pods run what the decision for `observation` asks for.
pub(crate) fn settled(observation: Observation) -> Observation {
    let outcome = settle(&observation);
    let objects = testing::objects(&outcome);
    let mut set: Value = objects
        .iter()
        .find(|(key, _)| key.starts_with("StatefulSet/"))
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .unwrap();
    let replicas = set["spec"]["replicas"].clone();
    set["metadata"]["generation"] = json!(3);
    set["status"] = json!({"observedGeneration": 3, "replicas": replicas, "updatedReplicas": replicas});
    let name = set["metadata"]["name"].as_str().unwrap().to_owned();
    let annotations = &set["spec"]["template"]["metadata"]["annotations"];
    let pods: Vec<Value> =
        (0..replicas.as_u64().unwrap()).map(|ordinal| pod(&name, ordinal, annotations, true)).collect();
    observation
        .with_observed(&kinds::SECRET, [json!({"metadata": {"name": format!("{name}-auth")}})])
        .with_observed(&kinds::POD, pods)
        .with_observed(&kinds::STATEFUL_SET, [set])
}

/// A pod of the StatefulSet of this name.
pub(crate) fn pod(name: &str, ordinal: u64, annotations: &Value, ready: bool) -> Value {
    json!({
        "metadata": {"name": format!("{name}-{ordinal}"), "uid": format!("pod-{ordinal}"), "annotations": annotations},
        "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    })
}

/// A claim for the data of a pod.
pub(crate) fn claim(name: &str, ordinal: u64, size: &str) -> Value {
    json!({
        "metadata": {"name": format!("data-{name}-{ordinal}"), "uid": format!("claim-{ordinal}")},
        "spec": {"resources": {"requests": {"storage": size}}},
    })
}

/// What the operlet settles on.
pub(crate) fn settle(observation: &Observation) -> Outcome {
    match RedisOperlet::reconcile(observation) {
        Ok(Decision::Settle(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

/// What an observation fails with.
pub(crate) fn failure(observation: &Observation) -> Failure {
    RedisOperlet::reconcile(observation).unwrap_err()
}
