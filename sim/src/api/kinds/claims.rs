//! Claims for storage, and the classes that they name.

use serde_json::{Value, json};

use super::{child, set};
use crate::api::error::Cause;

pub(super) fn default(claim: &mut Value) {
    default_spec(claim);
    if let Some(status) = child(claim, "status") {
        set(status, "phase", json!("Pending"));
    }
}

/// The defaults of `spec`, which a claim template has, too.
pub(super) fn default_spec(claim: &mut Value) {
    if let Some(spec) = child(claim, "spec") {
        set(spec, "volumeMode", json!("Filesystem"));
        set(spec, "resources", json!({}));
    }
}

/// Only what is requested may change, and what is put in when it is bound.
pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let Some(old) = old else { return Vec::new() };
    let fixed = |claim: &Value| {
        let mut spec = claim.get("spec").cloned().unwrap_or_default();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("resources");
        }
        spec
    };
    let (mut before, after) = (fixed(old), fixed(new));
    let mut causes = Vec::new();
    for field in ["volumeName", "storageClassName"] {
        if let Some(value) = after.get(field).cloned() {
            set(&mut before, field, value);
        }
    }
    if before != after {
        let problem = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        causes.push(Cause::forbidden("spec", problem));
    }
    let requested = |claim: &Value| claim.pointer("/spec/resources/requests/storage").cloned();
    let bound = old.pointer("/status/phase") == Some(&json!("Bound"));
    if requested(old) != requested(new) && !bound {
        let problem = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        causes.push(Cause::forbidden("spec", problem));
    }
    causes.dedup();
    causes
}

pub(super) fn default_class(class: &mut Value) {
    set(class, "reclaimPolicy", json!("Delete"));
    set(class, "volumeBindingMode", json!("Immediate"));
}
