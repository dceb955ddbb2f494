//! Questions for objects, and what follows from their answers.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    Thing,
    objects::{config_map, get},
    things, watching,
};

fn secret(namespace: &str, name: &str, value: &str) -> String {
    let metadata = json!({ "name": name, "namespace": namespace });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "value": value } })
        .to_string()
}

fn labelled(namespace: &str, name: &str) -> String {
    let mut object = config_map(name, "x");
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["labels"] = json!({ "wanted": "yes" });
    object.to_string()
}

fn asking(questions: Value) -> Value {
    json!([{ "ask": questions }, { "settle": {} }])
}

#[test]
fn questions_of_one_round_are_answered_side_by_side() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-questions");
    cluster.kubectl.apply(&secret(&namespace.name, "password", "v1"));
    cluster.kubectl.apply(&labelled(&namespace.name, "one"));
    cluster.kubectl.apply(&labelled(&namespace.name, "two"));
    let list = json!({ "apiVersion": "v1", "kind": "ConfigMap", "selector": "wanted=yes" });
    let mut elsewhere = get("elsewhere", "v1", "Secret", "password");
    elsewhere["get"]["namespace"] = json!("kube-system");
    let thing = Thing::apply(
        &namespace,
        "curious",
        asking(json!([
            get("password", "v1", "Secret", "password"),
            get("missing", "v1", "Secret", "missing"),
            get("undeclared", "batch/v1", "Job", "job"),
            elsewhere,
            { "id": "wanted", "list": list },
        ])),
    );
    let answers = thing.is_settled()["seen"]["answers"].clone();
    assert_eq!(answers["password"]["data"], json!({ "value": "djE=" }), "{answers}");
    assert_eq!(answers["missing"]["case"], "none", "{answers}");
    assert_eq!(answers["wanted"]["names"], json!(["one", "two"]), "{answers}");
    for id in ["undeclared", "elsewhere"] {
        assert_eq!(answers[id]["case"], "denied", "{id}: {answers}");
        assert!(answers[id]["reason"].as_str().unwrap().len() > 20, "{id} is denied in words: {answers}");
    }
    assert!(answers["undeclared"]["reason"].as_str().unwrap().contains("manifest"), "{answers}");
    let first = thing.calls();
    assert_eq!(first.iter().filter(|call| call.round == 0).map(|call| call.answers.len()).max(), Some(0));
    assert_eq!(first.iter().map(|call| call.answers.len()).max(), Some(5), "one round brings all: {first:?}");
}

#[test]
fn a_change_of_what_was_read_wakes_the_resource_and_no_other_change_does() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-woken");
    let kubectl = &cluster.kubectl;
    kubectl.apply(&secret(&namespace.name, "password", "v1"));
    kubectl.apply(&secret(&namespace.name, "unrelated", "v1"));
    let list = json!({ "apiVersion": "v1", "kind": "ConfigMap", "selector": "wanted=yes" });
    let thing = Thing::apply(
        &namespace,
        "woken",
        asking(json!([
            get("password", "v1", "Secret", "password"),
            get("later", "v1", "Secret", "later"),
            { "id": "wanted", "list": list },
        ])),
    );
    thing.is_settled();
    thing.is_shown("the first password", "/answers/password/data/value", &json!("djE="));

    kubectl.apply(&secret(&namespace.name, "password", "v2"));
    thing.is_shown("the changed password", "/answers/password/data/value", &json!("djI="));
    kubectl.apply(&secret(&namespace.name, "later", "v1"));
    thing.is_shown("what came later", "/answers/later/case", &json!("object"));
    kubectl.apply(&labelled(&namespace.name, "one"));
    thing.is_shown("one of the list", "/answers/wanted/names", &json!(["one"]));
    kubectl.run(&["delete", "configmap", "one", "-n", &namespace.name]);
    thing.is_shown("none of the list", "/answers/wanted/names", &json!([]));
    kubectl.run(&["delete", "secret", "password", "-n", &namespace.name]);
    thing.is_shown("that the password is gone", "/answers/password/case", &json!("none"));

    let before = thing.is_quiet();
    let mark = cluster.lab.audit_mark().unwrap();
    for round in 0..5 {
        kubectl.apply(&secret(&namespace.name, "unrelated", &format!("changed {round}")));
    }
    sleep(Duration::from_secs(4));
    assert_eq!(thing.calls().len(), before, "an unrelated Secret causes no call");
    assert_eq!(watching::writes(&mark, &namespace.name), [""; 0], "nor a write");
}

/// What was asked for in an earlier script is watched no more.
#[test]
fn what_is_no_longer_read_does_not_wake_the_resource() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unread");
    cluster.kubectl.apply(&secret(&namespace.name, "password", "v1"));
    let thing =
        Thing::apply(&namespace, "fickle", asking(json!([get("password", "v1", "Secret", "password")])));
    thing.is_settled();
    thing.set(json!([{ "settle": {} }]));
    thing.is_settled();
    let before = thing.is_quiet();
    cluster.kubectl.apply(&secret(&namespace.name, "password", "v2"));
    sleep(Duration::from_secs(4));
    assert_eq!(thing.calls().len(), before);
}

#[test]
fn what_is_frozen_in_a_reconcile_is_the_same_in_all_its_rounds() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-frozen");
    let question = |id: &str| get(id, "v1", "Secret", "missing");
    let thing = Thing::apply(
        &namespace,
        "frozen",
        json!([{ "ask": [question("one")] }, { "ask": [question("two")] }, { "ask": [question("three")] }, { "settle": {} }]),
    );
    let status = thing.is_settled();
    assert_eq!(status["seen"]["round"], 3, "{status}");
    let calls = thing.calls();
    let last = calls.iter().rfind(|call| call.round == 3).unwrap_or_else(|| panic!("{calls:?}"));
    let rounds: Vec<u32> = calls.iter().filter(|call| call.now == last.now).map(|call| call.round).collect();
    assert_eq!(rounds, [0, 1, 2, 3], "one reconcile has one time: {calls:?}");
}

#[test]
fn reads_are_made_as_the_operlets_account() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-readers");
    cluster.kubectl.apply(&secret(&namespace.name, "password", "v1"));
    let mark = cluster.lab.audit_mark().unwrap();
    let thing =
        Thing::apply(&namespace, "reader", asking(json!([get("password", "v1", "Secret", "password")])));
    thing.is_settled();
    let requests = watching::requests(&mark, &namespace.name);
    let reads: Vec<_> = requests.iter().filter(|entry| entry.resource() == "secrets").collect();
    assert!(!reads.is_empty(), "the audit log shows the host's reads: {requests:?}");
    for read in reads {
        assert_eq!(read.impersonated(), Some(thing.scripted.account().as_str()), "{read}");
    }
}
