//! Makes a ReplicaSet for each template of a Deployment, and goes over from the old
//! ones to the new one.

mod scale;
mod sets;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Due, all, change, delete, is_deleted,
    pods::{self, Owner},
};
use crate::api::{Place, State, Stored};
pub(super) use scale::part_of;
use sets::Set;

/// Who may surge above how many replicas, and how many may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    replicas: i64,
    surge: i64,
    unavailable: i64,
}

/// A Deployment and its ReplicaSets, the oldest first.
struct Rollout {
    place: Place,
    object: Arc<Stored>,
    sets: Vec<Set>,
    /// Which of them has the Deployment's template.
    new: Option<usize>,
    limits: Limits,
}

pub(super) fn step(state: &mut State, due: &mut Due) {
    for (place, deployment) in all(state, "apps", "deployments") {
        Rollout::of(state, place, deployment).step(state, due);
    }
}

impl Rollout {
    fn of(state: &mut State, place: Place, object: Arc<Stored>) -> Self {
        let owner = Owner { api_version: "apps/v1", kind: "Deployment", place: &place, object: &object };
        let claimed = owner.claim(state, "apps", "replicasets", |_| true, |_| {});
        let mut sets: Vec<Set> = claimed.into_iter().map(|(place, stored)| Set::new(place, stored)).collect();
        sets.sort_by_key(Set::age);
        let template = object.value.pointer("/spec/template").unwrap_or(&Value::Null);
        let new = sets.iter().position(|set| set.has_template(template));
        let limits = Limits::of(&object.value);
        Self { place, object, sets, new, limits }
    }

    /// Does what is next. What it changes is looked at again before it goes on.
    fn step(&self, state: &mut State, due: &mut Due) {
        if is_deleted(&self.object) {
            self.report(state);
        } else if !(self.note_pause(state) || self.refresh(state)) {
            self.go_on(state, due);
        }
    }

    fn go_on(&self, state: &mut State, due: &mut Due) {
        let paused = self.object.value.pointer("/spec/paused") == Some(&Value::Bool(true));
        if paused || self.is_scaled() {
            self.rescale(state);
            if paused {
                self.clean_up(state);
            }
            self.report(state);
            return;
        }
        let acted = if self.is_rolling() { self.roll(state) } else { self.recreate(state) };
        if acted {
            return;
        }
        if self.is_complete(self.object.value.get("status").unwrap_or(&Value::Null)) {
            self.clean_up(state);
        }
        self.report_rollout(state, due);
    }

    fn is_rolling(&self) -> bool {
        self.object.text("/spec/strategy/type") != "Recreate"
    }

    fn new_set(&self) -> Option<&Set> {
        self.sets.get(self.new?)
    }

    fn old_sets(&self) -> impl Iterator<Item = &Set> {
        let new = self.new;
        self.sets.iter().enumerate().filter(move |(at, _)| Some(*at) != new).map(|(_, set)| set)
    }

    /// Whether somebody has asked for another number of replicas since the sets were
    /// given theirs.
    fn is_scaled(&self) -> bool {
        let active = self.sets.iter().filter(|set| set.wanted() > 0);
        active.filter_map(Set::desired).any(|desired| desired != self.limits.replicas)
    }

    /// Replaces old pods by new ones, a part at a time, and says whether it did anything.
    fn roll(&self, state: &mut State) -> bool {
        let Some(new) = self.new_set() else { return self.make(state) };
        let all: i64 = self.sets.iter().map(Set::wanted).sum();
        let grown = self.limits.grown(new.wanted(), all);
        if grown != new.wanted() {
            return self.resize(state, new, grown);
        }
        let old: Vec<&Set> = self.old_sets().filter(|set| set.wanted() > 0).collect();
        let counts = |set: &Set| scale::Counts { wanted: set.wanted(), available: set.available() };
        let sizes: Vec<scale::Counts> = old.iter().map(|set| counts(set)).collect();
        let shrunk = scale::shrunk(&sizes, counts(new), self.limits);
        let mut acted = false;
        for (set, size) in old.iter().zip(shrunk) {
            acted |= size != set.wanted() && self.resize(state, set, size);
        }
        acted
    }

