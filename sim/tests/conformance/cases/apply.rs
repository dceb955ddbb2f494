//! Server-side apply: who says what, and who takes what from whom.

use http::Method;
use serde_json::{Value, json};

use super::case;

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data })
}

fn service(ports: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" },
        "spec": { "selector": { "a": "b" }, "ports": ports },
    })
}

case!(an_apply_creates_and_changes, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "me", map(json!({ "b": "1", "c": "1" }))).await;
    script.apply(&a, "me", map(json!({ "b": "2", "c": "1" }))).await;
    script.get(&a).await;
});

case!(an_apply_that_changes_nothing_is_no_version, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.apply(&a, "other", map(json!({ "b": "1" }))).await;
    script.apply(&a, "other", map(json!({ "b": "1" }))).await;
});

case!(what_is_not_applied_again_goes, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "me", map(json!({ "b": "1", "c": "1" }))).await;
    script.merge(&a, json!({ "data": { "d": "1" } })).await;
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.apply(&a, "me", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } })).await;
});

case!(what_others_apply_too_stays, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "me", map(json!({ "b": "1", "c": "1" }))).await;
    script.apply(&a, "other", map(json!({ "c": "1" }))).await;
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.apply(&a, "other", map(json!({}))).await;
});

case!(a_conflict_names_the_other, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "one", map(json!({ "b": "1", "c": "1" }))).await;
    script.apply(&a, "two", map(json!({ "b": "2" }))).await;
    script.apply(&a, "two", map(json!({ "b": "2", "c": "2" }))).await;
    script.apply(&format!("{a}?force=true"), "two", map(json!({ "b": "2" }))).await;
    script.apply(&a, "one", map(json!({ "b": "1", "c": "1" }))).await;
});

case!(a_conflict_names_who_updated, script => {
    let maps = script.at("v1/configmaps");
    let a = format!("{maps}/a");
    script.post(&maps, map(json!({ "b": "1" }))).await;
    script.apply(&a, "me", map(json!({ "b": "2" }))).await;
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.merge(&a, json!({ "data": { "b": "3" } })).await;
    script.apply(&a, "me", map(json!({ "b": "4" }))).await;
});

case!(items_of_a_list_are_merged_by_their_keys, script => {
    let a = format!("{}/a", script.at("v1/services"));
    script.apply(&a, "one", service(json!([{ "name": "x", "port": 1 }, { "name": "y", "port": 2 }]))).await;
    script.apply(&a, "two", service(json!([{ "name": "z", "port": 3, "protocol": "UDP" }]))).await;
    script.apply(&a, "one", service(json!([{ "name": "y", "port": 2 }]))).await;
    script.apply(&a, "two", service(json!([{ "name": "other", "port": 2 }]))).await;
    script.apply(&a, "one", service(json!([{ "name": "x", "port": 1 }, { "name": "x", "port": 1 }]))).await;
});

case!(the_order_of_a_list_is_that_of_who_applies, script => {
    let a = format!("{}/a", script.at("v1/services"));
    let port = |port: i64| json!({ "name": format!("p{port}"), "port": port });
    script.apply(&a, "one", service(json!([port(1), port(2), port(3)]))).await;
    script.apply(&a, "two", service(json!([port(4), port(2), port(5)]))).await;
    script.apply(&a, "one", service(json!([port(3), port(6), port(1), port(2)]))).await;
    script.apply(&a, "two", service(json!([port(5), port(4)]))).await;
});

case!(a_selector_has_one_owner, script => {
    let a = format!("{}/a", script.at("v1/services"));
    script.apply(&a, "one", service(json!([{ "port": 1 }]))).await;
    let mut other = service(json!([{ "port": 1 }]));
    other["spec"]["selector"] = json!({ "c": "d" });
    script.apply(&a, "two", other.clone()).await;
    script.apply(&format!("{a}?force=true"), "two", other).await;
});

case!(fields_that_nobody_knows_are_refused, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    let mut unknown = map(json!({ "b": "1" }));
    unknown["nobody"] = json!({ "knows": 1 });
    script.apply(&a, "me", unknown).await;
    script.ask_roughly(Method::PATCH, &format!("{a}?fieldManager=me"), "application/apply-patch+yaml", map(json!({ "b": { "c": 1 } }))).await;
});

case!(an_apply_can_ask_for_a_version, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    let with = |version: Value| {
        let mut map = map(json!({ "b": "1" }));
        map["metadata"]["resourceVersion"] = version;
        map
    };
    let first = script.apply(&a, "me", with(json!("1"))).await;
    script.apply(&a, "me", with(json!("1"))).await;
    script.apply(&a, "me", with(first["metadata"]["resourceVersion"].clone())).await;
});

case!(an_apply_can_ask_for_an_object, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    let with = |uid: &Value| {
        let mut map = map(json!({ "b": "1" }));
        map["metadata"]["uid"] = uid.clone();
        map
    };
    let gone = script.apply(&a, "me", map(json!({ "b": "1" }))).await["metadata"]["uid"].clone();
    script.apply(&a, "me", with(&gone)).await;
    script.delete(&a, Value::Null).await;
    script.apply(&a, "me", with(&gone)).await;
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.apply(&a, "me", with(&gone)).await;
});

case!(an_apply_needs_a_manager_and_no_managed_fields, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    let mut managed = map(json!({}));
    managed["metadata"]["managedFields"] = json!([{ "manager": "you" }]);
    script.apply(&a, "me", managed).await;
    let mut renamed = map(json!({}));
    renamed["metadata"]["name"] = json!("b");
    script.ask_roughly(Method::PATCH, &format!("{a}?fieldManager=me"), "application/apply-patch+yaml", renamed).await;
    script.ask_roughly(Method::PATCH, &a, "application/apply-patch+yaml", map(json!({ "b": "1" }))).await;
});

case!(labels_and_annotations_are_shared, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    let labelled = |labels: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "labels": labels } });
    script.apply(&a, "one", labelled(json!({ "a": "1" }))).await;
    script.apply(&a, "two", labelled(json!({ "b": "2" }))).await;
    script.apply(&a, "one", labelled(json!({}))).await;
    script.apply(&a, "two", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } })).await;
});

case!(managed_fields_can_be_reset, script => {
    let a = format!("{}/a", script.at("v1/configmaps"));
    script.apply(&a, "me", map(json!({ "b": "1" }))).await;
    script.merge(&a, json!({ "metadata": { "managedFields": [] } })).await;
    script.apply(&a, "other", map(json!({ "b": "2" }))).await;
});
