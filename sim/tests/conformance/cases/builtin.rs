//! Kubernetes' own kinds: what is put in, and what may not change.

use http::Method;
use serde_json::{Value, json};

use super::case;

fn template() -> Value {
    json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": {
            "containers": [{
                "name": "main", "image": "some/image:1",
                "ports": [{ "containerPort": 80 }],
                "env": [{ "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
                "livenessProbe": { "exec": { "command": ["true"] } },
                "readinessProbe": { "httpGet": { "port": 80 } },
                "resources": { "limits": { "memory": "1Gi" } },
            }],
            "initContainers": [{ "name": "first", "image": "some/image" }],
            "volumes": [
                { "name": "config", "configMap": { "name": "a" } },
                { "name": "secret", "secret": { "secretName": "a" } },
                { "name": "scratch" },
                { "name": "empty", "emptyDir": {} },
            ],
        },
    })
}

case!(services_get_what_is_not_said, script => {
    let services = format!("{}?dryRun=All", script.at("v1/services"));
    let spec = |spec: Value| json!({ "metadata": { "name": "a" }, "spec": spec });
    script.post(&services, spec(json!({ "ports": [{ "port": 80 }], "selector": { "a": "b" } }))).await;
    script.post(&services, spec(json!({ "clusterIP": "None", "selector": { "a": "b" }, "publishNotReadyAddresses": true }))).await;
    script.post(&services, spec(json!({ "ports": [{ "port": 80, "targetPort": "web" }, { "port": 81, "name": "b" }] }))).await;
    script.post(&services, spec(json!({}))).await;
});

case!(the_address_of_a_service_stays, script => {
    let services = script.at("v1/services");
    script.post(&services, json!({ "metadata": { "name": "a" }, "spec": { "ports": [{ "port": 80 }] } })).await;
    script.merge(&format!("{services}/a"), json!({ "spec": { "clusterIP": "10.1.2.3" } })).await;
    script.merge(&format!("{services}/a"), json!({ "spec": { "selector": { "c": "d" } } })).await;
});

case!(a_service_that_is_written_without_its_address_keeps_it, script => {
    let services = script.at("v1/services");
    let service = |port: u16| json!({ "metadata": { "name": "a" }, "spec": { "ports": [{ "port": port }] } });
    script.post(&services, service(80)).await;
    script.put(&format!("{services}/a"), service(81)).await;
    let mut headless = service(80);
    headless["metadata"]["name"] = json!("b");
    headless["spec"]["clusterIP"] = json!("None");
    headless["spec"]["selector"] = json!({ "a": "b" });
    script.post(&services, headless.clone()).await;
    script.put(&format!("{services}/b"), headless.clone()).await;
    headless["spec"].as_object_mut().unwrap().remove("clusterIP");
    script.put(&format!("{services}/b"), headless).await;
});

case!(stateful_sets_get_what_is_not_said, script => {
    let sets = format!("{}?dryRun=All", script.at("apps/v1/statefulsets"));
    script.post(&sets, json!({ "metadata": { "name": "a" }, "spec": {
        "serviceName": "a", "selector": { "matchLabels": { "a": "b" } }, "template": template(),
        "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        } }],
    } })).await;
    script.post(&sets, json!({ "metadata": { "name": "a" }, "spec": {
        "serviceName": "a", "selector": { "matchLabels": { "a": "b" } }, "template": template(),
        "updateStrategy": { "type": "OnDelete" }, "podManagementPolicy": "Parallel", "replicas": 0,
    } })).await;
    script.ask_roughly(Method::POST, &sets, "application/json", json!({ "metadata": { "name": "a" }, "spec": {
        "serviceName": "a", "selector": { "matchLabels": { "c": "d" } }, "template": template(),
    } })).await;
    script.ask_roughly(Method::POST, &sets, "application/json", json!({ "metadata": { "name": "a" }, "spec": {
        "serviceName": "a", "template": template(),
    } })).await;
});

