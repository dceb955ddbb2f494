//! Makes the pods and claims of StatefulSets, and replaces pods of old revisions.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{all, change, create, delete, is_controlled_by, is_deleted, pods::is_ready};
use crate::{
    api::{Place, State, Stored},
    chance::checksum,
};

/// The label with the revision that a pod was made from.
const REVISION: &str = "controller-revision-hash";

/// What it looks at.
pub(super) const KINDS: &[(&str, &str)] =
    &[("apps", "statefulsets"), ("", "pods"), ("", "persistentvolumeclaims")];

pub(super) fn step(state: &mut State) {
    for (place, set) in all(state, "apps", "statefulsets") {
        if !is_deleted(&set) {
            Set::of(state, place, set).step(state);
        }
    }
}

/// A StatefulSet and its pods.
struct Set {
    place: Place,
    set: Arc<Stored>,
    pods: Vec<(u64, Place, Arc<Stored>)>,
    replicas: u64,
    revision: String,
}

impl Set {
    fn of(state: &State, place: Place, set: Arc<Stored>) -> Self {
        let uid = set.text("/metadata/uid");
        let pods = state.store.list("", "pods", Some(&place.namespace));
        let pods = pods.filter(|(_, pod)| is_controlled_by(&pod.value, uid));
        let pods = pods
            .filter_map(|(at, pod)| Some((ordinal(&place.name, &at.name)?, at.clone(), Arc::clone(pod))))
            .collect();
        let replicas = set.value.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        let revision = revision(&place.name, set.value.pointer("/spec/template").unwrap_or(&Value::Null));
        Self { place, set, pods, replicas, revision }
    }

    fn text(&self, pointer: &str) -> &str {
        self.set.text(pointer)
    }

    fn step(&self, state: &mut State) {
        let parallel = self.text("/spec/podManagementPolicy") == "Parallel";
        self.grow(state, parallel);
        self.shrink(state, parallel);
        if self.text("/spec/updateStrategy/type") != "OnDelete" {
            self.roll(state);
        }
        self.report(state);
    }

    fn grow(&self, state: &mut State, parallel: bool) {
        for ordinal in 0..self.replicas {
            match self.pods.iter().find(|(known, ..)| *known == ordinal) {
                None => {
                    self.make(state, ordinal);
                    if !parallel {
                        return;
                    }
                }
                Some((_, _, pod)) if !parallel && (!is_ready(&pod.value) || is_deleted(pod)) => return,
                Some(_) => {}
            }
        }
    }

    fn shrink(&self, state: &mut State, parallel: bool) {
        let mut surplus: Vec<_> =
            self.pods.iter().filter(|(ordinal, ..)| *ordinal >= self.replicas).collect();
        surplus.sort_by_key(|(ordinal, ..)| std::cmp::Reverse(*ordinal));
        for (_, place, pod) in surplus {
            if !is_deleted(pod) {
                delete(state, place, pod.text("/metadata/uid"));
            }
            if !parallel {
                return;
            }
        }
    }

