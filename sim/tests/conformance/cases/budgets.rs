//! Budgets for disruptions, and evictions that ask them.

use http::Method;
use serde_json::{Value, json};

use super::{case, pods};
use crate::script::Script;

fn eviction(name: &str) -> Value {
    json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } })
}

/// Makes a pod that runs nowhere.
async fn pod(script: &mut Script, name: &str, ready: bool) {
    let mut pod = pods::template("Always");
    pod["metadata"]["name"] = json!(name);
    let pod = script.prepare(Method::POST, &script.at("v1/pods"), pod).await;
    if ready {
        pods::start(script, &pod).await;
    }
}

async fn budget(script: &mut Script, spec: Value) -> String {
    let budgets = script.at("policy/v1/poddisruptionbudgets");
    let mut budget =
        json!({ "metadata": { "name": "a" }, "spec": { "selector": { "matchLabels": { "a": "b" } } } });
    budget["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    script.prepare(Method::POST, &budgets, budget).await;
    format!("{budgets}/a")
}

case!(an_eviction_deletes_a_pod, script => {
    let all = script.at("v1/pods");
    pod(script, "waits", false).await;
    pod(script, "runs", true).await;
    script.post(&format!("{all}/runs/eviction"), eviction("other")).await;
    script.post(&format!("{all}/runs/eviction?dryRun=All"), eviction("runs")).await;
    for name in ["waits", "runs", "nobody"] {
        script.post(&format!("{all}/{name}/eviction"), eviction(name)).await;
        script.get(&format!("{all}/{name}")).await;
    }
});

case!(an_eviction_asks_the_budget, script => {
    let all = script.at("v1/pods");
    for name in ["one", "two"] {
        pod(script, name, true).await;
    }
    pod(script, "waits", false).await;
    let path = budget(script, json!({ "minAvailable": 1 })).await;
    script.until(&path, |_, budget| budget["status"]["disruptionsAllowed"] == 1).await;
    script.get(&path).await;
    // One that has not begun is no loss.
    script.post(&format!("{all}/waits/eviction"), eviction("waits")).await;
    script.post(&format!("{all}/one/eviction"), eviction("one")).await;
    script.until(&path, |_, budget| budget["status"]["currentHealthy"] == 1 && budget["status"]["expectedPods"] == 1).await;
    script.post(&format!("{all}/two/eviction"), eviction("two")).await;
    let (_, left) = script.ask_aside(Method::GET, &format!("{all}/two"), Value::Null).await;
    script.keep_of(0, &left, &["/metadata/name", "/metadata/deletionTimestamp"]);
});

case!(a_budget_counts_what_its_controllers_want, script => {
    let sets = script.at("apps/v1/replicasets");
    script.prepare(Method::POST, &sets, json!({ "metadata": { "name": "a" }, "spec": {
        "replicas": 3, "selector": { "matchLabels": { "a": "b" } }, "template": pods::template("Always"),
    } })).await;
    let made = pods::some(script, "a=b", 3).await;
    for pod in made.iter().take(2) {
        pods::start(script, pod).await;
    }
    let path = budget(script, json!({ "maxUnavailable": "50%" })).await;
    script.until(&path, |_, budget| budget["status"]["currentHealthy"] == 2).await;
    script.get(&path).await;
    pods::start(script, &made[2]).await;
    script.until(&path, |_, budget| budget["status"]["disruptionsAllowed"] == 2).await;
    script.lay_over(&path, json!({ "spec": { "maxUnavailable": 0 } })).await;
    script.until(&path, |_, budget| budget["status"]["observedGeneration"] == 2).await;
    script.get(&path).await;
});

case!(two_budgets_for_a_pod_are_too_many, script => {
    let all = script.at("v1/pods");
    pod(script, "one", true).await;
    budget(script, json!({ "minAvailable": 0 })).await;
    let budgets = script.at("policy/v1/poddisruptionbudgets");
    script.prepare(Method::POST, &budgets, json!({ "metadata": { "name": "b" }, "spec": { "minAvailable": 0, "selector": {} } })).await;
    script.post(&format!("{all}/one/eviction"), eviction("one")).await;
});
