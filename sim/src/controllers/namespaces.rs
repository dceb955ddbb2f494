//! Empties namespaces that are deleted, and makes what each new one has.

use serde_json::json;

use super::{all, create, delete, is_deleted};
use crate::api::{Place, State};

pub(super) fn step(state: &mut State) {
    for (place, namespace) in all(state, "", "namespaces") {
        if is_deleted(&namespace) {
            empty(state, &place);
        } else {
            furnish(state, &place.name);
        }
    }
}

fn empty(state: &mut State, namespace: &Place) {
    let inside = |place: &&Place| place.namespace == namespace.name;
    let left: Vec<(Place, String, bool)> = state
        .store
        .all()
        .filter(|(place, _)| inside(place))
        .map(|(place, stored)| (place.clone(), stored.text("/metadata/uid").to_owned(), is_deleted(stored)))
        .collect();
    for (place, uid, deleted) in &left {
        if !deleted {
            delete(state, place, uid);
        }
    }
    if left.is_empty() {
        state.end(namespace);
    }
}

/// What every namespace has.
fn furnish(state: &mut State, namespace: &str) {
    let there =
        state.store.list("", "serviceaccounts", Some(namespace)).any(|(place, _)| place.name == "default");
    if !there {
        create(state, "", "serviceaccounts", namespace, json!({ "metadata": { "name": "default" } }));
    }
    let there = state
        .store
        .list("", "configmaps", Some(namespace))
        .any(|(place, _)| place.name == "kube-root-ca.crt");
    if !there {
        let map = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": "" } });
        create(state, "", "configmaps", namespace, map);
    }
}
