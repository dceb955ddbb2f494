//! Roles and their bindings, and definitions of custom resources.

use serde_json::{Value, json};

use super::{child, items, set};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn default(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef") {
        set(role, "apiGroup", json!(RBAC));
    }
    for subject in items(object, "subjects") {
        if subject.get("kind") != Some(&json!("ServiceAccount")) {
            set(subject, "apiGroup", json!(RBAC));
        }
    }
}

pub(super) fn default_definition(definition: &mut Value) {
    let Some(spec) = child(definition, "spec") else { return };
    set(spec, "conversion", json!({ "strategy": "None" }));
    if let Some(names) = child(spec, "names") {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        set(names, "singular", json!(kind.to_lowercase()));
        set(names, "listKind", json!(format!("{kind}List")));
    }
}
