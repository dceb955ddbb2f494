//! The end of a Redis, and its return.

use serde_json::json;

use crate::{
    cluster::shared,
    kubectl::{check, eventually},
    redis::Redis,
};

#[test]
fn a_deleted_redis_leaves_its_claims_and_a_new_one_finds_its_data() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-claims");
    let spec = json!({ "replicas": 1, "storage": { "size": "64Mi" } });
    let redis = Redis::apply(&namespace, "kept", &spec);
    redis.is_running(2);
    redis.cli("kept", "SET kept across-deletion");
    assert_eq!(redis.cli("kept", "WAIT 1 5000"), "1");
    let old = redis.child("secrets", "kept-auth").unwrap();
    let claims = |count: usize| {
        let found = cluster.kubectl.run(&["get", "pvc", "-n", &namespace.name, "-o", "name"]);
        check(found.lines().count() == count, found)
    };
    claims(2).unwrap();
    cluster.kubectl.run(&["delete", "rd", "kept", "-n", &namespace.name]);
    redis.is_gone();
    claims(2).expect("claims are kept");

    redis.set(&spec);
    redis.is_running(2);
    assert_eq!(redis.cli("kept", "GET kept"), "across-deletion");
    let new = redis.child("secrets", "kept-auth").unwrap();
    assert_ne!(new["data"]["password"], old["data"]["password"]);
}

#[test]
fn a_redis_made_again_at_once_does_not_take_what_is_leaving() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-again");
    let spec = json!({ "replicas": 0 });
    let redis = Redis::apply(&namespace, "again", &spec);
    redis.is_running(1);
    let old = redis.child("secrets", "again-auth").unwrap();
    cluster.kubectl.run(&["delete", "rd", "again", "-n", &namespace.name, "--wait=false"]);
    eventually("the old one is gone", || {
        let uid = redis.get().map(|found| found["metadata"]["uid"].clone());
        check(uid.is_none(), "it is still there")
    });
    redis.set(&spec);
    redis.is_running(1);
    let new = redis.child("secrets", "again-auth").unwrap();
    assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
    let owner = redis.get().unwrap()["metadata"]["uid"].clone();
    assert_eq!(new["metadata"]["ownerReferences"][0]["uid"], owner);
}

#[test]
fn a_redis_that_hibernates_wakes_with_its_data() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-hibernation");
    let spec = |hibernated: bool| {
        json!({ "replicas": 2, "hibernated": hibernated, "storage": {
            "size": "64Mi", "retention": { "whenScaled": "Delete" },
        } })
    };
    let redis = Redis::apply(&namespace, "asleep", &spec(false));
    redis.is_running(3);
    redis.cli("asleep", "SET kept across-sleep");
    assert_eq!(redis.cli("asleep", "WAIT 2 5000"), "2");
    redis.set(&spec(true));
    eventually("it hibernates", || {
        let status = redis.get().ok_or("it is not there")?["status"].clone();
        check(status["phase"] == "Hibernated", status.to_string())?;
        let pods = redis.objects("pods").len();
        check(pods == 0, format!("{pods} pods"))
    });
    let claims = cluster.kubectl.run(&["get", "pvc", "-n", &namespace.name, "-o", "name"]);
    assert_eq!(claims.lines().count(), 3, "all claims outlive it: {claims}");
    redis.set(&spec(false));
    redis.is_running(3);
    assert_eq!(redis.cli("asleep", "GET kept"), "across-sleep");
    redis.every_replica_has("kept", "across-sleep", 2);
}

#[test]
fn a_redis_whose_status_is_lost_keeps_its_primary_and_its_data() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-forgotten");
    let redis = Redis::apply(&namespace, "forgotten", &json!({ "replicas": 2 }));
    redis.is_running(3);
    redis.cli("forgotten", "SET kept yes");
    let request = json!({ "replicas": 2, "switchover": { "target": "forgotten-2", "requestID": "1" } });
    redis.set(&request);
    let leads = || {
        let primary = redis.get().ok_or("it is not there")?["status"]["primary"]["pod"].clone();
        check(primary == "forgotten-2", primary.to_string())
    };
    eventually("forgotten-2 leads", leads);
    redis.is_running(3);
    let patch = r#"[{"op": "remove", "path": "/status"}]"#;
    let place = ["patch", "rd", "forgotten", "-n", &namespace.name, "--subresource=status"];
    cluster.kubectl.run(&[&place[..], &["--type=json", "-p", patch]].concat());
    eventually("forgotten-2 still leads", leads);
    redis.is_running(3);
    assert_eq!(redis.cli("forgotten", "GET kept"), "yes");
    redis.every_replica_has("kept", "yes", 2);
}

#[test]
fn claims_go_where_the_policy_says_so() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-policy");
    let spec =
        json!({ "replicas": 0, "storage": { "size": "64Mi", "retention": { "whenDeleted": "Delete" } } });
    let redis = Redis::apply(&namespace, "volatile", &spec);
    redis.is_running(1);
    cluster.kubectl.run(&["delete", "rd", "volatile", "-n", &namespace.name]);
    redis.is_gone();
    eventually("the claim is gone", || {
        let found = cluster.kubectl.run(&["get", "pvc", "-n", &namespace.name, "-o", "name"]);
        check(found.trim().is_empty(), found)
    });
}
