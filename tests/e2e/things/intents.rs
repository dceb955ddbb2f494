//! What the host does about one object.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    Thing,
    objects::{config_map, ensure, ensuring, remove, settle},
    server, things,
};
use crate::kubectl::{check, eventually};

/// Long enough for the host to do what it must not.
const MISCHIEF: Duration = Duration::from_secs(3);

fn value_of(thing: &Thing<'_>, name: &str) -> Option<Value> {
    thing.child("configmaps", name).map(|found| found["data"]["value"].clone())
}

#[test]
fn what_was_observed_at_an_older_version_is_not_written() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unchanged");
    let thing = Thing::apply(&namespace, "careful", ensuring(&[("guarded", "one")]));
    thing.is_settled();
    let observed = thing.child("configmaps", "guarded").unwrap()["metadata"].clone();
    cluster.kubectl.run(&["label", "configmap", "guarded", "-n", &namespace.name, "touched=yes"]);

    let guarded = |uid: &Value, version: &Value, value: &str| {
        let version = json!({ "uid": uid, "resourceVersion": version });
        settle(
            json!({ "intents": [{ "ensure": { "object": config_map("guarded", value), "ifUnchanged": version } }] }),
        )
    };
    let before = thing.is_quiet();
    thing.set(guarded(&observed["uid"], &observed["resourceVersion"], "two"));
    eventually("it is observed and asked anew", || {
        let calls = thing.calls().len() - before;
        check(calls >= 3, format!("{calls} calls"))
    });
    assert_eq!(value_of(&thing, "guarded"), Some(json!("one")), "nothing was written");

    cluster.kubectl.run(&["delete", "configmap", "guarded", "-n", &namespace.name]);
    sleep(MISCHIEF);
    assert_eq!(value_of(&thing, "guarded"), None, "what is gone is not made again");

    thing.set(ensuring(&[("guarded", "one")]));
    thing.is_settled();
    thing.set(guarded(&json!("$uid:ConfigMap/guarded"), &json!("$version:ConfigMap/guarded"), "two"));
    eventually("with the version that it has, it is written", || {
        let found = value_of(&thing, "guarded");
        check(found == Some(json!("two")), format!("{found:?}"))
    });
}

#[test]
fn what_is_created_is_never_updated() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-created");
    let create = |value: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "generated" }, "stringData": { "p": value },
        });
        settle(json!({ "intents": [{ "create": { "object": secret } }] }))
    };
    let thing = Thing::apply(&namespace, "creator", create("first"));
    thing.is_settled();
    let before = thing.child("secrets", "generated").unwrap();
    thing.set(create("second"));
    thing.is_settled();
    sleep(MISCHIEF);
    let after = thing.child("secrets", "generated").unwrap();
    assert_eq!(after["data"], before["data"]);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(
        after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"],
        "it was not written"
    );
}

#[test]
fn what_is_amended_is_never_created() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-amended");
    let amend = |uid: &str| {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "amended-0", "labels": { "role": "leader" } } });
        let server = ensure(server::stateful_set("amended", &[], None));
        settle(json!({ "intents": [server, { "amend": { "object": pod, "uid": uid } }] }))
    };
    let thing = Thing::apply(&namespace, "amender", amend("00000000-0000-0000-0000-000000000001"));
    thing.is_settled();
    eventually("the StatefulSet's pod is there", || {
        thing.child("pods", "amended-0").map(drop).ok_or_else(|| "not yet".to_owned())
    });
    sleep(MISCHIEF);
    let pod = thing.child("pods", "amended-0").unwrap();
    assert_eq!(pod["metadata"]["labels"].get("role"), None, "another uid is another pod");

    thing.set(amend("$uid:Pod/amended-0"));
    eventually("the pod has the label", || {
        let labels = thing.child("pods", "amended-0").ok_or("it is gone")?["metadata"]["labels"].clone();
        check(labels["role"] == "leader", labels.to_string())
    });

    let absent =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "absent" }, "data": {} });
    let uid = "00000000-0000-0000-0000-000000000001";
    thing.set(settle(json!({ "intents": [{ "amend": { "object": absent, "uid": uid } }] })));
    thing.is_settled();
    sleep(MISCHIEF);
    assert_eq!(thing.child("configmaps", "absent"), None);
}

#[test]
fn only_the_very_object_is_removed() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-removed");
    let thing = Thing::apply(&namespace, "remover", ensuring(&[("doomed", "one")]));
    thing.is_settled();
    let uid = thing.uid_of("configmaps", "doomed");
    let other = remove("ConfigMap", "doomed", "00000000-0000-0000-0000-000000000001");
    thing.set(settle(json!({ "intents": [other] })));
    thing.is_settled();
    sleep(MISCHIEF);
    assert_eq!(thing.uid_of("configmaps", "doomed"), uid, "another uid is another object");
    thing.set(settle(json!({ "intents": [remove("ConfigMap", "doomed", "$uid:ConfigMap/doomed")] })));
    eventually("it is gone", || check(thing.child("configmaps", "doomed").is_none(), "it is still there"));
}

