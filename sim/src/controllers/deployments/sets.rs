//! The ReplicaSets of a Deployment.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    super::{
        change,
        pods::{Owner, condition},
        replica_sets::FAILURE,
        try_create,
    },
    Limits, Rollout,
    status::Conditions,
};
use crate::{
    api::{Place, State, Stored, letters},
    chance::checksum,
};

/// Which of the templates of a Deployment it is, counted from one.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// What of a Deployment's annotations its sets do not get.
const SKIPPED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// The label by which the pods of one template are told from those of others.
const HASH: &str = "pod-template-hash";

/// A ReplicaSet.
pub(super) struct Set {
    place: Place,
    stored: Arc<Stored>,
}

impl Set {
    pub(super) fn new(place: Place, stored: Arc<Stored>) -> Self {
        Self { place, stored }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    pub(super) fn uid(&self) -> &str {
        self.stored.text("/metadata/uid")
    }

    /// What sets are ordered by.
    pub(super) fn age(&self) -> (String, String) {
        (self.stored.text("/metadata/creationTimestamp").to_owned(), self.place.name.clone())
    }

    fn number(&self, pointer: &str) -> i64 {
        self.stored.value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn wanted(&self) -> i64 {
        self.number("/spec/replicas")
    }

    pub(super) fn replicas(&self) -> i64 {
        self.number("/status/replicas")
    }

    pub(super) fn ready(&self) -> i64 {
        self.number("/status/readyReplicas")
    }

    pub(super) fn available(&self) -> i64 {
        self.number("/status/availableReplicas")
    }

    pub(super) fn terminating(&self) -> i64 {
        self.number("/status/terminatingReplicas")
    }

    /// Why its pods cannot be made.
    pub(super) fn failure(&self) -> Option<Value> {
        condition(&self.stored.value, FAILURE).cloned()
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.stored.value.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    pub(super) fn revision(&self) -> i64 {
        self.annotation(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or_default()
    }

    /// How many replicas the Deployment wanted when this set was given its number.
    pub(super) fn desired(&self) -> Option<i64> {
        self.annotation(DESIRED)?.parse().ok()
    }

    /// How many replicas there could be at most then.
    pub(super) fn most(&self) -> Option<i64> {
        self.annotation(MOST)?.parse().ok()
    }

    pub(super) fn is_saturated(&self, replicas: i64) -> bool {
        self.wanted() == replicas && self.desired() == Some(replicas) && self.available() == replicas
    }

    /// Whether it has no pods and wants none.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted() == 0
            && self.replicas() == 0
            && self.number("/metadata/generation") <= self.number("/status/observedGeneration")
    }

    pub(super) fn has_template(&self, template: &Value) -> bool {
        let mut own = self.stored.value.pointer("/spec/template").cloned().unwrap_or_default();
        let mut template = template.clone();
        for template in [&mut own, &mut template] {
            if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
                labels.remove(HASH);
            }
        }
        own == template
    }
}

impl Limits {
    fn most(self) -> i64 {
        self.replicas + self.surge
    }

    fn note(self, annotations: &mut Map<String, Value>) {
        annotations.insert(DESIRED.to_owned(), json!(self.replicas.to_string()));
        annotations.insert(MOST.to_owned(), json!(self.most().to_string()));
    }
}

impl Rollout {
    /// The revision that the new set has, or gets.
    fn next_revision(&self) -> i64 {
        self.old_sets().map(Set::revision).max().unwrap_or_default() + 1
    }

    /// Annotations of the Deployment that its new set has, too.
    fn copied(&self) -> Map<String, Value> {
        let all = self.object.value.pointer("/metadata/annotations").and_then(Value::as_object);
        let mut all = all.cloned().unwrap_or_default();
        all.retain(|name, _| !SKIPPED.contains(&name.as_str()));
        all
    }

    /// Brings the new set in line with what is not in its template, and the Deployment
    /// with its revision. Says whether anything was to be done.
    pub(super) fn refresh(&self, state: &mut State) -> bool {
        let Some(new) = self.new_set() else { return false };
        let mut wanted = self.copied();
        let (is, next) = (new.revision(), self.next_revision());
        if is < next {
            wanted.insert(REVISION.to_owned(), json!(next.to_string()));
            if is > 0 {
                let history = new.annotation(HISTORY).filter(|history| !history.is_empty());
                let history = history.map_or_else(|| is.to_string(), |history| format!("{history},{is}"));
                wanted.insert(HISTORY.to_owned(), json!(history));
            }
        }
        wanted.retain(|name, value| new.annotation(name) != value.as_str());
        let patience = self.object.value.pointer("/spec/minReadySeconds").cloned();
        if !wanted.is_empty() || new.stored.value.pointer("/spec/minReadySeconds") != patience.as_ref() {
            change(state, &new.place, "", |set| {
                annotate(set, |annotations| annotations.extend(wanted));
                let Some(spec) = set.get_mut("spec").and_then(Value::as_object_mut) else { return };
                match patience {
                    Some(patience) => drop(spec.insert("minReadySeconds".to_owned(), patience)),
                    None => drop(spec.remove("minReadySeconds")),
                }
            });
            return true;
        }
        let mut conditions = Conditions::of(&self.object.value);
        if self.deadline().is_some() && conditions.get("Progressing").is_none() {
            let message = format!("Found new replica set {:?}", new.place.name);
            conditions.set(state, "Progressing", "True", "FoundNewReplicaSet", &message);
        }
        let status = conditions.within(&self.object.value);
        self.write_status(state, status, new.annotation(REVISION))
    }

    /// Makes the set of the template that the Deployment has now.
    pub(super) fn make(&self, state: &mut State) -> bool {
        let mut template = self.object.value.pointer("/spec/template").cloned().unwrap_or_default();
        let collisions = self.object.value.pointer("/status/collisionCount").and_then(Value::as_u64);
        let hash = hash(&template, collisions);
        let labels = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
        labels.map(|labels| labels.insert(HASH.to_owned(), json!(hash)));
        let mut selector = self.object.value.pointer("/spec/selector").cloned().unwrap_or_default();
        if let Some(selector) = selector.as_object_mut() {
            let labels = selector.entry("matchLabels").or_insert_with(|| json!({}));
            labels.as_object_mut().map(|labels| labels.insert(HASH.to_owned(), json!(hash)));
        }
        let all = self.old_sets().map(Set::wanted).sum();
        let replicas = if self.is_rolling() { self.limits.grown(0, all) } else { self.limits.replicas };
        let revision = self.next_revision().to_string();
        let mut annotations = self.copied();
        annotations.insert(REVISION.to_owned(), json!(revision));
        self.limits.note(&mut annotations);
        let name = format!("{}-{hash}", self.place.name);
        let owner =
            Owner { api_version: "apps/v1", kind: "Deployment", place: &self.place, object: &self.object };
        let mut spec = json!({ "replicas": replicas, "selector": selector, "template": template });
        if let (Some(spec), Some(patience)) =
            (spec.as_object_mut(), self.object.value.pointer("/spec/minReadySeconds"))
        {
            spec.insert("minReadySeconds".to_owned(), patience.clone());
        }
        let set = json!({
            "metadata": {
                "name": name, "labels": template.pointer("/metadata/labels"), "annotations": annotations,
                "ownerReferences": [owner.reference()],
            },
            "spec": spec,
        });
        let mut conditions = Conditions::of(&self.object.value);
        let (status, reason, message) =
            match try_create(state, "apps", "replicasets", &self.place.namespace, set) {
                Ok(_) => ("True", "NewReplicaSetCreated", format!("Created new replica set {name:?}")),
                Err(refusal) if refusal.is_of_namespace_that_ends() => return false,
                Err(refusal) if refusal.is_of_what_exists() => return self.note_collision(state, collisions),
                Err(refusal) => {
                    let message = format!("Failed to create new replica set {name:?}: {}", refusal.message());
                    ("False", "ReplicaSetCreateError", message)
                }
            };
        if self.deadline().is_some() {
            conditions.set(state, "Progressing", status, reason, &message);
        }
        let status = conditions.within(&self.object.value);
        self.write_status(state, status, Some(&revision))
    }

    /// Another set has the name that the new one would have: the next time it gets
    /// another.
    fn note_collision(&self, state: &mut State, collisions: Option<u64>) -> bool {
        let mut status = self.object.value.get("status").cloned().unwrap_or_else(|| json!({}));
        if let Some(status) = status.as_object_mut() {
            status.insert("collisionCount".to_owned(), json!(collisions.unwrap_or_default() + 1));
        }
        self.write_status(state, status, None)
    }

    /// Gives a set a number of replicas, and says whether it had another one.
    pub(super) fn resize(&self, state: &mut State, set: &Set, replicas: i64) -> bool {
        let noted = set.desired() == Some(self.limits.replicas) && set.most() == Some(self.limits.most());
        let resized = set.wanted() != replicas;
        if resized || !noted {
            change(state, &set.place, "", |object| {
                annotate(object, |annotations| self.limits.note(annotations));
                if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("replicas".to_owned(), json!(replicas));
                }
            });
        }
        resized
    }
}

/// Changes the annotations of an object.
fn annotate(object: &mut Value, note: impl FnOnce(&mut Map<String, Value>)) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(annotations) = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut() {
        note(annotations);
    }
}

/// A word for a template. Kubernetes has other ones: it takes them from what Go prints.
fn hash(template: &Value, collisions: Option<u64>) -> String {
    let mut text = template.to_string();
    text.extend(collisions.map(|count| count.to_string()));
    letters(checksum(&text).to_string().bytes().map(u64::from))
}
