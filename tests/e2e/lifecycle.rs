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
