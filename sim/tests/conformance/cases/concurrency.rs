//! Writers that do not know of each other.

use http::Method;
use serde_json::{Value, json};

use super::case;

case!(an_update_of_an_old_version_is_refused, script => {
    let maps = script.at("v1/configmaps");
    let old = script.post(&maps, json!({ "metadata": { "name": "a" }, "data": { "b": "1" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "2" } })).await;
    script.put(&format!("{maps}/a"), old).await;
    script.get(&format!("{maps}/a")).await;
});

case!(an_update_without_a_version_is_taken_by_kubernetes_kinds, script => {
    let maps = script.at("v1/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" }, "data": { "b": "1" } })).await;
    script.put(&format!("{maps}/a"), json!({ "metadata": { "name": "a" }, "data": { "c": "2" } })).await;
    script.put(&format!("{maps}/b"), json!({ "metadata": { "name": "b" } })).await;
    script.put(&format!("{maps}/a"), json!({ "metadata": { "name": "b" } })).await;
});

case!(an_update_that_changes_nothing_is_no_version, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a" }, "data": { "b": "1" } })).await;
    script.put(&format!("{maps}/a"), first).await;
    script.merge(&format!("{maps}/a"), json!({ "data": { "b": "1" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "labels": null } })).await;
});

case!(an_update_of_another_object_of_the_name_is_refused, script => {
    let maps = script.at("v1/configmaps");
    let mut first = script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::PUT, &format!("{maps}/a"), "application/json", first.clone()).await;
    first["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    script.put(&format!("{maps}/a"), first).await;
});

case!(a_patch_can_ask_for_a_version, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    let version = first["metadata"]["resourceVersion"].clone();
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "resourceVersion": version }, "data": { "b": "1" } })).await;
    script.merge(&format!("{maps}/a"), json!({ "metadata": { "resourceVersion": version }, "data": { "b": "2" } })).await;
    script.ask_roughly(Method::PATCH, &format!("{maps}/a"), "application/merge-patch+json", json!({ "metadata": { "uid": "other" } })).await;
});

case!(identity_cannot_be_changed, script => {
    let maps = script.at("v1/configmaps");
    let first = script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    let mut other = first.clone();
    other["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    other["metadata"]["generation"] = json!(9);
    other["metadata"]["labels"] = json!({ "b": "c" });
    script.put(&format!("{maps}/a"), other).await;
});

case!(some_kinds_are_updated_only_with_a_version, script => {
    let leases = script.at("coordination.k8s.io/v1/leases");
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "holderIdentity": "me" } });
    script.prepare(Method::POST, &leases, lease.clone()).await;
    script.put(&format!("{leases}/a"), lease).await;
    let budgets = script.at("policy/v1/poddisruptionbudgets");
    let budget = json!({ "metadata": { "name": "a" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "a": "b" } } } });
    script.prepare(Method::POST, &budgets, budget.clone()).await;
    script.put(&format!("{budgets}/a"), budget).await;
    let roles = script.at("rbac.authorization.k8s.io/v1/roles");
    let role = json!({ "metadata": { "name": "a" }, "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] });
    script.prepare(Method::POST, &roles, role.clone()).await;
    script.put(&format!("{roles}/a"), role).await;
    let accounts = script.at("v1/serviceaccounts");
    let account = json!({ "metadata": { "name": "a" } });
    script.prepare(Method::POST, &accounts, account.clone()).await;
    script.put(&format!("{accounts}/a"), account).await;
    let policies = script.at("networking.k8s.io/v1/networkpolicies");
    let policy = json!({ "metadata": { "name": "a" }, "spec": { "podSelector": {} } });
    script.prepare(Method::POST, &policies, policy.clone()).await;
    script.put(&format!("{policies}/a"), policy).await;
});
