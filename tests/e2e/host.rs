//! The host comes, goes and comes back.

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, alone},
    redis::Redis,
};

const MANY: usize = 10;

#[test]
fn a_host_killed_while_ten_resources_are_made_finishes_all_of_them() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-killed");
    let names: Vec<String> = (0..MANY).map(|n| format!("many-{n}")).collect();
    for (made, name) in names.iter().enumerate() {
        Redis::apply(&namespace, name, &json!({ "replicas": 0 }));
        if made == MANY / 2 {
            let pods = ["delete", "pods", "-n", HOST_NAMESPACE, "-l", "app.kubernetes.io/name=operlet"];
            cluster.kubectl.run(&[&pods[..], &["--grace-period=0", "--force"]].concat());
        }
    }
    let sets = cluster.kubectl.list(&namespace.name, "statefulsets", "operlet.dev/owner").len();
    assert!(sets < MANY, "the host was killed too late: it had finished");
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

    // As docs/operations.md says.
    for folder in ["deploy/host", "deploy/redis"] {
        let path = crate::cluster::root().join(folder);
        let path = path.to_str().unwrap();
        cluster.kubectl.run(&["delete", "-k", path, "--ignore-not-found", "--timeout=120s"]);
    }
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
    let image =
        format!("operlet={}", std::env::var("OPERLET_NEXT_IMAGE").expect("`cargo xtask test lab` sets it"));
    host_restarts_into(cluster, &["set", "image", "-n", HOST_NAMESPACE, "deployment/operlet", &image]);
    // A change goes through the new host, so it has looked at everything by then.
    let probe = Redis::apply(&namespace, "probe", &json!({ "replicas": 0 }));
    probe.is_running(1);
    let after: Vec<_> =
        versions(cluster, &namespace.name).into_iter().filter(|(name, ..)| !name.contains("probe")).collect();
    assert_eq!(after, before);
    cluster.install_host();
}
