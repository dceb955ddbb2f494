//! A component that gives itself reasons.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Thing,
    objects::{config_map, ensure, settle},
    things,
};
use crate::kubectl::{check, eventually};

/// Unbroken, it would be called some hundred times a second.
const CALLS_MAX: usize = 20;

const HONOURED_WITHIN: Duration = Duration::from_secs(30);

fn restless(name: &str) -> Value {
    settle(json!({ "intents": [ensure(config_map(name, "$now"))], "requeueAfterMs": 0 }))
}

#[test]
fn a_resource_that_changes_its_own_objects_for_ever_is_slowed_down() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-restless");
    let thing = Thing::apply(&namespace, "restless", restless("clock"));
    thing.is_told("SlowedDown", &[]);
    sleep(Duration::from_secs(10));
    let before = thing.calls().len();
    sleep(Duration::from_secs(10));
    let calls = thing.calls().len() - before;
    println!("{calls} calls in 10 s after {before} before");
    assert!(calls < CALLS_MAX, "{calls} calls in 10 s");

    let begun = Instant::now();
    thing.set(settle(json!({ "intents": [ensure(config_map("clock", "calm"))] })));
    eventually("an edit is honoured", || {
        let found = thing.child("configmaps", "clock").ok_or("it is gone")?["data"]["value"].clone();
        check(found == "calm", found.to_string())
    });
    let took = begun.elapsed();
    assert!(took < HONOURED_WITHIN, "an edit waited for {took:?}");
    thing.is_settled();
    let calm = thing.is_quiet();
    sleep(Duration::from_secs(3));
    assert_eq!(thing.calls().len(), calm, "it is calm");
}

/// No event is lost while it is slowed down: a child that goes meanwhile is told
/// and made again.
#[test]
fn what_happens_to_a_slow_resource_is_not_forgotten() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-slow");
    let intents = json!([ensure(config_map("clock", "$now")), ensure(config_map("steady", "x"))]);
    let script = json!({ "intents": intents, "requeueAfterMs": 0, "rememberDeparted": true });
    let thing = Thing::apply(&namespace, "slow", settle(script));
    thing.is_told("SlowedDown", &[]);
    cluster.kubectl.run(&["delete", "configmap", "steady", "-n", &namespace.name]);
    eventually("it is told and made again", || {
        let remembered = thing.status()["remembered"].clone();
        let back = thing.child("configmaps", "steady").is_some();
        check(back && remembered == json!(["ConfigMap/steady"]), format!("back: {back}, told: {remembered}"))
    });
}
