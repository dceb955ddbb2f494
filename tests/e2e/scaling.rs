//! Changes to a Redis that lives.

use serde_json::json;

use crate::{
    cluster::shared,
    kubectl::{check, eventually},
    redis::Redis,
};

#[test]
fn a_redis_is_scaled_up_and_down_and_to_nothing_and_back() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-scaling");
    let redis = Redis::apply(&namespace, "scaled", &json!({ "replicas": 2 }));
    redis.is_running(3);
    redis.cli("scaled", "SET kept yes");
    redis.set(&json!({ "replicas": 4 }));
    redis.is_running(5);
    redis.every_replica_has("kept", "yes", 4);
    cluster.kubectl.run(&["scale", "rd", "scaled", "-n", &namespace.name, "--replicas=2"]);
    redis.is_running(3);
    cluster.kubectl.run(&["scale", "rd", "scaled", "-n", &namespace.name, "--replicas=0"]);
    redis.is_running(1);
    assert_eq!(redis.child("poddisruptionbudgets", "scaled"), None, "a lone primary has no budget");
    cluster.kubectl.run(&["scale", "rd", "scaled", "-n", &namespace.name, "--replicas=2"]);
    redis.is_running(3);
    redis.every_replica_has("kept", "yes", 2);
}

#[test]
fn a_redis_has_up_to_eight_replicas() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-eight");
    let redis = Redis::apply(&namespace, "many", &json!({ "replicas": 8 }));
    redis.is_running(9);
    redis.cli("many", "SET kept yes");
    assert_eq!(redis.cli("many", "WAIT 8 5000"), "8");
    cluster.kubectl.run(&["delete", "pod", "many-0", "-n", &namespace.name, "--wait=false"]);
    eventually("another primary", || {
        let primary = redis.get().ok_or("it is not there")?["status"]["primary"]["pod"].clone();
        check(primary != "many-0", primary.to_string())
    });
    redis.is_running(9);
    assert_eq!(redis.cli("many", "GET kept"), "yes");
}

#[test]
fn volumes_grow_once_their_class_allows_it() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-growth");
    let class = |expands: bool| {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "e2e-growth" },
            "provisioner": "operlet.dev/lab", "allowVolumeExpansion": expands,
        });
        cluster.kubectl.apply(&class.to_string());
    };
    class(false);
    let spec = |size: &str, databases: &str| {
        json!({ "replicas": 1, "config": { "databases": databases }, "storage": {
            "size": size, "storageClassName": "e2e-growth", "retention": { "whenDeleted": "Delete" },
        } })
    };
    let redis = Redis::apply(&namespace, "grown", &spec("64Mi", "16"));
    redis.is_running(2);
    redis.set(&spec("128Mi", "17"));
    let told = |wanted: &str| {
        let status = redis.get().ok_or("it is not there")?["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let applied = conditions.iter().find(|condition| condition["type"] == "ConfigApplied");
        check(applied.is_some_and(|applied| applied["reason"] == wanted), status.to_string())
    };
    let databases = |pod: &str| {
        let found = redis.try_cli(pod, "127.0.0.1", "CONFIG GET databases")?;
        check(found.ends_with("17"), found)
    };
    eventually("it is said", || told("VolumesCannotGrow"));
    eventually("the rest is carried out", || {
        ["grown-0", "grown-1"].iter().try_for_each(|pod| databases(pod))
    });
    told("VolumesCannotGrow").unwrap();
    class(true);
    redis.is_running(2);
    for claim in redis.objects("persistentvolumeclaims") {
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "128Mi", "{claim}");
    }
    cluster.kubectl.run(&["delete", "storageclass", "e2e-growth"]);
}

#[test]
fn a_change_of_the_configuration_reaches_every_server() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-config");
    let spec = |value: &str| json!({ "replicas": 1, "config": { "maxclients": value } });
    let redis = Redis::apply(&namespace, "configured", &spec("200"));
    redis.is_running(2);
    redis.set(&spec("300"));
    eventually("both servers have it", || {
        for pod in ["configured-0", "configured-1"] {
            let found = redis.try_cli(pod, "127.0.0.1", "CONFIG GET maxclients")?;
            check(found.ends_with("300"), found)?;
        }
        Ok(())
    });
    redis.is_running(2);
}

#[test]
fn what_is_deleted_or_edited_by_hand_comes_back() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-repair");
    let redis = Redis::apply(&namespace, "repaired", &json!({ "replicas": 0 }));
    redis.is_running(1);
    let service = redis.child("services", "repaired").unwrap();
    cluster.kubectl.run(&["delete", "service", "repaired", "-n", &namespace.name]);
    let again = eventually("the Service is back", || {
        redis.child("services", "repaired").ok_or_else(|| "it is not there".to_owned())
    });
    assert_ne!(again["metadata"]["uid"], service["metadata"]["uid"]);
    let patch = r#"{"spec":{"selector":{"statefulset.kubernetes.io/pod-name":"nobody"}}}"#;
    cluster.kubectl.run(&[
        "patch",
        "service",
        "repaired",
        "-n",
        &namespace.name,
        "--type=merge",
        "-p",
        patch,
    ]);
    eventually("the edit is undone", || {
        let service = redis.child("services", "repaired").ok_or("it is not there")?;
        let selected = &service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"];
        check(selected == "repaired-0", selected.to_string())
    });
    cluster.kubectl.run(&["label", "service", "repaired", "-n", &namespace.name, "operlet.dev/owner-"]);
    eventually("the label is back", || {
        let service = redis.child("services", "repaired").ok_or("it is not there")?;
        let label = &service["metadata"]["labels"]["operlet.dev/owner"];
        check(label.is_string(), service["metadata"].to_string())
    });
    let password = || redis.child("secrets", "repaired-auth").unwrap()["data"]["password"].clone();
    let before = password();
    redis.set(&json!({ "replicas": 0, "config": { "maxclients": "111" } }));
    redis.is_running(1);
    assert_eq!(password(), before, "a generated password is never replaced");
}
