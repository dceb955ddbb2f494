//! What must be on record before anything follows from it.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    Call, Thing,
    objects::{ensure, settle},
    server, things,
};
use crate::kubectl::{check, eventually};

fn ready(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}

#[test]
fn a_checkpoint_is_on_record_whatever_comes_after_it_and_conditions_stay() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-checkpoint");
    let condition = json!({ "type": "Ready", "status": "True", "reason": "Up", "message": "as it was" });
    let thing = Thing::apply(&namespace, "recorded", settle(json!({ "conditions": [condition] })));
    let before = ready(&thing.is_settled());
    assert_eq!(before["status"], "True");

    thing.set(json!([{ "checkpoint": { "step": "promote" } }, { "fail": { "bug": "nothing comes of it" } }]));
    thing.is_told("ComponentBug", &["nothing comes of it"]);
    let status = thing.status();
    assert_eq!(status["step"], "promote", "{status}");
    assert_eq!(ready(&status), before, "conditions stay as they were: {status}");
    assert!(status.get("seen").is_none(), "a checkpoint is the whole status: {status}");
    assert_eq!(status["stateVersion"], 1, "{status}");

    // With the same on record, the next reconcile does not write it again.
    thing.set(json!([
        { "checkpoint": { "step": "promote" } },
        { "settle": { "keepStatus": true, "show": ["/status/step"] } },
    ]));
    let status = thing.is_settled();
    assert_eq!((&status["step"], &status["seen"]["round"]), (&json!("promote"), &json!(0)), "{status}");
}

#[test]
fn the_round_after_a_checkpoint_sees_the_status_with_it() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-checkpointed");
    let thing = Thing::apply(
        &namespace,
        "shown",
        json!([
            { "checkpoint": { "step": "one" } },
            { "settle": { "keepStatus": true, "show": ["/status/step"] } },
        ]),
    );
    let status = thing.is_settled();
    assert_eq!(status["seen"]["shown"], json!({ "/status/step": "one" }), "{status}");
    let calls = thing.calls();
    let first: Vec<u32> =
        calls.iter().filter(|call| call.now == calls[0].now).map(|call| call.round).collect();
    assert_eq!(first, [0, 1], "{calls:?}");
}

/// While an exchange takes its time, somebody else writes to the status: what the
/// component decided from is no more.
#[test]
fn a_status_that_somebody_else_changed_makes_the_reconcile_start_over() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-overtaken");
    let server = ensure(server::stateful_set("slow", &[], None));
    let thing = Thing::apply(&namespace, "overtaken", settle(json!({ "intents": [server] })));
    thing.pod_is_ready("slow-0");
    thing.is_settled();
    thing.is_quiet();
    let known = thing.calls().len();

    let mut exchange = server::exchange("slow", json!([{ "send": "BLPOP nothing 4\r\n" }]));
    exchange["timeoutMs"] = json!(6000);
    thing.set(json!([
        { "ask": [server::ask("slow", exchange)] },
        { "checkpoint": { "step": "one" } },
        { "settle": { "keepStatus": true, "intents": [server] } },
    ]));
    eventually("the slow question is asked", || check(thing.calls().len() > known, "no call yet"));
    sleep(Duration::from_millis(500));
    thing.patch_status(json!({ "foreign": "yes" }));

    let status = thing.is_settled();
    assert_eq!((&status["step"], &status["foreign"]), (&json!("one"), &json!("yes")), "{status}");
    let calls: Vec<Call> = thing.calls().split_off(known);
    let of_first: Vec<u32> =
        calls.iter().filter(|call| call.now == calls[0].now).map(|call| call.round).collect();
    assert_eq!(of_first, [0, 1], "the first reconcile ends with the checkpoint: {calls:?}");
    assert!(
        calls.iter().any(|call| call.now != calls[0].now && call.round == 2),
        "another one ends well: {calls:?}"
    );
}
