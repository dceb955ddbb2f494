//! Pods as those see them who make them: which count, which go first, and how one is
//! made from a template.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{change, controller, is_controlled_by, is_deleted};
use crate::api::{LabelSelector, Place, State, Stored};

/// What somebody says that a pod costs who deletes it.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A pod, and where it is.
pub(super) type Pod = (Place, Arc<Stored>);

/// Who controls pods.
pub(super) struct Owner<'a> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) place: &'a Place,
    pub(super) object: &'a Stored,
}

impl Owner<'_> {
    /// The reference that what it controls has to it.
    pub(super) fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.place.name,
            "uid": self.uid(), "controller": true, "blockOwnerDeletion": true,
        })
    }

    fn uid(&self) -> &str {
        self.object.text("/metadata/uid")
    }

    fn selector(&self) -> LabelSelector {
        LabelSelector::from_object(self.object.value.pointer("/spec/selector").unwrap_or(&Value::Null))
    }

    /// All of a kind that it controls. It takes what nobody controls and it selects, and
    /// lets go of what it does not select any more.
    pub(super) fn claim(
        &self,
        state: &mut State,
        group: &str,
        plural: &str,
        counts: impl Fn(&Stored) -> bool,
        adopt: impl Fn(&mut Value),
    ) -> Vec<Pod> {
        let selector = self.selector();
        let near = state.store.list(group, plural, Some(&self.place.namespace));
        let near: Vec<Pod> = near
            .filter(|(_, object)| counts(object))
            .filter(|(_, object)| {
                is_controlled_by(&object.value, self.uid())
                    || controller(&object.value).is_none() && selector.matches(&object.value)
            })
            .map(|(place, object)| (place.clone(), Arc::clone(object)))
            .collect();
        let goes = is_deleted(self.object);
        let mut claimed = Vec::new();
        for (place, object) in near {
            let (mine, selected) =
                (is_controlled_by(&object.value, self.uid()), selector.matches(&object.value));
            match (mine, selected) {
                (true, true) => {}
                (true, false) => {
                    if !goes {
                        change(state, &place, "", |object| disown(object, self.uid()));
                    }
                    continue;
                }
                (false, _) if goes || is_deleted(&object) => continue,
                (false, _) => change(state, &place, "", |object| {
                    own(object, self.reference());
                    adopt(object);
                }),
            }
            let now = state.store.get(&place).cloned();
            claimed.extend(now.map(|now| (place, now)));
        }
        claimed
    }

    /// A pod that is made from a template for it.
    pub(super) fn pod(&self, template: &Value) -> Value {
        let mut metadata = json!({
            "generateName": format!("{}-", self.place.name), "ownerReferences": [self.reference()],
        });
        for field in ["labels", "annotations", "finalizers"] {
            let given = template.get("metadata").and_then(|metadata| metadata.get(field));
            if let (Some(metadata), Some(given)) = (metadata.as_object_mut(), given) {
                metadata.insert(field.to_owned(), given.clone());
            }
        }
        json!({ "metadata": metadata, "spec": template.get("spec").cloned().unwrap_or_default() })
    }
}

fn own(object: &mut Value, reference: Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let owners = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
    if let Some(owners) = owners.as_array_mut() {
        owners.push(reference);
    }
}

fn disown(object: &mut Value, uid: &str) {
    if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        owners.retain(|owner| owner.get("uid").and_then(Value::as_str) != Some(uid));
    }
}

/// The condition of this type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|condition| condition.get("type").is_some_and(|is| is == kind))
}

/// Whether a pod or a node is ready.
pub(crate) fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").and_then(|ready| ready.get("status")).is_some_and(|status| status == "True")
}

/// Since when it is ready.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|_| is_ready(pod))?;
    ready.get("lastTransitionTime")?.as_str()?.parse().ok()
}

