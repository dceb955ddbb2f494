//! What it costs when nothing changes.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_lab::Component;
use serde_json::{Value, json};

use super::{
    THINGS, Thing,
    objects::{config_map, ensure, settle},
    things, things_alone, watching,
};
use crate::kubectl::{check, eventually};

const MANY: usize = 20;

const NOISE: Duration = Duration::from_secs(30);

fn ensuring(name: &str) -> Value {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "name": "p", "port": 80 }] },
    });
    settle(json!({ "intents": [ensure(config_map(name, "x")), ensure(service)] }))
}

#[test]
fn noise_and_lost_connections_cost_neither_calls_nor_writes() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-quiet");
    let names: Vec<String> = (0..MANY).map(|index| format!("quiet-{index:02}")).collect();
    let all: Vec<Thing<'_>> =
        names.iter().map(|name| Thing::apply(&namespace, name, ensuring(name))).collect();
    for thing in &all {
        thing.is_settled();
    }
    let calls = watching::is_quiet(cluster, THINGS.operlet);
    let mark = cluster.lab.audit_mark().unwrap();

    // Objects of the kinds that it watches, and that belong to nobody.
    let until = Instant::now() + NOISE;
    let mut round = 0;
    while Instant::now() < until {
        let mut noise = config_map(&format!("noise-{}", round % 5), &round.to_string());
        noise["metadata"]["namespace"] = json!(namespace.name);
        cluster.kubectl.apply(&noise.to_string());
        if round % 7 == 6 {
            let name = format!("noise-{}", round % 5);
            cluster.kubectl.run(&["delete", "configmap", &name, "-n", &namespace.name, "--ignore-not-found"]);
        }
        round += 1;
    }
    assert_eq!(watching::guest_calls(cluster, THINGS.operlet), calls, "noise causes no call");
    assert_eq!(watching::writes(&mark, &namespace.name), [""; 0], "nor a write");

    // Every connection is lost, and everything is listed again.
    cluster.lab.restart(Component::Apiserver).unwrap();
    eventually("the host is ready", || {
        cluster.kubectl.try_run(&[
            "rollout",
            "status",
            "-n",
            "operlet-system",
            "deployment/operlet",
            "--timeout=10s",
        ])
    });
    sleep(NOISE);
    assert_eq!(watching::guest_calls(cluster, THINGS.operlet), calls, "a resync causes no call");
    assert_eq!(watching::writes(&mark, &namespace.name), [""; 0], "nor a write");

    // All is alive: a change still comes through.
    all[0].set(settle(json!({ "intents": [ensure(config_map(&names[0], "changed"))] })));
    eventually("a change is made", || {
        let found = all[0].child("configmaps", &names[0]).ok_or("it is gone")?["data"]["value"].clone();
        check(found == "changed", found.to_string())
    });
}

#[test]
fn who_else_manages_a_field_is_nothing_to_the_component() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-managers");
    let thing = Thing::apply(&namespace, "shared", ensuring("shared"));
    thing.is_settled();
    let before = thing.is_quiet();
    let version = || thing.child("configmaps", "shared").unwrap()["metadata"]["resourceVersion"].clone();
    let (first, mark) = (version(), cluster.lab.audit_mark().unwrap());
    let arguments =
        ["apply", "--server-side", "--field-manager=somebody-else", "-n", &namespace.name, "-f", "-"];
    cluster.kubectl.try_feed(&arguments, &config_map("shared", "x").to_string()).unwrap();
    assert_ne!(version(), first, "the object has another version, of the same content");
    sleep(Duration::from_secs(4));
    assert_eq!(thing.calls().len(), before, "no call");
    assert_eq!(watching::writes(&mark, &namespace.name), [""; 0], "no write");

    // What matters is put right.
    cluster.kubectl.run(&[
        "patch",
        "configmap",
        "shared",
        "-n",
        &namespace.name,
        "-p",
        r#"{"data":{"value":"y"}}"#,
    ]);
    eventually("a change by hand is put right", || {
        let found = thing.child("configmaps", "shared").ok_or("it is gone")?["data"]["value"].clone();
        check(found == "x", found.to_string())
    });
}

#[test]
fn the_same_event_is_counted_and_not_repeated() {
    const TIMES: u64 = 5;
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-events");
    let event =
        json!({ "type": "Normal", "reason": "Told", "message": "the same each time", "action": "Tell" });
    let thing = Thing::apply(&namespace, "repeated", settle(json!({ "events": [event] })));
    for time in 0..TIMES {
        thing.note(&time.to_string());
        thing.is_settled();
    }
    eventually("one event stands for all", || {
        let found =
            cluster.kubectl.run(&["get", "events.v1.events.k8s.io", "-n", &namespace.name, "-o", "json"]);
        let found: Value = serde_json::from_str(&found).unwrap();
        let items = found["items"].as_array().unwrap();
        let told: Vec<&Value> = items.iter().filter(|event| event["reason"] == "Told").collect();
        let [one] = told[..] else { return Err(format!("{} events", told.len())) };
        check(one["regarding"]["name"] == "repeated", one.to_string())?;
        let count = one["series"]["count"].as_u64().or(one["deprecatedCount"].as_u64()).unwrap_or(1);
        check(count >= TIMES, format!("counted {count} times: {one}"))
    });
}
