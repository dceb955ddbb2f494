//! Rights of those who are not the administrator.

use http::Method;
use serde_json::{Value, json};

use super::case;

case!(only_what_a_role_allows_is_done, script => {
    let maps = script.at("v1/configmaps");
    let user = format!("system:serviceaccount:{}:worker", script.namespace);
    let roles = script.at("rbac.authorization.k8s.io/v1/roles");
    script.prepare(Method::POST, &roles, json!({ "metadata": { "name": "reader" }, "rules": [
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "create"] },
        { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"] },
    ] })).await;
    let bindings = script.at("rbac.authorization.k8s.io/v1/rolebindings");
    script.post(&bindings, json!({
        "metadata": { "name": "reader" }, "roleRef": { "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "worker", "namespace": script.namespace }],
    })).await;
    // It takes a cluster a moment to notice.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    script.act_as(&user);
    script.post(&maps, json!({ "metadata": { "name": "a" } })).await;
    script.get(&format!("{maps}/a")).await;
    script.get(&format!("{maps}/b")).await;
    script.delete(&format!("{maps}/a"), Value::Null).await;
    script.get("/api/v1/nodes").await;
    script.merge(&format!("{maps}/a"), json!({})).await;
    // An apply that creates needs both rights.
    let applied = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "c" } });
    let secrets = script.at("v1/secrets");
    script.apply(&format!("{secrets}/c"), "me", applied).await;
    // One that names a uid never creates: what is gone is a conflict, and no matter of rights.
    let gone = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "c", "uid": "0-0-0" } });
    script.apply(&format!("{secrets}/c"), "me", gone).await;
    let namespace = script.namespace.clone();
    let review = |verb: &str, resource: &str| {
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
            "resourceAttributes": { "verb": verb, "resource": resource, "namespace": namespace },
        } })
    };
    for (verb, resource) in [("list", "configmaps"), ("delete", "configmaps"), ("list", "secrets")] {
        let review = review(verb, resource);
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = script.ask(Method::POST, path, "application/json", review).await;
        let allowed = answer["status"]["allowed"].clone();
        if let Some(kept) = script.answers.last_mut() {
            kept["answer"] = json!({ "allowed": allowed });
        }
    }
});
