//! What the host adds to the objects of a resource.

use serde_json::{Map, Value, json};

use crate::model::{APPLIED_BY_ANNOTATION, GroupVersionKind, OWNER_LABEL, ObjectKey, Owner};

/// The least that names an object.
pub(super) fn identity(key: &ObjectKey) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), Value::from(key.name.as_str()));
    if let Some(namespace) = &key.namespace {
        metadata.insert("namespace".to_owned(), Value::from(namespace.as_str()));
    }
    json!({ "apiVersion": key.kind.api_version(), "kind": key.kind.kind, "metadata": metadata })
}

/// The owner label and the owner reference.
pub(super) fn ownership(body: &mut Value, owner: &Owner) {
    set(body, &["metadata", "labels"], OWNER_LABEL, Value::from(Owner::label_value(&owner.key)));
    let reference = json!([{
        "apiVersion": owner.key.kind.api_version(),
        "kind": owner.key.kind.kind,
        "name": owner.key.name,
        "uid": owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    set(body, &["metadata"], "ownerReferences", reference);
}

/// The annotation that tells what was ensured from what was brought about.
pub(super) fn applied_by(body: &mut Value, operlet: &str) {
    set(body, &["metadata", "annotations"], APPLIED_BY_ANNOTATION, Value::from(operlet));
}

/// The owner label in the templates of the workload kinds, so that the pods and
/// claims made from them are found as well.
pub(super) fn templates(body: &mut Value, kind: &GroupVersionKind, owner: &Owner) {
    let label = Value::from(Owner::label_value(&owner.key));
    let mut mark = |path: &[&str]| {
        let mut path = path.to_vec();
        // A template that the component left out stays left out.
        if body.pointer(&format!("/{}", path.join("/"))).is_some() {
            path.extend(["metadata", "labels"]);
            set(body, &path, OWNER_LABEL, label.clone());
        }
    };
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "StatefulSet" | "Deployment" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            mark(&["spec", "template"]);
        }
        ("batch", "CronJob") => {
            mark(&["spec", "jobTemplate"]);
            mark(&["spec", "jobTemplate", "spec", "template"]);
        }
        _ => {}
    }
    let claims = body.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    if let ("apps", "StatefulSet", Some(claims)) = (kind.group.as_str(), kind.kind.as_str(), claims) {
        for claim in claims {
            set(claim, &["metadata", "labels"], OWNER_LABEL, label.clone());
        }
    }
}

/// Sets `path.name`, making maps on the way. Where something else than a map is
/// in the way nothing is set: the API server refuses such an object.
fn set(body: &mut Value, path: &[&str], name: &str, value: Value) {
    if body.is_null() {
        *body = Value::Object(Map::new());
    }
    let Value::Object(map) = body else { return };
    match path.split_first() {
        Some((first, rest)) => set(map.entry(*first).or_insert(Value::Null), rest, name, value),
        None => {
            map.insert(name.to_owned(), value);
        }
    }
}
