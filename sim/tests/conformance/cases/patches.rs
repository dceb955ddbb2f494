//! Patches that say what to change.

use http::Method;
use serde_json::json;

use super::case;

case!(a_merge_patch_lays_over_and_takes_out, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" }, "data": { "b": "1", "c": "2" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": null, "d": "3" }, "metadata": { "annotations": { "e": "f" } } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": null })).await;
    script.merge(&format!("{maps}/b"), json!({ "data": { "a": "1" } })).await;
});

case!(a_json_patch_is_done_step_by_step, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" }, "data": { "b": "1", "c": "2" } })).await;
    script.json_patch(&format!("{maps}/a"), json!([
        { "op": "test", "path": "/data/b", "value": "1" },
        { "op": "replace", "path": "/data/b", "value": "4" },
        { "op": "remove", "path": "/data/c" },
        { "op": "add", "path": "/data/d", "value": "5" },
    ])).await;
    let patch = json!([{ "op": "test", "path": "/data/b", "value": "1" }]);
    script.ask_roughly(Method::PATCH, &format!("{maps}/a"), "application/json-patch+json", patch).await;
    let patch = json!([{ "op": "remove", "path": "/data/nothing" }]);
    script.ask_roughly(Method::PATCH, &format!("{maps}/a"), "application/json-patch+json", patch).await;
    script.ask_roughly(Method::PATCH, &format!("{maps}/a"), "application/json-patch+json", json!({ "a": 1 })).await;
    script.get(&format!("{maps}/a")).await;
});

case!(patches_of_other_forms_are_refused, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::PATCH, &format!("{maps}/a"), "application/json", json!({ "data": { "b": "1" } })).await;
});