    /// Ends all old pods, and then makes new ones. Says whether it did anything.
    fn recreate(&self, state: &mut State) -> bool {
        let mut acted = false;
        for set in self.old_sets().filter(|set| set.wanted() > 0) {
            acted |= self.resize(state, set, 0);
        }
        if acted || self.old_pods_run(state) {
            return acted;
        }
        match self.new_set() {
            None => self.make(state),
            Some(new) if new.wanted() != self.limits.replicas => {
                self.resize(state, new, self.limits.replicas)
            }
            Some(_) => false,
        }
    }

    fn old_pods_run(&self, state: &State) -> bool {
        let runs = |set: &Set| {
            let mut pods = state.store.list("", "pods", Some(&self.place.namespace));
            pods.any(|(_, pod)| super::is_controlled_by(&pod.value, set.uid()) && !pods::has_ended(pod))
        };
        self.old_sets().any(|set| set.replicas() > 0 || runs(set))
    }

    /// Follows another number of replicas: all sets keep their share.
    fn rescale(&self, state: &mut State) {
        let old: Vec<&Set> = self.old_sets().collect();
        let active: Vec<&Set> = self.sets.iter().filter(|set| set.wanted() > 0).collect();
        let only = match active.as_slice() {
            [] => self.new_set().or(old.last().copied()),
            [one] => Some(*one),
            _ => None,
        };
        if let Some(only) = only {
            if only.wanted() != self.limits.replicas {
                self.resize(state, only, self.limits.replicas);
            }
            return;
        }
        if active.is_empty() {
            return;
        }
        if self.new_set().is_some_and(|new| new.is_saturated(self.limits.replicas)) {
            for set in old.iter().filter(|set| set.wanted() > 0) {
                self.resize(state, set, 0);
            }
        } else if self.is_rolling() {
            let now = self.object.value.pointer("/status/replicas").and_then(Value::as_i64);
            let sizes: Vec<scale::Share> =
                active.iter().map(|set| scale::Share { wanted: set.wanted(), most: set.most() }).collect();
            let shares = scale::shares(&sizes, self.limits, now.unwrap_or_default());
            for (set, size) in active.iter().zip(shares) {
                self.resize(state, set, size);
            }
        }
    }

    /// Deletes the oldest of the sets that nobody will go back to.
    fn clean_up(&self, state: &mut State) {
        let limit = self.object.value.pointer("/spec/revisionHistoryLimit").and_then(Value::as_u64);
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
        let mut old: Vec<&Set> = self.old_sets().filter(|set| !is_deleted(set.stored())).collect();
        old.sort_by_key(|set| set.revision());
        let surplus = old.len().saturating_sub(limit);
        for set in old.into_iter().take(surplus).filter(|set| set.is_idle()) {
            delete(state, set.place(), set.uid());
        }
    }

    /// Changes the status, unless it is so already, and says whether that was done.
    fn write_status(&self, state: &mut State, status: Value, revision: Option<&str>) -> bool {
        let known = self.object.value.pointer("/metadata/annotations");
        let known = known.and_then(|all| all.get(sets::REVISION)).and_then(Value::as_str);
        let revised = revision.filter(|revision| Some(*revision) != known);
        if self.object.value.get("status") == Some(&status) && revised.is_none() {
            return false;
        }
        change(state, &self.place, "status", |deployment| {
            let Some(deployment) = deployment.as_object_mut() else { return };
            deployment.insert("status".to_owned(), status);
            if let (Some(revision), Some(metadata)) =
                (revised, deployment.get_mut("metadata").and_then(Value::as_object_mut))
            {
                let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
                if let Some(annotations) = annotations.as_object_mut() {
                    annotations.insert(sets::REVISION.to_owned(), json!(revision));
                }
            }
        });
        true
    }
}

impl Limits {
    fn of(deployment: &Value) -> Self {
        let replicas = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        if deployment.pointer("/spec/strategy/type").is_some_and(|kind| kind == "Recreate") {
            return Self { replicas, surge: 0, unavailable: 0 };
        }
        let part = |field: &str, up: bool| {
            let given = deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
            given.map_or(0, |given| scale::part_of(given, replicas, up))
        };
        let (surge, unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(replicas) };
        Self { replicas, surge, unavailable: if replicas == 0 { 0 } else { unavailable } }
    }

    /// The size of the new set if it is given as much as it may have.
    fn grown(self, new: i64, all: i64) -> i64 {
        if new >= self.replicas {
            return self.replicas;
        }
        let room = (self.replicas + self.surge - all).max(0);
        new + room.min(self.replicas - new)
    }
}
