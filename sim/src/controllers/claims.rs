//! Binds claims to volumes, and lets go of those that nobody uses any more.

use serde_json::{Value, json};

use super::{all, change, has_finalizer, is_deleted, release};
use crate::api::{CLAIM_FINALIZER, State};

/// What it looks at.
pub(super) const KINDS: &[(&str, &str)] =
    &[("", "persistentvolumeclaims"), ("", "pods"), ("storage.k8s.io", "storageclasses")];

pub(super) fn step(state: &mut State) {
    for (place, claim) in all(state, "", "persistentvolumeclaims") {
        if is_deleted(&claim) {
            let used = state
                .store
                .list("", "pods", Some(&place.namespace))
                .any(|(_, pod)| uses(&pod.value, &place.name));
            if !used && has_finalizer(&claim, CLAIM_FINALIZER) {
                change(state, &place, "", |claim| release(claim, CLAIM_FINALIZER));
            }
            continue;
        }
        let wanted = claim.value.pointer("/spec/resources/requests").cloned().unwrap_or_default();
        let bound = claim.text("/status/phase") == "Bound";
        let class = claim.text("/spec/storageClassName");
        let provided =
            state.store.list("storage.k8s.io", "storageclasses", None).any(|(place, _)| place.name == class);
        if !bound && !provided {
            continue;
        }
        if !bound {
            let volume = format!("pvc-{}", claim.text("/metadata/uid"));
            change(state, &place, "", |claim| {
                if let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("volumeName".to_owned(), json!(volume));
                }
            });
        }
        if !bound || claim.value.pointer("/status/capacity") != Some(&wanted) {
            let modes = claim.value.pointer("/spec/accessModes").cloned().unwrap_or_default();
            change(state, &place, "status", |claim| {
                if let Some(claim) = claim.as_object_mut() {
                    let status = json!({ "phase": "Bound", "accessModes": modes, "capacity": wanted });
                    claim.insert("status".to_owned(), status);
                }
            });
        }
    }
}

fn uses(pod: &Value, claim: &str) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| {
        volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(claim)
    })
}
