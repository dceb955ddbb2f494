//! Watches: what is told, in what order, from when on.

use http::Method;
use serde_json::{Value, json};

use super::case;

case!(a_watch_tells_what_changes_after_a_version, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" } } })).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = script.watch(&maps, &format!("labelSelector=l&resourceVersion={version}")).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "1" } })).await;
    script.post(&maps, json!({ "metadata": { "name": "c", "labels": { "l": "y" } } })).await;
    script.post(&maps, json!({ "metadata": { "name": "d" } })).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    script.hear(&mut watch, 3).await;
    script.hear_nothing(&mut watch).await;
});

case!(a_watch_from_the_past_tells_all_since, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" } } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "1" } })).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = script.watch(&maps, &format!("labelSelector=l&resourceVersion={version}")).await;
    script.hear(&mut watch, 2).await;
});

case!(a_watch_without_a_version_begins_with_what_is, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "b", "labels": { "l": "x" } } })).await;
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" } } })).await;
    let mut watch = script.watch(&maps, "labelSelector=l").await;
    script.hear(&mut watch, 2).await;
    let mut watch = script.watch(&maps, "labelSelector=l&resourceVersion=0").await;
    script.hear(&mut watch, 2).await;
});

case!(what_is_selected_no_more_is_told_as_deleted, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" } }, "data": { "b": "1" } })).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = script.watch(&maps, &format!("labelSelector=l%3Dx&resourceVersion={version}")).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "labels": { "l": "y" } }, "data": { "b": "2" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "3" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "labels": { "l": "x" } } })).await;
    script.hear(&mut watch, 2).await;
    script.hear_nothing(&mut watch).await;
});

case!(a_watch_from_too_long_ago_is_refused, script => {
    // Of a kind that is new nothing is known from before.
    let schema = json!({ "schema": { "openAPIV3Schema": { "type": "object" } } });
    let version = script.define(schema).await;
    let things = script.at(&format!("{version}/things"));
    let mut watch = script.watch(&things, "resourceVersion=1").await;
    let events = watch_one(script, &mut watch).await;
    assert_eq!((&events["type"], &events["object"]["code"]), (&json!("ERROR"), &json!(410)));
});

async fn watch_one(script: &mut crate::script::Script, watch: &mut crate::script::Watch) -> Value {
    let heard = script.hear(watch, 1).await;
    // The message holds versions.
    if let Some(answer) = script.answers.last_mut() {
        answer["answer"][0]["object"]["message"] = json!("<message>");
    }
    heard[0].clone()
}

case!(a_watch_can_begin_with_all_and_a_bookmark, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" } } })).await;
    let query = "labelSelector=l&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = script.watch(&maps, query).await;
    script.hear(&mut watch, 1).await;
    let heard = script.hear(&mut watch, 1).await;
    assert_eq!(heard[0]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");

    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "1" } })).await;
    script.hear(&mut watch, 1).await;
});

case!(one_object_can_be_watched, script => {
    let maps = script.at("v1/configmaps");
    let mut watch = script.watch(&maps, "fieldSelector=metadata.name%3Da&resourceVersion=0").await;
    script.post(&maps, json!({ "metadata": { "name": "b" } })).await;
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.hear(&mut watch, 1).await;
    script.hear_nothing(&mut watch).await;
});

case!(a_finalizer_is_seen_by_those_who_watch, script => {
    let maps = script.at("v1/configmaps");
    let mut watch = script.watch(&maps, "labelSelector=l").await;
    script.post(&maps, json!({ "metadata": { "name": "a", "labels": { "l": "x" }, "finalizers": ["x.dev/one"] } })).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "finalizers": null } })).await;
    script.hear(&mut watch, 3).await;
});
