//! Deletes what has lost its owners.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{change, delete, has_finalizer, is_deleted, release, text};
use crate::api::{Change, Fate, Place, State, Stored};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What is known of an owner.
struct Owner {
    namespace: String,
    /// Whether it waits until what it owns is gone.
    waits: bool,
}

/// Whether it concerns owners that an object changed, and so whether anything may be
/// lost since.
fn concerns(change: &Change) -> bool {
    match &change.before {
        Some(before) => change.fate == Fate::Deleted || held(before) != held(&change.now),
        None => held(&change.now).iter().any(Option::is_some),
    }
}

/// What decides whether an object may stay.
fn held(stored: &Stored) -> [Option<&Value>; 3] {
    let metadata = stored.value.get("metadata");
    ["ownerReferences", "deletionTimestamp", "finalizers"].map(|field| metadata?.get(field))
}

pub(super) fn step(state: &mut State, since: u64) {
    if state.store.remembers(since) && !state.store.changes_after(since).any(concerns) {
        return;
    }
    let owners: BTreeMap<String, Owner> = state
        .store
        .all()
        .map(|(place, stored)| {
            let waits = is_deleted(stored) && has_finalizer(stored, FOREGROUND);
            (stored.text("/metadata/uid").to_owned(), Owner { namespace: place.namespace.clone(), waits })
        })
        .collect();
    let mut lost = Vec::new();
    let mut loose = Vec::new();
    for (place, stored) in state.store.all() {
        let present = |reference: &&Value| {
            owners
                .get(text(reference, "uid"))
                .filter(|owner| owner.namespace.is_empty() || owner.namespace == place.namespace)
        };
        let references: Vec<&Value> = references(stored).collect();
        let waited_for =
            references.iter().any(|reference| present(reference).is_some_and(|owner| owner.waits));
        let kept = references.iter().any(|reference| present(reference).is_some_and(|owner| !owner.waits));
        if !references.is_empty()
            && !is_deleted(stored)
            && !kept
            && (waited_for || references.iter().all(|reference| present(reference).is_none()))
        {
            lost.push((place.clone(), stored.text("/metadata/uid").to_owned()));
        }
        // Who has another owner is not held by one that is gone, and holds none that waits.
        let idle = |reference: &&Value| present(reference).is_none_or(|owner| owner.waits);
        let uids: Vec<String> = references
            .iter()
            .filter(|reference| idle(reference))
            .map(|reference| text(reference, "uid").to_owned())
            .collect();
        if kept && !uids.is_empty() {
            loose.push((place.clone(), uids));
        }
    }
    for (place, uids) in loose {
        disown(state, &place, &uids);
    }
    for (place, uid) in lost {
        delete(state, &place, &uid);
    }
    end_waiting(state);
    orphan(state);
}

/// An owner that waits goes when nothing that holds it is left.
fn end_waiting(state: &mut State) {
    for (place, uid) in holding(state, FOREGROUND) {
        let blocked = state.store.all().any(|(_, stored)| {
            references(stored).any(|reference| {
                text(reference, "uid") == uid
                    && reference.get("blockOwnerDeletion") == Some(&Value::Bool(true))
            })
        });
        if !blocked {
            change(state, &place, "", |object| release(object, FOREGROUND));
        }
    }
}

/// An owner that is to leave what it owns behind is forgotten by it first.
fn orphan(state: &mut State) {
    for (place, uid) in holding(state, ORPHAN) {
        let dependents: Vec<Place> = state
            .store
            .all()
            .filter(|(_, stored)| references(stored).any(|reference| text(reference, "uid") == uid))
            .map(|(place, _)| place.clone())
            .collect();
        for dependent in dependents {
            disown(state, &dependent, std::slice::from_ref(&uid));
        }
        change(state, &place, "", |object| release(object, ORPHAN));
    }
}

/// Takes references to these owners off.
fn disown(state: &mut State, place: &Place, uids: &[String]) {
    change(state, place, "", |object| {
        if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
            owners.retain(|owner| !uids.iter().any(|uid| uid == text(owner, "uid")));
        }
    });
}

/// What is deleted and held by a finalizer: where it is, and its uid.
fn holding(state: &State, finalizer: &str) -> Vec<(Place, String)> {
    let held = state.store.all().filter(|(_, stored)| is_deleted(stored) && has_finalizer(stored, finalizer));
    held.map(|(place, stored)| (place.clone(), stored.text("/metadata/uid").to_owned())).collect()
}

fn references(stored: &Stored) -> impl Iterator<Item = &Value> {
    stored.value.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}