case!(most_of_a_stateful_set_stays, script => {
    let sets = script.at("apps/v1/statefulsets");
    script.prepare(Method::POST, &sets, json!({ "metadata": { "name": "a" }, "spec": {
        "replicas": 0, "serviceName": "a", "selector": { "matchLabels": { "a": "b" } }, "template": template(),
    } })).await;
    script.ask(Method::PATCH, &format!("{sets}/a"), "application/merge-patch+json", json!({ "spec": { "serviceName": "b" } })).await;
    script.ask(Method::PATCH, &format!("{sets}/a"), "application/merge-patch+json", json!({ "spec": { "podManagementPolicy": "Parallel" } })).await;
    script.ask_roughly(Method::PATCH, &format!("{sets}/a"), "application/merge-patch+json", json!({ "spec": { "selector": { "matchLabels": { "a": null, "c": "d" } } } })).await;
    script.ask_roughly(Method::PATCH, &format!("{sets}/a"), "application/merge-patch+json", json!({ "spec": { "volumeClaimTemplates": [{ "metadata": { "name": "x" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }] } })).await;
    script.ask_roughly(Method::PATCH, &format!("{sets}/a"), "application/merge-patch+json", json!({ "spec": { "replicas": 0, "minReadySeconds": 5 } })).await;
});

case!(deployments_and_jobs_get_what_is_not_said, script => {
    let deployments = format!("{}?dryRun=All", script.at("apps/v1/deployments"));
    script.post(&deployments, json!({ "metadata": { "name": "a" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } }, "template": template(),
    } })).await;
    let jobs = format!("{}?dryRun=All", script.at("batch/v1/cronjobs"));
    let mut once = template();
    once["spec"]["restartPolicy"] = json!("Never");
    script.post(&jobs, json!({ "metadata": { "name": "a" }, "spec": {
        "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": once } },
    } })).await;
});

case!(claims_and_policies_get_what_is_not_said, script => {
    let claims = format!("{}?dryRun=All", script.at("v1/persistentvolumeclaims"));
    script.post(&claims, json!({ "metadata": { "name": "a" }, "spec": {
        "storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    } })).await;
    let budgets = format!("{}?dryRun=All", script.at("policy/v1/poddisruptionbudgets"));
    script.post(&budgets, json!({ "metadata": { "name": "a" }, "spec": {
        "maxUnavailable": 1, "selector": { "matchLabels": { "a": "b" } },
    } })).await;
    script.ask_roughly(Method::POST, &budgets, "application/json", json!({ "metadata": { "name": "a" }, "spec": {
        "maxUnavailable": 1, "minAvailable": 1,
    } })).await;
    let policies = format!("{}?dryRun=All", script.at("networking.k8s.io/v1/networkpolicies"));
    script.post(&policies, json!({ "metadata": { "name": "a" }, "spec": {
        "podSelector": { "matchLabels": { "a": "b" } }, "ingress": [{ "ports": [{ "port": 6379 }] }],
    } })).await;
});

case!(a_lease_is_written_as_it_is, script => {
    let leases = script.at("coordination.k8s.io/v1/leases");
    let first = script.post(&leases, json!({ "metadata": { "name": "a" }, "spec": {
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z",
    } })).await;
    let mut next = first.clone();
    next["spec"]["renewTime"] = json!("2026-01-01T00:00:05.000000Z");
    script.put(&format!("{leases}/a"), next.clone()).await;
    script.put(&format!("{leases}/a"), next).await;
});

case!(a_claim_cannot_change_what_it_claims, script => {
    let claims = script.at("v1/persistentvolumeclaims");
    script.prepare(Method::POST, &claims, json!({ "metadata": { "name": "a" }, "spec": {
        "storageClassName": "nobodys", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    } })).await;
    let patch = "application/merge-patch+json";
    script.ask_roughly(Method::PATCH, &format!("{claims}/a"), patch, json!({ "spec": { "accessModes": ["ReadWriteMany"] } })).await;
    script.ask_roughly(Method::PATCH, &format!("{claims}/a"), patch, json!({ "spec": { "resources": { "requests": { "storage": "2Gi" } } } })).await;
});
