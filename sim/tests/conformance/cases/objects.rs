//! Creating and reading objects, and what is refused.

use http::Method;
use serde_json::{Value, json};

use super::case;

case!(an_object_is_created_and_read, script => {
    let maps = script.at("v1/configmaps");
    script.post(&maps, json!({ "metadata": { "name": "a", "labels": { "b": "c" } }, "data": { "d": "e" } })).await;
    script.get(&format!("{maps}/a")).await;
});

case!(a_name_is_given_once, script => {
    let maps = script.at("v1/configmaps");
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.get(&format!("{maps}/b")).await;
});

case!(a_name_can_be_generated, script => {
    let maps = script.at("v1/configmaps");
    script.post(&maps, json!({ "metadata": { "generateName": "a-" } })).await;
    script.post(&maps, json!({ "metadata": {} })).await;
});

case!(what_a_creator_says_of_identity_is_not_taken, script => {
    let maps = script.at("v1/configmaps");
    let metadata = json!({
        "name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7,
        "deletionTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/here",
    });
    script.post(&maps, json!({ "metadata": metadata })).await;
    script.ask_roughly(Method::POST, &maps, "application/json", json!({ "metadata": { "name": "b", "resourceVersion": "1" } })).await;
});

case!(names_and_labels_have_a_form, script => {
    let maps = script.at("v1/configmaps");
    for metadata in [
        json!({ "name": "A" }),
        json!({ "name": "a_b" }),
        json!({ "name": "-a" }),
        json!({ "name": "a".repeat(254) }),
        json!({ "name": "a", "labels": { "a b": "c" } }),
        json!({ "name": "a", "labels": { "a": "b c" } }),
        json!({ "name": "a", "labels": { "a": "b".repeat(64) } }),
        json!({ "name": "a", "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "", "uid": "x" }] }),
    ] {
        script.ask_roughly(Method::POST, &maps, "application/json", json!({ "metadata": metadata })).await;
    }
    let bad = json!({ "metadata": { "name": "a", "labels": { "a": "b c" } } });
    script.post(&maps, bad).await;
});

case!(objects_of_another_kind_or_namespace_are_refused, script => {
    let maps = script.at("v1/configmaps");
    script.ask_roughly(Method::POST, &maps, "application/json", json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::POST, &maps, "application/json", json!({ "kind": "ConfigMap", "apiVersion": "v2", "metadata": { "name": "a" } })).await;
    script.post(&maps, json!({ "metadata": { "name": "a", "namespace": "default" } })).await;
    script.post("/api/v1/namespaces/nobody-has-this/configmaps", json!({ "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::POST, &maps, "application/json", json!(["a"])).await;
});

case!(paths_that_are_not_served_are_not_found, script => {
    script.ask_roughly(Method::GET, "/apis/nobody.dev/v1/things", "", Value::Null).await;
    script.ask_roughly(Method::GET, "/api/v1/things", "", Value::Null).await;
    let maps = script.at("v1/configmaps");
    script.ask_roughly(Method::GET, &format!("{maps}/a/status"), "", Value::Null).await;
    script.ask_roughly(Method::PUT, &maps, "application/json", json!({ "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::POST, &format!("{maps}/a"), "application/json", json!({ "metadata": { "name": "a" } })).await;
});

case!(a_dry_run_leaves_nothing, script => {
    let maps = script.at("v1/configmaps");
    script.post(&format!("{maps}?dryRun=All"), json!({ "metadata": { "name": "a" } })).await;
    script.get(&format!("{maps}/a")).await;
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" }, "data": { "b": "c" } })).await;
    script.merge(&format!("{maps}/a?dryRun=All"), json!({ "data": { "b": "d" } })).await;
    script.apply(&format!("{maps}/b?dryRun=All"), "me", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "b" } })).await;
    script.delete(&format!("{maps}/a?dryRun=All"), Value::Null).await;
    script.get(&format!("{maps}/a")).await;
    script.get(&format!("{maps}/b")).await;
});

case!(secrets_are_kept_as_base64, script => {
    let secrets = script.at("v1/secrets");
    script.post(&secrets, json!({ "metadata": { "name": "a" }, "stringData": { "b": "c" } })).await;
    script.merge(&format!("{secrets}/a"), json!({ "type": "other" })).await;
});

case!(what_is_immutable_stays, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" }, "immutable": true, "data": { "b": "c" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "d" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "immutable": false })).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "labels": { "e": "f" } } })).await;
});

case!(what_a_kind_does_not_have_is_dropped, script => {
    let maps = script.at("v1/configmaps");
    script.post(&maps, json!({ "metadata": { "name": "a", "nobody": 1 }, "nobody": { "knows": "this" }, "data": null })).await;
    script.ask_roughly(Method::POST, &maps, "application/json", json!({ "metadata": { "name": "b" }, "data": { "c": 1 } })).await;
});
