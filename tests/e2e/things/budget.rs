//! How many objects may be deleted.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    FINAL_THINGS, Thing,
    objects::{config_map, ensure, settle},
    things, things_alone, watching,
};
use crate::kubectl::eventually;

fn ensuring(names: impl IntoIterator<Item = String>) -> Value {
    let intents: Vec<Value> = names.into_iter().map(|name| ensure(config_map(&name, "x"))).collect();
    settle(json!({ "intents": intents }))
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| format!("many-{index}"))
}

fn there(thing: &Thing<'_>) -> usize {
    let owned = thing.kubectl().list(&thing.namespace.name, "configmaps", "operlet.dev/owner");
    let of_many =
        |found: &&Value| found["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("many-"));
    owned.iter().filter(of_many).count()
}

fn are_left(thing: &Thing<'_>, count: usize) {
    eventually(&format!("{count} objects are left"), || {
        let found = there(thing);
        // The resource may be gone before its children are.
        let told = thing.get().map(|resource| resource["status"]["conditions"].clone());
        if found == count { Ok(()) } else { Err(format!("{found}; {told:?}")) }
    });
}

#[test]
fn more_than_the_budget_is_not_deleted_at_all_and_all_else_is_written() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-budget");
    let thing = Thing::apply(&namespace, "frugal", ensuring(numbered(6)));
    thing.is_settled();
    thing.set(ensuring(["other".to_owned()]));
    let message = thing.is_told("DeletionBudgetExceeded", &["6", "5"]);
    println!("{message}");
    assert!(thing.child("configmaps", "other").is_some(), "the other write is made");
    sleep(Duration::from_secs(3));
    assert_eq!(there(&thing), 6, "none is deleted");

    thing.set(ensuring(["other".to_owned(), "many-0".to_owned()]));
    are_left(&thing, 1);
    thing.is_settled();
}

#[test]
fn a_resource_that_is_deleted_takes_everything_along_whatever_the_budget() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-beyond");
    let thing = Thing::apply(&namespace, "leaving", ensuring(numbered(12)));
    thing.is_settled();
    cluster.kubectl.run(&["delete", "thing", "leaving", "-n", &namespace.name, "--wait=false"]);
    are_left(&thing, 0);
}

/// The Operlet of final things allows 8 within an hour.
#[test]
fn what_was_deleted_within_the_hour_is_remembered_over_a_restart() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-hourly");
    // As if nothing had been deleted before.
    cluster.kubectl.run(&["delete", "operlet", FINAL_THINGS.operlet, "--timeout=60s"]);
    FINAL_THINGS.install(cluster);
    let spec = |rounds: Value| json!({ "rounds": rounds, "deleting": [{ "settle": { "released": true } }] });
    let thing = Thing::apply_final(&namespace, "spendthrift", spec(ensuring(numbered(10))));
    thing.is_settled();
    thing.set_spec(spec(ensuring(numbered(5))));
    are_left(&thing, 5);
    thing.is_settled();

    thing.set_spec(spec(ensuring(numbered(1))));
    let message = thing.is_told("DeletionBudgetExceeded", &["perHour"]);
    println!("{message}");
    watching::restart_host(cluster);
    cluster.operlet_is_ready(FINAL_THINGS.operlet);
    let record = FINAL_THINGS.object(cluster)["status"]["deletions"].clone();
    assert!(record.as_array().is_some_and(|record| !record.is_empty()), "it is kept: {record}");
    // It is looked at by the new host, which knows as much.
    thing.set_spec(spec(settle(json!({ "intents": [ensure(config_map("many-0", "y"))] }))));
    thing.is_told("DeletionBudgetExceeded", &["perHour"]);
    assert_eq!(there(&thing), 5, "a restart brings no new budget");

    // Three are left of it.
    thing.set_spec(spec(ensuring(numbered(2))));
    are_left(&thing, 2);
}
