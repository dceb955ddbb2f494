//! ReplicaSets.

use http::Method;
use serde_json::{Value, json};

use super::{case, pods};

fn set(replicas: u32) -> Value {
    json!({ "metadata": { "name": "a" }, "spec": {
        "replicas": replicas, "selector": { "matchLabels": { "a": "b" } }, "template": pods::template("Always"),
    } })
}

case!(replica_sets_get_what_is_not_said, script => {
    let sets = format!("{}?dryRun=All", script.at("apps/v1/replicasets"));
    let mut one = set(1);
    one["spec"].as_object_mut().unwrap().remove("replicas");
    script.post(&sets, one).await;
    for (pointer, value) in [
        ("/spec/replicas", json!(-1)),
        ("/spec/selector/matchLabels/a", json!("c")),
        ("/spec/template/spec/restartPolicy", json!("Never")),
    ] {
        let mut bad = set(1);
        *bad.pointer_mut(pointer).unwrap() = value;
        script.post(&sets, bad).await;
    }
});

case!(a_replica_set_makes_pods_and_says_how_they_are, script => {
    let sets = script.at("apps/v1/replicasets");
    script.post(&sets, set(2)).await;
    let path = format!("{sets}/a");
    script.until(&path, |_, set| set["status"]["replicas"] == 2).await;
    let made = pods::some(script, "a=b", 2).await;
    script.get(&path).await;
    let parts = ["/metadata/generateName", "/metadata/labels", "/metadata/ownerReferences/0/kind", "/metadata/ownerReferences/0/controller", "/metadata/ownerReferences/0/blockOwnerDeletion", "/metadata/finalizers", "/spec/containers"];
    script.keep_of(0, &made[0], &parts);
    pods::start(script, &made[0]).await;
    script.until(&path, |_, set| set["status"]["availableReplicas"] == 1).await;
    script.get(&path).await;
    // The one that is not ready goes first.
    script.merge(&path, json!({ "spec": { "replicas": 1 } })).await;
    script.until(&path, |_, set| set["status"]["replicas"] == 1 && set["status"]["observedGeneration"] == 2).await;
    let left = pods::some(script, "a=b", 1).await;
    script.note("the ready one is left", &json!(left[0]["metadata"]["name"] == made[0]["metadata"]["name"]));
    script.get(&format!("{path}/scale")).await;
});

case!(a_replica_set_takes_pods_and_lets_them_go, script => {
    let all = script.at("v1/pods");
    let mut pod = pods::template("Always");
    pod["metadata"]["name"] = json!("alone");
    script.prepare(Method::POST, &all, pod).await;
    let sets = script.at("apps/v1/replicasets");
    script.prepare(Method::POST, &sets, set(1)).await;
    let alone = format!("{all}/alone");
    script.until(&alone, |_, pod| pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet").await;
    script.until(&format!("{sets}/a"), |_, set| set["status"]["replicas"] == 1).await;
    let there = pods::alive(script, "a=b").await.len();
    script.note("the pods that are there", &json!(there));
    script.lay_over(&alone, json!({ "metadata": { "labels": { "a": "c" } } })).await;
    script.until(&alone, |_, pod| pod["metadata"]["ownerReferences"].is_null()).await;
    pods::some(script, "a=b", 1).await;
    let (code, freed) = script.ask_aside(Method::GET, &alone, Value::Null).await;
    script.keep_of(code, &freed, &["/metadata/labels", "/metadata/ownerReferences"]);
});
