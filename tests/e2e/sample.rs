//! What a new user does first.

use crate::{
    cluster::shared,
    kubectl::{check, eventually},
    redis::Redis,
};

#[test]
fn the_sample_becomes_a_primary_with_two_replicas_that_serve() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-sample");
    let folder = crate::cluster::root().join("deploy/samples");
    let folder = folder.to_str().unwrap();
    cluster.kubectl.run(&["apply", "--server-side", "-n", &namespace.name, "-k", folder]);
    let redis = Redis { namespace: &namespace, name: "sample" };
    redis.is_running(3);
    assert_eq!(redis.cli("sample", "SET greeting hello"), "OK");
    assert_eq!(redis.cli("sample", "WAIT 2 5000"), "2");
    redis.every_replica_has("greeting", "hello", 2);

    let table = cluster.kubectl.run(&["get", "rd", "-n", &namespace.name]);
    println!("{table}");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["NAME", "PHASE", "PRIMARY", "READY", "VERSION", "AGE"]);
    assert_eq!(lines.next().unwrap()[..5], ["sample", "Running", "sample-0", "3/3", "8.0"]);
}

#[test]
fn an_application_finds_all_it_needs_in_the_secret() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-secret");
    let redis = Redis::apply(&namespace, "app", &serde_json::json!({ "replicas": 0 }));
    redis.is_running(1);
    let secret = redis.child("secrets", "app-auth").expect("there is a Secret");
    let keys: Vec<_> = secret["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["host", "password", "port", "uri", "username"]);
    let script = "redis-cli -u \"$(cat /etc/redis-auth/uri)\" --no-auth-warning PING";
    let uri = cluster.kubectl.run(&[
        "get",
        "secret",
        "app-auth",
        "-n",
        &namespace.name,
        "-o",
        "jsonpath={.data.uri}",
    ]);
    let script = script.replace("$(cat /etc/redis-auth/uri)", &format!("$(echo {uri} | base64 -d)"));
    let exec = ["exec", "-n", &namespace.name, "app-0", "-c", "redis", "--", "sh", "-c", &script];
    assert_eq!(cluster.kubectl.run(&exec).trim(), "PONG");
}

#[test]
fn every_supported_server_runs_and_replicates() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-versions");
    for version in ["7.0", "valkey-8.1"] {
        let name = version.replace('.', "-");
        let name = format!("v-{name}");
        let redis =
            Redis::apply(&namespace, &name, &serde_json::json!({ "version": version, "replicas": 1 }));
        redis.is_running(2);
        let valkey = version.starts_with("valkey");
        let client = if valkey { "valkey-cli" } else { "redis-cli" };
        let script = format!(
            "export REDISCLI_AUTH=$(cat /etc/redis-auth/password); {client} -h {name} <<'END'\nSET a b\nWAIT 1 5000\nEND\n"
        );
        let pod = format!("{name}-0");
        let exec = ["exec", "-n", &namespace.name, &pod, "-c", "redis", "--", "sh", "-c", &script];
        // The nodes learn of the Service's pod a moment after the pod is ready.
        eventually(&format!("{name} takes writes and has them replicated"), || {
            let told = cluster.kubectl.try_run(&exec)?;
            check(told.split_whitespace().eq(["OK", "1"]), told)
        });
    }
}
