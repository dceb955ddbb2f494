//! Makes as many pods as a ReplicaSet wants, and deletes those that are too many.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Due, all, change, controller, delete, is_deleted,
    pods::{self, Owner, Pod},
    try_create,
};
use crate::api::{LabelSelector, Place, State, Stored};

/// How long after pods could not be made it is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// What is said of a set whose pods cannot be made.
pub(super) const FAILURE: &str = "ReplicaFailure";

/// The most pods that are made or deleted at once.
const BURST: usize = 500;

pub(super) fn step(state: &mut State, due: &mut Due) {
    for (place, set) in all(state, "apps", "replicasets") {
        sync(state, &place, &set, due);
    }
}

fn sync(state: &mut State, place: &Place, set: &Stored, due: &mut Due) {
    let owner = Owner { api_version: "apps/v1", kind: "ReplicaSet", place, object: set };
    let active = owner.claim(state, "", "pods", pods::is_active, |_| {});
    let terminating = owner.claim(state, "", "pods", pods::is_terminating, |_| {}).len();
    let mut failure = None;
    if !is_deleted(set) {
        failure = manage(state, &owner, active.clone());
    }
    if failure.is_some() {
        due.at((state.clock)().saturating_add(AGAIN).unwrap_or(Timestamp::MAX));
    }
    report(state, &owner, &active, terminating, failure, due);
}

/// Makes or deletes pods, and says why that failed.
fn manage(state: &mut State, owner: &Owner<'_>, mut active: Vec<Pod>) -> Option<Value> {
    let wanted = owner.object.value.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if active.len() < wanted {
        let template = owner.object.value.pointer("/spec/template").cloned().unwrap_or_default();
        for _ in 0..(wanted - active.len()).min(BURST) {
            let made = try_create(state, "", "pods", &owner.place.namespace, owner.pod(&template));
            if let Err(refusal) = made {
                let ends = refusal.is_of_namespace_that_ends();
                return (!ends).then(|| failed(state, refusal.message()));
            }
        }
        return None;
    }
    let surplus = (active.len() - wanted).min(BURST);
    if surplus > 0 {
        let related = related(state, owner);
        pods::sort_for_deletion(&mut active, &related, (state.clock)());
    }
    for (place, pod) in active.iter().take(surplus) {
        delete(state, place, pod.text("/metadata/uid"));
    }
    None
}

fn failed(state: &State, message: &str) -> Value {
    json!({
        "type": FAILURE, "status": "True", "reason": "FailedCreate", "message": message,
        "lastTransitionTime": state.now(),
    })
}

/// The pods of all sets of the same owner.
fn related(state: &State, owner: &Owner<'_>) -> Vec<Pod> {
    let above = |set: &Stored| controller(&set.value).and_then(|owner| owner.get("uid")).cloned();
    let mine = above(owner.object);
    let sets = state.store.list("apps", "replicasets", Some(&owner.place.namespace));
    let of_family = |set: &Stored| mine.is_some() && above(set) == mine;
    let own = owner.object.text("/metadata/uid");
    let sets: Vec<LabelSelector> = sets
        .filter(|(_, set)| set.text("/metadata/uid") == own || of_family(set))
        .filter_map(|(_, set)| Some(LabelSelector::from_object(set.value.pointer("/spec/selector")?)))
        .collect();
    let pods = state.store.list("", "pods", Some(&owner.place.namespace));
    pods.filter(|(_, pod)| sets.iter().any(|selector| selector.matches(&pod.value)))
        .map(|(place, pod)| (place.clone(), pod.clone()))
        .collect()
}

/// Says how many pods there are, and how they are.
fn report(
    state: &mut State,
    owner: &Owner<'_>,
    active: &[Pod],
    terminating: usize,
    failure: Option<Value>,
    due: &mut Due,
) {
    let set = &owner.object.value;
    let labels = set.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
    let template = LabelSelector::from_object(&json!({ "matchLabels": labels }));
    let patience = set.pointer("/spec/minReadySeconds").and_then(Value::as_i64).unwrap_or_default();
    let now = (state.clock)();
    let mut available = 0;
    for (_, pod) in active.iter().filter(|(_, pod)| pods::is_ready(&pod.value)) {
        let until = pods::ready_since(&pod.value)
            .and_then(|since| since.checked_add(SignedDuration::from_secs(patience)).ok());
        match until {
            Some(until) if patience > 0 && until > now => due.at(until),
            _ => available += 1,
        }
    }
    let count = |is: &dyn Fn(&Value) -> bool| active.iter().filter(|(_, pod)| is(&pod.value)).count();
    let mut status = counted(&[
        ("fullyLabeledReplicas", count(&|pod| template.matches(pod))),
        ("readyReplicas", count(&pods::is_ready)),
        ("availableReplicas", available),
    ]);
    status.insert("replicas".to_owned(), active.len().into());
    status.insert("terminatingReplicas".to_owned(), terminating.into());
    let generation = set.pointer("/metadata/generation").cloned().unwrap_or_default();
    status.insert("observedGeneration".to_owned(), generation);
    // It is told again only when it is another one.
    let known = pods::condition(set, FAILURE).filter(|_| failure.is_some()).cloned();
    if let Some(condition) = known.or(failure) {
        status.insert("conditions".to_owned(), json!([condition]));
    }
    let status = Value::Object(status);
    if set.get("status") != Some(&status) {
        change(state, owner.place, "status", |set| {
            if let Some(set) = set.as_object_mut() {
                set.insert("status".to_owned(), status);
            }
        });
    }
}

/// Counts as Go writes them: none is not said.
pub(super) fn counted<N: Into<Value> + Default + PartialEq + Copy>(
    counts: &[(&str, N)],
) -> Map<String, Value> {
    let said = counts.iter().filter(|(_, count)| *count != N::default());
    said.map(|(field, count)| ((*field).to_owned(), (*count).into())).collect()
}
