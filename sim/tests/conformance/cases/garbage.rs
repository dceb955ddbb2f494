//! Garbage collection: what goes with its owner, what stays.

use http::Method;
use serde_json::{Value, json};

use super::case;
use crate::script::Script;

async fn owner(script: &mut Script, name: &str) -> (String, Value) {
    let maps = script.at("v1/configmaps");
    let owner = script.prepare(Method::POST, &maps, json!({ "metadata": { "name": name } })).await;
    (format!("{maps}/{name}"), owner["metadata"]["uid"].clone())
}

fn owned(name: &str, owners: &[(&str, &Value)]) -> Value {
    let references: Vec<Value> = owners
        .iter()
        .map(|(name, uid)| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": true })
        })
        .collect();
    json!({ "metadata": { "name": name, "ownerReferences": references } })
}

case!(what_is_owned_goes_with_its_owner, script => {
    let (path, uid) = owner(script, "owner").await;
    let secrets = script.at("v1/secrets");
    script.prepare(Method::POST, &secrets, owned("owned", &[("owner", &uid)])).await;
    script.delete(&path, json!({ "propagationPolicy": "Background" })).await;
    script.until(&format!("{secrets}/owned"), |code, _| code == 404).await;
    script.get(&path).await;
});

case!(an_owner_can_wait_for_what_it_owns, script => {
    let (path, uid) = owner(script, "owner").await;
    let secrets = script.at("v1/secrets");
    let mut held = owned("owned", &[("owner", &uid)]);
    held["metadata"]["finalizers"] = json!(["x.dev/one"]);
    script.prepare(Method::POST, &secrets, held).await;
    script.delete(&path, json!({ "propagationPolicy": "Foreground" })).await;
    let deleted = |_: u16, body: &Value| body["metadata"]["deletionTimestamp"].is_string();
    script.until(&format!("{secrets}/owned"), deleted).await;
    script.get(&path).await;
    script.merge(&format!("{secrets}/owned"), json!({ "metadata": { "finalizers": null } })).await;
    script.until(&path, |code, _| code == 404).await;
});

case!(what_is_owned_can_be_left_behind, script => {
    let (path, uid) = owner(script, "owner").await;
    let secrets = script.at("v1/secrets");
    script.prepare(Method::POST, &secrets, owned("owned", &[("owner", &uid)])).await;
    script.delete(&path, json!({ "propagationPolicy": "Orphan" })).await;
    script.until(&path, |code, _| code == 404).await;
    script.get(&format!("{secrets}/owned")).await;
});

case!(who_has_another_owner_stays, script => {
    let (first, one) = owner(script, "one").await;
    let (second, two) = owner(script, "two").await;
    let secrets = script.at("v1/secrets");
    script.prepare(Method::POST, &secrets, owned("owned", &[("one", &one), ("two", &two)])).await;
    script.delete(&first, Value::Null).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    script.ask_roughly(Method::GET, &format!("{secrets}/owned"), "", Value::Null).await;
    script.delete(&second, Value::Null).await;
    script.until(&format!("{secrets}/owned"), |code, _| code == 404).await;
});

case!(an_owner_of_another_uid_is_none, script => {
    owner(script, "owner").await;
    let secrets = script.at("v1/secrets");
    let other = json!("00000000-0000-4000-8000-000000000000");
    script.prepare(Method::POST, &secrets, owned("owned", &[("owner", &other)])).await;
    script.until(&format!("{secrets}/owned"), |code, _| code == 404).await;
});

case!(a_namespace_goes_with_all_that_is_in_it, script => {
    let name = format!("goes-{}", script.mark);
    script.prepare(Method::POST, "/api/v1/namespaces", json!({ "metadata": { "name": name } })).await;
    let maps = format!("/api/v1/namespaces/{name}/configmaps");
    script.prepare(Method::POST, &maps, json!({ "metadata": { "name": "a" } })).await;
    script.ask_roughly(Method::DELETE, &format!("/api/v1/namespaces/{name}"), "", Value::Null).await;
    script.until(&format!("/api/v1/namespaces/{name}"), |code, _| code == 404).await;
    script.get(&format!("{maps}/a")).await;
});

case!(a_claim_that_nobody_uses_goes_when_it_is_deleted, script => {
    let claims = script.at("v1/persistentvolumeclaims");
    script.prepare(Method::POST, &claims, json!({ "metadata": { "name": "a" }, "spec": {
        "storageClassName": "nobodys", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    } })).await;
    script.ask_roughly(Method::DELETE, &format!("{claims}/a"), "application/json", Value::Null).await;
    script.until(&format!("{claims}/a"), |code, _| code == 404).await;
});
