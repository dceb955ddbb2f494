//! Probes: what is asked again and again without a call.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    THINGS, Thing,
    objects::ensure,
    server::{exchange, stateful_set},
    things, things_alone, watching,
};
use crate::{
    cluster::Cluster,
    kubectl::{check, eventually},
};

/// From the death of a process until it is told; far above what is measured.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

const STILL: Duration = Duration::from_secs(10);

fn probing(server: &str, with_probe: bool) -> Value {
    let ping = json!([{ "send": "PING\r\n" }]);
    let hello = json!([{ "send": "CLIENT SETNAME probe\r\n", "expect": ["+OK"] }]);
    let probe = json!({ "id": "ping", "everyMs": 300, "opening": hello, "exchange": exchange(server, ping) });
    json!([{ "settle": {
        "intents": [ensure(stateful_set(server, &[], None))], "rememberProbes": true,
        "probes": if with_probe { json!([probe]) } else { json!([]) },
    } }])
}

fn history(thing: &Thing<'_>) -> Vec<String> {
    let status = thing.status();
    let list = status["probeHistory"].as_array().cloned().unwrap_or_default();
    list.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect()
}

fn answers(thing: &Thing<'_>) {
    thing.is_shown("the probe", "/probes/ping", &json!({ "case": "replies", "replies": ["+PONG\r\n"] }));
}

/// Ends the server's process in a pod as the kernel would for want of memory: by
/// its number on the node, and no other process.
fn kill(cluster: &Cluster, thing: &Thing<'_>, pod: &str) {
    let found = thing.child("pods", pod).unwrap();
    let (uid, node) =
        (found["metadata"]["uid"].as_str().unwrap(), found["spec"]["nodeName"].as_str().unwrap());
    let node: u8 = node.trim_start_matches("node").parse().unwrap();
    let script = format!(
        "for p in /proc/[0-9]*; do \
           if grep -q '^redis-server' $p/comm 2>/dev/null && grep -q '{uid}' $p/cgroup 2>/dev/null; then \
             kill -9 ${{p#/proc/}} && echo killed; \
           fi; \
         done"
    );
    let told = cluster.lab.exec_in_node(node, &["sh", "-c", &script]).unwrap();
    assert!(told.contains("killed"), "there is a server in {pod} on node {node}: {told:?}");
}

#[test]
fn a_dead_process_is_told_within_seconds() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-probe");
    let thing = Thing::apply(&namespace, "watchful", probing("r", true));
    answers(&thing);
    thing.is_settled();
    assert_eq!(
        thing.redis("r-0", &["CLIENT", "LIST"]).matches("name=probe").count(),
        1,
        "one connection is kept"
    );
    let before = history(&thing);

    kill(cluster, &thing, "r-0");
    let killed = Instant::now();
    let told = eventually("the probe tells of it", || {
        let history = history(&thing);
        let new = history.get(before.len()).cloned();
        new.ok_or(format!("{history:?}"))
    });
    let took = killed.elapsed();
    println!("a dead process was told as {told:?} after {took:?}");
    assert!(took < TOLD_WITHIN, "{took:?}");
    assert!(["ping: reset", "ping: refused"].contains(&told.as_str()), "{told}");
    // It is started again, and the probe finds it by itself.
    answers(&thing);
}

#[test]
fn a_probe_that_is_not_listed_any_more_ends() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unprobed");
    let thing = Thing::apply(&namespace, "content", probing("r", true));
    answers(&thing);
    thing.set(probing("r", false));
    let status = thing.is_settled();
    assert_eq!(status["seen"]["probes"].get("ping"), None, "{status}");
    eventually("its connection is closed", || {
        let clients = thing.redis("r-0", &["CLIENT", "LIST"]);
        check(!clients.contains("name=probe"), clients)
    });
}

#[test]
fn while_the_answer_stays_the_same_nothing_is_called_or_written() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-steady");
    let thing = Thing::apply(&namespace, "steady", probing("r", true));
    answers(&thing);
    thing.is_settled();
    let calls = watching::is_quiet(cluster, THINGS.operlet);
    let asked = |thing: &Thing<'_>| {
        let info = thing.redis("r-0", &["INFO", "commandstats"]);
        let line =
            info.lines().find_map(|line| line.strip_prefix("cmdstat_ping:calls=")).unwrap_or("0,").to_owned();
        line.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let (mark, before) = (cluster.lab.audit_mark().unwrap(), asked(&thing));
    sleep(STILL);
    let probed = asked(&thing) - before;
    assert!(probed > 10, "the probe goes on: {probed} times in {STILL:?}");
    assert_eq!(watching::guest_calls(cluster, THINGS.operlet), calls, "no call");
    assert_eq!(watching::writes(&mark, &namespace.name), [""; 0], "no write");
}

#[test]
fn a_port_that_is_no_longer_granted_is_no_longer_spoken_to() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-probe-port");
    let thing = Thing::apply(&namespace, "revoked", probing("r", true));
    answers(&thing);
    THINGS.patch_spec(cluster, &json!({ "dial": [{ "port": 7000 }] }));
    thing.is_shown("the denial", "/probes/ping/case", &json!("denied"));
    let clients = thing.redis("r-0", &["CLIENT", "LIST"]);
    THINGS.patch_spec(cluster, &json!({ "dial": [{ "port": 6379 }, { "port": 7000 }] }));
    assert!(!clients.contains("name=probe"), "the connection was kept: {clients}");
    answers(&thing);
}