#[test]
fn what_is_no_longer_wanted_goes_if_its_kind_may() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-pruned");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "kept" }, "stringData": { "p": "x" } });
    let both = [ensure(config_map("stays", "x")), ensure(config_map("goes", "x")), ensure(secret)];
    let thing = Thing::apply(&namespace, "pruner", settle(json!({ "intents": both })));
    thing.is_settled();
    let (stays, kept) = (thing.uid_of("configmaps", "stays"), thing.uid_of("secrets", "kept"));

    // An object that is told to be kept needs no fields.
    let keep = json!({ "keep": { "apiVersion": "v1", "kind": "ConfigMap", "name": "goes" } });
    thing.set(settle(json!({ "intents": [ensure(config_map("stays", "x")), keep] })));
    thing.is_settled();
    sleep(MISCHIEF);
    assert!(thing.child("configmaps", "goes").is_some(), "it is to be kept");

    thing.set(ensuring(&[("stays", "x")]));
    eventually("what is not named any more is gone", || {
        check(thing.child("configmaps", "goes").is_none(), "it is still there")
    });
    thing.is_settled();
    assert_eq!(thing.uid_of("configmaps", "stays"), stays);
    assert_eq!(thing.uid_of("secrets", "kept"), kept, "Secrets are not pruned, by the manifest");
}

#[test]
fn an_object_of_another_controller_is_left_alone_and_its_owner_is_named() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-controlled");
    let in_namespace = |mut object: Value| {
        object["metadata"]["namespace"] = json!(namespace.name);
        object
    };
    cluster.kubectl.apply(&in_namespace(config_map("somebody", "x")).to_string());
    let owner = cluster.kubectl.get(&namespace.name, "configmaps", "somebody").unwrap();
    let mut taken = in_namespace(config_map("taken", "theirs"));
    taken["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "somebody", "uid": owner["metadata"]["uid"], "controller": true,
    }]);
    cluster.kubectl.apply(&taken.to_string());
    let before = cluster.kubectl.get(&namespace.name, "configmaps", "taken").unwrap();

    let thing = Thing::apply(&namespace, "polite", ensuring(&[("taken", "mine"), ("free", "mine")]));
    thing.is_told("Blocked", &["taken", "somebody"]);
    assert_eq!(value_of(&thing, "free"), Some(json!("mine")), "others are written all the same");
    let after = thing.child("configmaps", "taken").unwrap();
    assert_eq!(
        after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"],
        "it was not touched"
    );
    cluster.kubectl.run(&["delete", "configmap", "taken", "-n", &namespace.name]);
    eventually("the way is free", || {
        let found = value_of(&thing, "taken");
        check(found == Some(json!("mine")), format!("{found:?}; {:?}", thing.reconciled()))
    });
}

#[test]
fn a_decision_that_breaks_a_rule_is_void_as_a_whole() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-refused");
    let metadata = |fields: Value| {
        let mut object = config_map("bad", "x");
        object["metadata"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        object
    };
    let owner =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1", "controller": true });
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "bad" } });
    let itself =
        json!({ "apiVersion": "test.operlet.dev/v1", "kind": "Thing", "metadata": { "name": "lawless" } });
    let bad = [
        (metadata(json!({ "ownerReferences": [owner] })), "ownerReferences"),
        (metadata(json!({ "labels": { "operlet.dev/owner": "0123456789abcdef" } })), "operlet.dev/owner"),
        (metadata(json!({ "annotations": { "operlet.dev/applied-by": "redis" } })), "operlet.dev/applied-by"),
        (metadata(json!({ "namespace": "kube-system" })), "kube-system/bad"),
        (job, "Job"),
        (itself, "Thing"),
        (config_map("good", "twice"), "twice"),
    ];
    let thing = Thing::apply(&namespace, "lawless", json!([{ "settle": {} }]));
    thing.is_settled();
    for (object, word) in bad {
        let word = if word == "twice" { "good" } else { word };
        thing.set(settle(json!({ "intents": [ensure(config_map("good", "x")), ensure(object)] })));
        let message = thing.is_told("DecisionRefused", &[word]);
        println!("{message}");
        assert_eq!(value_of(&thing, "good"), None, "{word}: nothing is written");
    }
    assert!(cluster.kubectl.get("kube-system", "configmaps", "bad").is_none());
    thing.set(ensuring(&[("good", "x")]));
    thing.is_settled();
    assert_eq!(value_of(&thing, "good"), Some(json!("x")));
}

#[test]
fn a_claim_goes_only_when_it_is_told_to() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-claimed");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "precious" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "16Mi" } } },
    });
    let thing = Thing::apply(&namespace, "claimant", settle(json!({ "intents": [ensure(claim)] })));
    thing.is_settled();
    let uid = thing.uid_of("persistentvolumeclaims", "precious");
    thing.set(json!([{ "settle": {} }]));
    thing.is_settled();
    sleep(MISCHIEF);
    let left = thing.child("persistentvolumeclaims", "precious").expect("it is there");
    assert_eq!(left["metadata"]["uid"], json!(uid));
    assert!(left["metadata"].get("deletionTimestamp").is_none(), "leaving it out is no wish to delete it");
    let gone = remove("PersistentVolumeClaim", "precious", "$uid:PersistentVolumeClaim/precious");
    thing.set(settle(json!({ "intents": [gone] })));
    eventually("it is gone", || {
        check(thing.child("persistentvolumeclaims", "precious").is_none(), "it is still there")
    });
}
