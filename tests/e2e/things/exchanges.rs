//! Exchanges with pods.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    Call, Thing,
    objects::{ensure, settle},
    server::{ask, exchange, stateful_set},
    things,
};
use crate::kubectl::{check, eventually};

/// A script with a server that is asked this, once it runs.
fn asking(server: &str, questions: Value) -> Value {
    json!([{ "ask": questions }, { "settle": { "intents": [ensure(stateful_set(server, &[], None))] } }])
}

fn ping() -> Value {
    json!([{ "send": "PING\r\n", "expect": ["+PONG"] }])
}

#[test]
fn a_pod_of_the_resource_answers() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-exchange");
    let bulk = json!([
        { "send": "ECHO hello\r\n", "until": { "delimiter": "hello\r\n" } },
        { "send": "PING\r\n", "until": { "length": 7 } },
        { "send": "QUIT\r\n", "until": "eof" },
    ]);
    let questions = json!([ask("ping", exchange("r", ping())), ask("bulk", exchange("r", bulk))]);
    let thing = Thing::apply(&namespace, "talker", asking("r", questions));
    thing.is_shown("the answer", "/answers/ping", &json!({ "case": "replies", "replies": ["+PONG\r\n"] }));
    let replies = json!(["$5\r\nhello\r\n", "+PONG\r\n", "+OK\r\n"]);
    thing.is_shown("all steps", "/answers/bulk", &json!({ "case": "replies", "replies": replies }));
    thing.is_settled();
}

#[test]
fn after_an_unexpected_reply_nothing_more_is_sent() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unexpected");
    let steps = json!([
        { "send": "SET before yes\r\n", "expect": ["+OK"] },
        { "send": "PING\r\n", "expect": ["+PONG", "and more"] },
        { "send": "SET after yes\r\n" },
    ]);
    let thing = Thing::apply(&namespace, "strict", asking("r", json!([ask("steps", exchange("r", steps))])));
    let unexpected = json!({ "case": "unexpected", "replies": ["+OK\r\n", "+PONG\r\n"], "rest": "" });
    thing.is_shown("the reply that was not expected", "/answers/steps", &unexpected);
    thing.is_settled();
    assert_eq!(thing.redis("r-0", &["GET", "before"]), "yes");
    assert_eq!(thing.redis("r-0", &["EXISTS", "after"]), "0");
}

#[test]
fn replies_that_do_not_come_or_are_too_long_end_the_exchange() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unanswered");
    let with = |steps: Value, field: &str, value: u32| {
        let mut exchange = exchange("r", steps);
        exchange[field] = json!(value);
        exchange
    };
    let silent = json!([{ "send": "PING\r\n" }, { "send": "BLPOP nothing 5\r\n" }]);
    let long = json!([{ "send": "INFO\r\n", "until": { "delimiter": "no such line" } }]);
    let questions = json!([
        ask("silent", with(silent, "timeoutMs", 700)),
        ask("long", with(long, "maxBytes", 200)),
        ask("closed", {
            let mut closed = exchange("r", ping());
            closed["port"] = json!(7000);
            closed
        }),
    ]);
    let thing = Thing::apply(&namespace, "patient", asking("r", questions));
    let timeout = json!({ "case": "timeout", "replies": ["+PONG\r\n"], "rest": "" });
    thing.is_shown("the timeout", "/answers/silent", &timeout);
    thing.is_shown("too much", "/answers/long/case", &json!("too-large"));
    thing.is_shown("that nobody listens", "/answers/closed/case", &json!("refused"));
}

#[test]
fn only_ports_that_manifest_and_operlet_allow_are_dialled() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-ports");
    let on = |port: u16| {
        let mut exchange = exchange("r", ping());
        exchange["port"] = json!(port);
        exchange
    };
    // The manifest names 7001, and the Operlet does not; 22 is in neither.
    let questions = json!([ask("manifest-only", on(7001)), ask("nowhere", on(22)), ask("fine", on(6379))]);
    let thing = Thing::apply(&namespace, "dialler", asking("r", questions));
    thing.is_shown("what is allowed", "/answers/fine/case", &json!("replies"));
    let answers = thing.status()["seen"]["answers"].clone();
    for (id, port) in [("manifest-only", "7001"), ("nowhere", "22")] {
        assert_eq!(answers[id]["case"], "denied", "{answers}");
        assert!(answers[id]["reason"].as_str().unwrap().contains(port), "{answers}");
    }
}

