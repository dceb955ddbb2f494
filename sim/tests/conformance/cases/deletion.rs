//! Deleting objects, and what holds them.

use http::Method;
use serde_json::{Value, json};

use super::case;

case!(what_is_deleted_is_gone, script => {
    let maps = script.at("v1/configmaps");
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
});

case!(a_finalizer_holds_an_object, script => {
    let maps = script.at("v1/configmaps");
    let a = format!("{maps}/a");
    script.post(&maps, json!({ "metadata": { "name": "a", "finalizers": ["x.dev/one", "x.dev/two"] } })).await;
    script.delete(&a, Value::Null).await;
    script.delete(&a, Value::Null).await;
    script.merge(&a, json!({ "metadata": { "finalizers": ["x.dev/one", "x.dev/three"] } })).await;
    script.merge(&a, json!({ "data": { "still": "here" } })).await;
    script.merge(&a, json!({ "metadata": { "finalizers": ["x.dev/one"] } })).await;
    script.merge(&a, json!({ "metadata": { "finalizers": null } })).await;
    script.get(&a).await;
});

case!(a_deletion_can_ask_which, script => {
    let maps = script.at("v1/configmaps");
    let a = format!("{maps}/a");
    let first = script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.delete(&a, json!({ "preconditions": { "uid": "other" } })).await;
    script.ask_roughly(Method::DELETE, &a, "application/json", json!({ "preconditions": { "resourceVersion": "1" } })).await;
    script.delete(&a, json!({ "dryRun": ["All"] })).await;
    script.delete(&a, json!({ "preconditions": { "uid": first["metadata"]["uid"], "resourceVersion": first["metadata"]["resourceVersion"] } })).await;
});

case!(a_generation_counts_deletion, script => {
    let mut version = json!({
        "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object" } } } },
    });
    version["subresources"] = json!({ "status": {} });
    let version = script.define(version).await;
    let things = script.at(&format!("{version}/things"));
    script.post(&things, json!({ "apiVersion": version, "kind": "Thing", "metadata": { "name": "a", "finalizers": ["x.dev/one"] } })).await;
    script.delete(&format!("{things}/a"), Value::Null).await;
    script.merge(&format!("{things}/a"), json!({ "metadata": { "finalizers": [] } })).await;
    script.get(&format!("{things}/a")).await;
});

case!(many_are_deleted_at_once, script => {
    let maps = script.at("v1/configmaps");
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        script.prepare(Method::POST, &maps, json!({ "metadata": { "name": name, "labels": { "l": label } } })).await;
    }
    script.ask_roughly(Method::DELETE, &format!("{maps}?labelSelector=l%3Dx"), "application/json", Value::Null).await;
    script.get(&format!("{maps}?labelSelector=l")).await;
});

case!(nothing_is_created_in_a_namespace_that_ends, script => {
    let name = format!("ends-{}", script.mark);
    script.prepare(Method::POST, "/api/v1/namespaces", json!({ "metadata": { "name": name } })).await;
    let maps = format!("/api/v1/namespaces/{name}/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a", "finalizers": ["x.dev/one"] } })).await;
    script.ask_roughly(Method::DELETE, &format!("/api/v1/namespaces/{name}"), "", Value::Null).await;
    let (code, answer) = script.ask_aside(Method::POST, &maps, json!({ "metadata": { "name": "b" } })).await;
    script.keep_of(code, &answer, &["/reason", "/details/causes/0/reason", "/details/causes/0/field"]);
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "finalizers": null } })).await;
});

case!(a_pod_that_runs_nowhere_ends_at_once, script => {
    let pods = script.at("v1/pods");
    // No scheduler knows this one.
    script.prepare(Method::POST, &pods, json!({ "metadata": { "name": "a" }, "spec": {
        "schedulerName": "nobody", "containers": [{ "name": "a", "image": "a" }], "automountServiceAccountToken": false,
    } })).await;
    script.ask_roughly(Method::DELETE, &format!("{pods}/a"), "application/json", Value::Null).await;
    script.get(&format!("{pods}/a")).await;
});
