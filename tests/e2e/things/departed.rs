//! Objects that went.

use serde_json::{Value, json};

use super::{
    Thing,
    objects::{config_map, ensure, settle},
    server::stateful_set,
    things,
};
use crate::kubectl::{check, eventually};

const MANY: usize = 40;

#[test]
fn everything_that_went_at_once_is_told() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-departed");
    let names: Vec<String> = (0..MANY).map(|index| format!("gone-{index:02}")).collect();
    let intents: Vec<Value> = names.iter().map(|name| ensure(config_map(name, "x"))).collect();
    let thing =
        Thing::apply(&namespace, "bereft", settle(json!({ "intents": intents, "rememberDeparted": true })));
    assert_eq!(thing.is_settled()["remembered"], json!([]));
    let before = thing.uid_of("configmaps", "gone-00");

    let all = ["delete", "configmaps", "-n", &namespace.name, "-l", "operlet.dev/owner", "--wait=false"];
    cluster.kubectl.run(&all);
    let wanted: Vec<String> = names.iter().map(|name| format!("ConfigMap/{name}")).collect();
    eventually("all of them are told", || {
        let status = thing.status();
        let told = status["remembered"].as_array().cloned().unwrap_or_default();
        check(
            status["remembered"] == json!(wanted),
            format!("{} of {MANY}: {}", told.len(), status["remembered"]),
        )
    });
    eventually("all of them are back", || {
        let there = cluster.kubectl.list(&namespace.name, "configmaps", "operlet.dev/owner").len();
        check(there == MANY, format!("{there} are there"))
    });
    assert_ne!(thing.uid_of("configmaps", "gone-00"), before);
    eventually("what was settled is forgotten", || {
        let departed = &thing.status()["seen"]["departed"];
        check(*departed == json!({}), departed.to_string())
    });
}

#[test]
fn a_pod_that_went_is_told_and_its_successor_is_not() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-departed-pod");
    let intents = json!([ensure(stateful_set("r", &[], None))]);
    let thing =
        Thing::apply(&namespace, "mourner", settle(json!({ "intents": intents, "rememberDeparted": true })));
    thing.pod_is_ready("r-0");
    let before = thing.uid_of("pods", "r-0");
    cluster.kubectl.run(&["delete", "pod", "r-0", "-n", &namespace.name, "--wait=false"]);
    eventually("it is told", || {
        let remembered = thing.status()["remembered"].clone();
        check(remembered == json!(["Pod/r-0"]), remembered.to_string())
    });
    thing.pod_is_ready("r-0");
    assert_ne!(thing.uid_of("pods", "r-0"), before);
    thing.is_settled();
    assert_eq!(thing.status()["remembered"], json!(["Pod/r-0"]), "once");
}