#[test]
fn only_pods_of_the_resource_are_dialled() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-strangers");
    let thing = Thing::apply(&namespace, "owner", asking("own", json!([])));
    thing.is_settled();
    let label = &thing.child("statefulsets", "own").unwrap()["metadata"]["labels"]["operlet.dev/owner"];
    // Two servers of nobody's; one carries the label of what belongs to the resource.
    for (name, labels) in [("stranger", json!({})), ("forger", json!({ "operlet.dev/owner": label }))] {
        let mut pod = stateful_set(name, &[], None)["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"] =
            json!({ "name": format!("{name}-0"), "namespace": namespace.name, "labels": labels });
        cluster.kubectl.apply(&pod.to_string());
    }
    for pod in ["stranger-0", "forger-0", "own-0"] {
        thing.pod_is_ready(pod);
    }
    let with = |server: &str, uid: String| {
        let mut exchange = exchange(server, json!([{ "send": "SET touched yes\r\n" }]));
        exchange["podUid"] = json!(uid);
        exchange
    };
    let wrong = "00000000-0000-0000-0000-000000000001".to_owned();
    let questions = json!([
        ask("stranger", with("stranger", thing.uid_of("pods", "stranger-0"))),
        ask("forger", with("forger", thing.uid_of("pods", "forger-0"))),
        ask("wrong-uid", with("own", wrong)),
        ask("own", with("own", thing.uid_of("pods", "own-0"))),
    ]);
    thing.set(asking("own", questions));
    thing.is_shown("its own pod", "/answers/own/case", &json!("replies"));
    let answers = thing.status()["seen"]["answers"].clone();
    assert_eq!(answers["wrong-uid"]["case"], "gone", "{answers}");
    for id in ["stranger", "forger"] {
        let case = answers[id]["case"].as_str().unwrap();
        assert!(["denied", "gone"].contains(&case), "{id}: {answers}");
        assert_eq!(thing.redis(&format!("{id}-0"), &["EXISTS", "touched"]), "0", "{id}: nothing was sent");
    }
}

#[test]
fn an_act_follows_from_what_is_on_record() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-act");
    let mut act = exchange("r", json!([{ "send": "SET acted yes\r\n", "expect": ["+OK"] }]));
    act["effect"] = json!("act");
    let server = ensure(stateful_set("r", &[], None));
    let thing = Thing::apply(
        &namespace,
        "actor",
        json!([
            { "checkpoint": { "intent": "act" } },
            { "ask": [ask("act", act)] },
            { "settle": { "keepStatus": true, "intents": [server] } },
        ]),
    );
    thing.is_shown("what it did", "/answers/act", &json!({ "case": "replies", "replies": ["+OK\r\n"] }));
    assert_eq!(thing.is_settled()["intent"], "act");
    assert_eq!(thing.redis("r-0", &["GET", "acted"]), "yes");
}

/// While a question takes its time, somebody else writes to the status: the act
/// that comes next follows from something that is no more.
#[test]
fn a_stale_act_is_not_sent() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-stale");
    let server = ensure(stateful_set("r", &[], None));
    let thing = Thing::apply(&namespace, "stale", settle(json!({ "intents": [server] })));
    thing.pod_is_ready("r-0");
    thing.is_settled();
    thing.is_quiet();
    let known = thing.calls().len();

    let mut slow = exchange("r", json!([{ "send": "BLPOP nothing 4\r\n" }]));
    slow["timeoutMs"] = json!(6000);
    // The time of its reconcile tells which of them acted.
    let mut act = exchange("r", json!([{ "send": "SET acted-$now yes\r\n" }]));
    act["effect"] = json!("act");
    thing.set(json!([
        { "ask": [ask("slow", slow)] },
        { "ask": [ask("act", act)] },
        { "settle": { "keepStatus": true, "intents": [server] } },
    ]));
    eventually("the slow question is asked", || check(thing.calls().len() > known, "no call yet"));
    sleep(Duration::from_millis(500));
    thing.patch_status(json!({ "foreign": "yes" }));

    let stale = eventually("the act is answered", || {
        let calls: Vec<Call> = thing.calls().split_off(known);
        let answered = |call: &&Call| call.answers.iter().any(|answer| answer.starts_with("act="));
        calls.iter().find(answered).cloned().ok_or(format!("{calls:?}"))
    });
    assert!(stale.answers.contains(&"act=stale".to_owned()), "{stale:?}");
    let of_stale = format!("acted-{}", stale.now);
    assert_eq!(thing.redis("r-0", &["EXISTS", &of_stale]), "0", "nothing was sent");
    thing.is_shown("the act, in another reconcile", "/answers/act/case", &json!("replies"));
    assert_eq!(thing.redis("r-0", &["EXISTS", &of_stale]), "0", "nor later");
}

#[test]
fn a_pod_on_the_nodes_network_is_not_dialled() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-host-network");
    // The restricted standard of the other namespaces would keep such a pod out.
    let standard = "pod-security.kubernetes.io/enforce=privileged";
    cluster.kubectl.run(&["label", "namespace", &namespace.name, standard, "--overwrite"]);
    let thing = Thing { namespace: &namespace, scripted: super::THINGS, name: "outsider" };
    // On a port that nothing else of a node has.
    let mut server = stateful_set("r", &["--port", "7000"], None);
    server["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    server["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["tcpSocket"]["port"] = json!(7000);
    let mut question = exchange("r", ping());
    question["port"] = json!(7000);
    let rounds = json!([
        { "ask": [ask("ping", question)] },
        { "settle": { "intents": [ensure(server)] } },
    ]);
    thing.set(rounds);
    thing.pod_is_ready("r-0");
    thing.is_shown("the denial", "/answers/ping/case", &json!("denied"));
    let reason = thing.status()["seen"]["answers"]["ping"]["reason"].to_string();
    assert!(reason.contains("hostNetwork"), "{reason}");
    let commands = thing.redis_on("r-0", "7000", &["INFO", "commandstats"]);
    assert!(commands.contains("Commandstats") && !commands.contains("cmdstat_ping"), "{commands}");
}
