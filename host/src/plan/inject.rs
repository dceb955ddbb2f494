//! What the host adds to the objects of a resource.

use serde_json::{Value, json};

use super::fields::Field;
use crate::model::{APPLIED_BY_ANNOTATION, GroupVersionKind, OWNER_LABEL, ObjectKey, Owner};

/// The least that names an object.
pub(super) fn identity(key: &ObjectKey) -> Field<'static> {
    let mut body = Field::Added(Value::Null);
    body.set(&[], "apiVersion", Value::from(key.kind.api_version()));
    body.set(&[], "kind", Value::from(key.kind.kind.as_str()));
    body.set(&["metadata"], "name", Value::from(key.name.as_str()));
    place(&mut body, key);
    body
}

/// The namespace that the object has.
pub(super) fn place(body: &mut Field<'_>, key: &ObjectKey) {
    match &key.namespace {
        Some(namespace) => body.set(&["metadata"], "namespace", Value::from(namespace.as_str())),
        None => {
            body.member("metadata")
                .and_then(Field::members)
                .and_then(|metadata| metadata.remove("namespace"));
        }
    }
}

/// The owner label and the owner reference.
pub(super) fn ownership(body: &mut Field<'_>, owner: &Owner) {
    body.set(&["metadata", "labels"], OWNER_LABEL, Value::from(Owner::label_value(&owner.key)));
    let reference = json!([{
        "apiVersion": owner.key.kind.api_version(),
        "kind": owner.key.kind.kind,
        "name": owner.key.name,
        "uid": owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    body.set(&["metadata"], "ownerReferences", reference);
}

/// The annotation that tells what was ensured from what was brought about.
pub(super) fn applied_by(body: &mut Field<'_>, operlet: &str) {
    body.set(&["metadata", "annotations"], APPLIED_BY_ANNOTATION, Value::from(operlet));
}

/// The owner label in the templates of the workload kinds, so that the pods and
/// claims made from them are found as well.
pub(super) fn templates(body: &mut Field<'_>, kind: &GroupVersionKind, owner: &Owner) {
    let label = Value::from(Owner::label_value(&owner.key));
    // A template that the component left out stays left out.
    let mark = |template: Option<&mut Field<'_>>| {
        if let Some(template) = template {
            template.set(&["metadata", "labels"], OWNER_LABEL, label.clone());
        }
    };
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "StatefulSet") => {
            let Some(spec) = body.member("spec") else { return };
            mark(spec.member("template"));
            let claims = spec.member("volumeClaimTemplates").and_then(Field::elements);
            for claim in claims.into_iter().flatten() {
                mark(Some(claim));
            }
        }
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            mark(body.member("spec").and_then(|spec| spec.member("template")));
        }
        ("batch", "CronJob") => {
            let Some(job) = body.member("spec").and_then(|spec| spec.member("jobTemplate")) else { return };
            mark(Some(&mut *job));
            mark(job.member("spec").and_then(|spec| spec.member("template")));
        }
        _ => {}
    }
}
