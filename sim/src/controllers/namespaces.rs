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
    let there = |state: &State, plural: &str, name: &str| {
        let (plural, name) = (plural.to_owned(), name.to_owned());
        let place = Place { group: String::new(), plural, namespace: namespace.to_owned(), name };
        state.store.get(&place).is_some()
    };
    if !there(state, "serviceaccounts", "default") {
        create(state, "", "serviceaccounts", namespace, json!({ "metadata": { "name": "default" } }));
    }
    if !there(state, "configmaps", "kube-root-ca.crt") {
        let map = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": "" } });
        create(state, "", "configmaps", namespace, map);
    }
}