/// Whether a pod has ended by itself.
pub(super) fn has_ended(pod: &Stored) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod runs, or will.
pub(super) fn is_active(pod: &Stored) -> bool {
    !has_ended(pod) && !is_deleted(pod)
}

/// Whether a pod is being ended.
pub(super) fn is_terminating(pod: &Stored) -> bool {
    !has_ended(pod) && is_deleted(pod)
}

/// How long ago that was, as a power of two: what is nearly as old is as old.
fn age(since: Option<Timestamp>, now: Timestamp) -> u32 {
    let nanoseconds = since.map_or(0, |since| now.duration_since(since).as_nanos());
    u128::try_from(nanoseconds).ok().and_then(u128::checked_ilog2).map_or(0, |log| log + 1)
}

/// Puts those first that are the least loss: not on a node, not started, not ready, of
/// little cost, with many of their kind on their node, the youngest. What is `related`
/// counts as of their kind.
pub(super) fn sort_for_deletion(pods: &mut [Pod], related: &[Pod], now: Timestamp) {
    let same_node = |node: &str| {
        related.iter().filter(|(_, other)| is_active(other) && other.text("/spec/nodeName") == node).count()
    };
    pods.sort_by_cached_key(|(_, pod)| {
        let phase = match pod.text("/status/phase") {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let node = pod.text("/spec/nodeName");
        let cost = pod.value.pointer("/metadata/annotations").and_then(|all| all.get(DELETION_COST));
        let cost: i32 = cost.and_then(Value::as_str).and_then(|cost| cost.parse().ok()).unwrap_or_default();
        let created = pod.text("/metadata/creationTimestamp").parse().ok();
        let place = (!node.is_empty(), phase, is_ready(&pod.value));
        let rank = (cost, std::cmp::Reverse(same_node(node)), age(ready_since(&pod.value), now));
        let uid = pod.text("/metadata/uid").to_owned();
        (place, rank, std::cmp::Reverse(most_restarts(&pod.value)), age(created, now), uid)
    });
}

/// How often each container was started again.
pub(super) fn restarts(pod: &Value) -> impl Iterator<Item = i64> {
    let of = |list: &str| pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
    let lists = [of("initContainerStatuses"), of("containerStatuses")];
    lists.into_iter().flatten().flatten().filter_map(|status| status.get("restartCount")?.as_i64())
}

fn most_restarts(pod: &Value) -> i64 {
    restarts(pod).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Managers;

    fn pod(name: &str, node: &str, phase: &str, ready: Option<&str>, created: &str) -> Pod {
        let status = if ready.is_some() { "True" } else { "False" };
        let value = json!({
            "metadata": { "uid": name, "creationTimestamp": created },
            "spec": { "nodeName": node },
            "status": { "phase": phase, "conditions": [
                { "type": "Ready", "status": status, "lastTransitionTime": ready },
            ] },
        });
        let place =
            Place { group: String::new(), plural: "pods".into(), namespace: "a".into(), name: name.into() };
        (place, Arc::new(Stored::new(value, Managers::default(), 1)))
    }

    #[test]
    fn the_least_loss_goes_first() {
        let now = "2026-01-01T10:00:00Z".parse().unwrap();
        let (early, late) = ("2026-01-01T08:00:00Z", "2026-01-01T09:59:00Z");
        let mut pods = [
            pod("oldest", "one", "Running", Some(early), early),
            pod("young", "one", "Running", Some(late), early),
            pod("unready", "one", "Running", None, early),
            pod("pending", "one", "Pending", None, early),
            pod("nowhere", "", "Pending", None, early),
            pod("crowded", "two", "Running", Some(early), early),
        ];
        let related = [pod("x", "two", "Running", None, early), pod("y", "two", "Running", None, early)];
        sort_for_deletion(&mut pods, &related, now);
        let names: Vec<&str> = pods.iter().map(|(place, _)| place.name.as_str()).collect();
        assert_eq!(names, ["nowhere", "pending", "unready", "crowded", "young", "oldest"]);
    }
}
