//! The host comes, goes and comes back.

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, alone},
    kubectl::{check, eventually},
    redis::{Redis, manifest},
};

const MANY: usize = 10;

#[test]
fn a_host_killed_while_ten_resources_are_made_finishes_all_of_them() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-killed");
    let names: Vec<String> = (0..MANY).map(|n| format!("many-{n}")).collect();
    let all: Vec<String> = names.iter().map(|name| manifest(name, &json!({ "replicas": 0 }))).collect();
    let apply = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
    cluster.kubectl.try_feed(&apply, &all.join("\n---\n")).unwrap();
    let pods = ["-n", HOST_NAMESPACE, "-l", "app.kubernetes.io/name=operlet"];
    let kill = ["delete", "pods", pods[0], pods[1], pods[2], pods[3], "--grace-period=0", "--force"];
    cluster.kubectl.run(&kill);
    for name in &names {
        Redis { namespace: &namespace, name }.is_running(1);
    }
}

/// What identifies the objects of a namespace and tells whether any was written.
fn versions(cluster: &Cluster, namespace: &str) -> Vec<(String, Value, Value)> {
    let kinds = "redises,statefulsets,services,configmaps,secrets,poddisruptionbudgets,pods";
    let found = cluster.kubectl.list(namespace, kinds, "operlet.dev/owner");
    let mut versions: Vec<_> = found
        .into_iter()
        .map(|object| {
            let name = format!("{}/{}", object["kind"], object["metadata"]["name"]);
            (name, object["metadata"]["uid"].clone(), object["metadata"]["resourceVersion"].clone())
        })
        .collect();
    versions.sort_by(|left, right| left.0.cmp(&right.0));
    versions
}

fn host_restarts_into(cluster: &Cluster, change: &[&str]) {
    cluster.kubectl.run(change);
    let rollout = ["rollout", "status", "-n", HOST_NAMESPACE, "deployment/operlet", "--timeout=120s"];
    cluster.kubectl.run(&rollout);
    cluster.operlet_is_ready("redis");
}

#[test]
fn without_host_and_operlet_all_goes_on_serving_and_a_new_host_adopts_it() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-uninstall");
    let redis = Redis::apply(&namespace, "serving", &json!({ "replicas": 1 }));
    redis.is_running(2);
    redis.cli("serving", "SET kept yes");
    let before = versions(cluster, &namespace.name);
    assert!(before.len() >= 8, "{before:?}");

    cluster.kubectl.run(&["delete", "deployment", "operlet", "-n", HOST_NAMESPACE]);
    cluster.kubectl.run(&["delete", "operlet", "redis", "--timeout=60s"]);
    eventually("the host's copies go with the Operlet", || {
        let copies = cluster.kubectl.list(HOST_NAMESPACE, "configmaps", "operlet.dev/copy-of=redis");
        check(copies.is_empty(), format!("{} copies", copies.len()))
    });
    assert_eq!(redis.cli("serving", "GET kept"), "yes");
    assert_eq!(versions(cluster, &namespace.name), before, "nothing was touched");

    cluster.install_host();
    cluster.install_redis();
    redis.set(&json!({ "replicas": 1, "config": { "maxclients": "321" } }));
    redis.is_running(2);
    let after = versions(cluster, &namespace.name);
    let uids = |versions: &[(String, Value, Value)], kind: &str| {
        let of_kind = versions.iter().filter(|(name, ..)| name.contains(kind));
        of_kind.map(|(name, uid, _)| (name.clone(), uid.clone())).collect::<Vec<_>>()
    };
    for kind in ["StatefulSet", "Service", "Secret", "ConfigMap"] {
        assert_eq!(uids(&before, kind), uids(&after, kind), "the new host took over what was there");
    }
}

#[test]
fn a_new_host_writes_nothing_where_nothing_is_to_be_changed() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-upgrade");
    let redis = Redis::apply(&namespace, "steady", &json!({ "replicas": 1 }));
    redis.is_running(2);
    let before = versions(cluster, &namespace.name);
    let again = r#"{"spec":{"template":{"metadata":{"annotations":{"e2e/restarted":"yes"}}}}}"#;
    let patch = ["patch", "deployment", "operlet", "-n", HOST_NAMESPACE, "--type=merge", "-p", again];
    host_restarts_into(cluster, &patch);
    // A change goes through the new host, so it has looked at everything by then.
    let probe = Redis::apply(&namespace, "probe", &json!({ "replicas": 0 }));
    probe.is_running(1);
    let after: Vec<_> =
        versions(cluster, &namespace.name).into_iter().filter(|(name, ..)| !name.contains("probe")).collect();
    assert_eq!(after, before);
}
