//! The end of resources whose component has something to do before it.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{FINAL_THINGS, Thing, objects::config_map, objects::ensure, things, things_alone};
use crate::{
    cluster::Cluster,
    kubectl::{check, eventually},
};

const FINALIZER: &str = "operlet.dev/finalizer";

fn finalizers(thing: &Thing<'_>) -> Value {
    thing.object()["metadata"].get("finalizers").cloned().unwrap_or_else(|| json!([]))
}

fn delete(thing: &Thing<'_>) {
    let (plural, namespace) = (thing.scripted.plural, &thing.namespace.name);
    thing.kubectl().run(&["delete", plural, thing.name, "-n", namespace, "--wait=false"]);
}

fn is_gone(thing: &Thing<'_>) {
    eventually(&format!("{} is gone", thing.name), || match thing.get() {
        None => Ok(()),
        Some(found) => Err(found.to_string()),
    });
}

#[test]
fn a_resource_waits_for_its_component_to_release_it() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-final");
    let rounds = json!([{ "settle": { "intents": [ensure(config_map("owned", "x"))] } }]);
    let keep = |released: bool| {
        let intents = json!([ensure(config_map("owned", "x"))]);
        json!({ "rounds": rounds, "deleting": [{ "settle": { "intents": intents, "released": released } }] })
    };
    let thing = Thing::apply_final(&namespace, "reluctant", keep(false));
    thing.is_settled();
    assert_eq!(finalizers(&thing), json!([FINALIZER]));
    assert_eq!(thing.status()["seen"]["deleting"], false);

    delete(&thing);
    thing.is_shown("that it is being deleted", "/deleting", &json!(true));
    sleep(Duration::from_secs(3));
    assert_eq!(finalizers(&thing), json!([FINALIZER]), "it is not released");
    assert!(thing.child("configmaps", "owned").is_some());

    thing.set_spec(keep(true));
    is_gone(&thing);
    eventually("what it owned is gone", || {
        check(thing.child("configmaps", "owned").is_none(), "still there")
    });
}

#[test]
fn a_resource_whose_manifest_wants_no_finalizer_never_gets_one() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-not-final");
    let thing = Thing::apply(&namespace, "carefree", json!([{ "settle": {} }]));
    thing.is_settled();
    sleep(Duration::from_secs(2));
    assert_eq!(finalizers(&thing), json!([]));
    delete(&thing);
    is_gone(&thing);
}

/// Somebody else's finalizer is kept through all of it.
#[test]
fn other_finalizers_stay() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-final-others");
    let spec = json!({ "rounds": [{ "settle": {} }], "deleting": [{ "settle": { "released": true } }] });
    let thing = Thing::apply_final(&namespace, "shared", spec);
    thing.is_settled();
    let others = |list: &[&str]| {
        let patch = json!({ "metadata": { "finalizers": list } }).to_string();
        let arguments =
            ["patch", "finalthings", "shared", "-n", &namespace.name, "--type=merge", "-p", &patch];
        cluster.kubectl.run(&arguments);
    };
    others(&[FINALIZER, "example.dev/other"]);
    delete(&thing);
    eventually("the host's is taken off", || {
        let found = finalizers(&thing);
        check(found == json!(["example.dev/other"]), found.to_string())
    });
    others(&[]);
    is_gone(&thing);
}

/// Puts the Operlet back as it was, however the test ends.
struct Restored(&'static Cluster);

impl Drop for Restored {
    fn drop(&mut self) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let _ = self.0.kubectl.try_feed(&arguments, &FINAL_THINGS.manifests());
    }
}

#[test]
fn a_component_that_traps_does_not_block_a_deletion_for_ever() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-final-stuck");
    let _restored = Restored(cluster);
    let patch = r#"{"spec": {"finalizer": {"timeoutSeconds": 5}}}"#;
    cluster.kubectl.run(&["patch", "operlet", FINAL_THINGS.operlet, "--type=merge", "-p", patch]);
    cluster.operlet_is_ready(FINAL_THINGS.operlet);
    let spec = json!({ "rounds": [{ "settle": {} }], "deleting": [{ "behave": "panic" }] });
    let thing = Thing::apply_final(&namespace, "stuck", spec);
    thing.is_settled();
    eventually("it has the finalizer", || {
        check(finalizers(&thing) == json!([FINALIZER]), finalizers(&thing).to_string())
    });
    delete(&thing);
    is_gone(&thing);
    eventually("an event tells of it", || {
        let events =
            cluster.kubectl.run(&["get", "events.v1.events.k8s.io", "-n", &namespace.name, "-o", "json"]);
        let events: Value = serde_json::from_str(&events).unwrap();
        let told: Vec<&Value> = events["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["regarding"]["name"] == "stuck" && event["type"] == "Warning")
            .collect();
        let names_it = |event: &&Value| {
            let text = format!("{} {}", event["reason"], event["note"]).to_lowercase();
            text.contains("finaliz") || text.contains("let go") || text.contains("released")
        };
        check(told.iter().any(names_it), format!("{told:?}"))
    });
}
