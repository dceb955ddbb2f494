//! Resources that are wrong.

use serde_json::{Value, json};

use crate::{cluster::shared, redis};

#[test]
fn a_wrong_redis_is_refused_at_admission_in_words_a_person_understands() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-rejected");
    let apply = |spec: &Value| {
        let arguments = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
        cluster.kubectl.try_feed(&arguments, &redis::manifest("wrong", spec))
    };
    let refused = |spec: Value, words: &[&str]| {
        let error = apply(&spec).expect_err("it should be refused");
        println!("{error}");
        for word in words {
            assert!(error.contains(word), "{word:?} is missing in: {error}");
        }
    };
    refused(json!({ "replicas": -1 }), &["spec.replicas", "greater than or equal to 0"]);
    refused(json!({ "replicas": 99 }), &["spec.replicas", "less than or equal to 8"]);
    refused(json!({ "image": "a", "version": "8.0" }), &["image", "version", "not both"]);
    for key in ["port", "bind", "dir", "replicaof", "requirepass", "tls-port"] {
        refused(json!({ "config": { key: "x" } }), &["spec.config", "operator"]);
    }
    assert!(cluster.kubectl.get(&namespace.name, "redises", "wrong").is_none());
}

#[test]
fn a_volume_neither_shrinks_nor_comes_nor_goes() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-shrinking");
    let redis =
        redis::Redis::apply(&namespace, "stored", &json!({ "replicas": 0, "storage": { "size": "64Mi" } }));
    redis.is_running(1);
    let before = redis.child("statefulsets", "stored").unwrap()["metadata"]["generation"].clone();
    for (spec, words) in [
        (json!({ "replicas": 0, "storage": { "size": "32Mi" } }), "shrink"),
        (json!({ "replicas": 0 }), "storage"),
    ] {
        let arguments = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
        let error = cluster.kubectl.try_feed(&arguments, &redis::manifest("stored", &spec)).unwrap_err();
        println!("{error}");
        assert!(error.contains(words), "{error}");
    }
    let after = redis.child("statefulsets", "stored").unwrap()["metadata"]["generation"].clone();
    assert_eq!(before, after, "nothing changed");
}
