//! The host and objects that are not its own.

use serde_json::json;

use crate::{
    cluster::shared,
    kubectl::{check, eventually},
    redis::Redis,
};

#[test]
fn an_object_that_somebody_else_made_is_left_alone_and_named() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-foreign");
    let foreign = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "taken-config", "namespace": namespace.name }, "data": { "mine": "yes" },
    });
    cluster.kubectl.apply(&foreign.to_string());
    let redis = Redis::apply(&namespace, "taken", &json!({ "replicas": 0 }));
    eventually("the condition names it", || {
        let status = redis.get().ok_or("it is not there")?["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let told = conditions.iter().any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["reason"] == "Blocked" && message.contains("taken-config")
        });
        check(told, status.to_string())
    });
    let found = redis.child("configmaps", "taken-config").unwrap();
    assert_eq!(found["data"], json!({ "mine": "yes" }));
    assert!(found["metadata"].get("ownerReferences").is_none());
    cluster.kubectl.run(&["delete", "configmap", "taken-config", "-n", &namespace.name]);
    redis.is_running(1);
}

#[test]
fn every_write_for_a_component_is_made_as_its_service_account() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-account");
    let redis = Redis::apply(&namespace, "owned", &json!({ "replicas": 0 }));
    redis.is_running(1);
    let account = "system:serviceaccount:operlet-system:redis-operlet";
    let log = std::fs::read_to_string(cluster.lab.audit_log()).expect("the audit log can be read");
    let writes: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| {
            line.contains("e2e-account") && line.contains("\"system:serviceaccount:operlet-system:operlet\"")
        })
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|entry: &serde_json::Value| entry["objectRef"]["namespace"] == "e2e-account")
        .filter(|entry| ["create", "patch", "update", "delete"].iter().any(|verb| entry["verb"] == *verb))
        .collect();
    assert!(!writes.is_empty(), "the audit log shows the host's writes");
    for write in &writes {
        assert_eq!(write["impersonatedUser"]["username"], account, "{write}");
    }
}