    /// Replaces one pod of an old revision at a time, from the last to the first.
    fn roll(&self, state: &mut State) {
        let whole = (0..self.replicas).all(|ordinal| {
            self.pods
                .iter()
                .any(|(known, _, pod)| *known == ordinal && is_ready(&pod.value) && !is_deleted(pod))
        });
        let partition =
            self.set.value.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_u64);
        let old = self.pods.iter().filter(|(ordinal, _, pod)| {
            *ordinal >= partition.unwrap_or_default() && label(&pod.value, REVISION) != self.revision
        });
        let last = old.max_by_key(|(ordinal, ..)| *ordinal);
        if let Some((_, place, pod)) = last.filter(|(_, _, pod)| whole || !is_ready(&pod.value)) {
            delete(state, place, pod.text("/metadata/uid"));
        }
    }

    fn owner(&self) -> Value {
        json!([{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": self.place.name,
            "uid": self.text("/metadata/uid"), "controller": true, "blockOwnerDeletion": true,
        }])
    }

    fn make(&self, state: &mut State, ordinal: u64) {
        let name = format!("{}-{ordinal}", self.place.name);
        if self.claims_go(state, &name) {
            return;
        }
        let template = self.set.value.pointer("/spec/template").cloned().unwrap_or_default();
        let mut spec = template.get("spec").cloned().unwrap_or_default();
        let mut volumes = Vec::new();
        let claims = self.set.value.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
        for claim in claims.into_iter().flatten() {
            volumes.push(self.claim(state, &name, claim));
        }
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("hostname".to_owned(), json!(name));
            spec.insert("subdomain".to_owned(), json!(self.text("/spec/serviceName")));
            if !volumes.is_empty() {
                let own = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
                volumes.extend(own);
                spec.insert("volumes".to_owned(), json!(volumes));
            }
        }
        let mut labels =
            template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
        labels.insert(REVISION.to_owned(), json!(self.revision));
        labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), json!(name));
        labels.insert("apps.kubernetes.io/pod-index".to_owned(), json!(ordinal.to_string()));
        let mut metadata = json!({
            "name": name, "generateName": format!("{}-", self.place.name), "labels": labels,
            "ownerReferences": self.owner(),
        });
        if let (Some(metadata), Some(annotations)) =
            (metadata.as_object_mut(), template.pointer("/metadata/annotations"))
        {
            metadata.insert("annotations".to_owned(), annotations.clone());
        }
        create(state, "", "pods", &self.place.namespace, json!({ "metadata": metadata, "spec": spec }));
    }

    /// Whether a claim of this pod is being deleted: a pod on it would hold it for ever.
    fn claims_go(&self, state: &State, pod: &str) -> bool {
        let templates = self.set.value.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
        templates.into_iter().flatten().any(|template| {
            let volume = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let name = format!("{volume}-{pod}");
            let mut claims = state.store.list("", "persistentvolumeclaims", Some(&self.place.namespace));
            claims.any(|(place, claim)| place.name == name && is_deleted(claim))
        })
    }

    /// Makes a pod's claim unless there is one, and gives the volume that refers to it.
    fn claim(&self, state: &mut State, pod: &str, template: &Value) -> Value {
        let volume = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{volume}-{pod}");
        let there = state
            .store
            .list("", "persistentvolumeclaims", Some(&self.place.namespace))
            .any(|(place, _)| place.name == name);
        if !there {
            let mut labels = self
                .set
                .value
                .pointer("/spec/selector/matchLabels")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let own =
                template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
            labels.extend(own);
            let mut metadata = json!({ "name": name, "labels": labels });
            if self.text("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted") == "Delete"
                && let Some(metadata) = metadata.as_object_mut()
            {
                metadata.insert("ownerReferences".to_owned(), self.owner());
            }
            let spec = template.get("spec").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            let claim = json!({ "metadata": metadata, "spec": spec });
            create(state, "", "persistentvolumeclaims", &self.place.namespace, claim);
        }
        json!({ "name": volume, "persistentVolumeClaim": { "claimName": name } })
    }

    fn report(&self, state: &mut State) {
        let alive: Vec<&Value> = self.pods.iter().map(|(_, _, pod)| &pod.value).collect();
        let count = |of: &dyn Fn(&Value) -> bool| alive.iter().filter(|pod| of(pod)).count();
        let ready = count(&is_ready);
        let updated = count(&|pod| label(pod, REVISION) == self.revision);
        let before = self.text("/status/currentRevision");
        let current =
            if updated == alive.len() || before.is_empty() { self.revision.as_str() } else { before };
        let status = json!({
            "observedGeneration": self.set.value.pointer("/metadata/generation"),
            "replicas": alive.len(), "readyReplicas": ready, "availableReplicas": ready,
            "currentReplicas": count(&|pod| label(pod, REVISION) == current), "updatedReplicas": updated,
            "currentRevision": current, "updateRevision": self.revision, "collisionCount": 0,
        });
        if self.set.value.get("status") != Some(&status) {
            change(state, &self.place, "status", |set| {
                if let Some(set) = set.as_object_mut() {
                    set.insert("status".to_owned(), status);
                }
            });
        }
    }
}

fn ordinal(set: &str, pod: &str) -> Option<u64> {
    pod.strip_prefix(set)?.strip_prefix('-')?.parse().ok()
}

fn label<'a>(pod: &'a Value, name: &str) -> &'a str {
    pod.pointer("/metadata/labels")
        .and_then(|labels| labels.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The name of a revision: the same template has the same one.
fn revision(set: &str, template: &Value) -> String {
    let hash = checksum(&template.to_string());
    format!("{set}-{hash:08x}")
}
