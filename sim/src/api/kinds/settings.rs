//! ConfigMaps, Secrets and namespaces.

use serde_json::{Value, json};

use super::{child, immutable, set};
use crate::api::error::Cause;

/// The most that a ConfigMap or Secret may hold, in bytes.
const BYTES: usize = 1024 * 1024;

pub(super) fn check_config_map(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = kept(new, old, &["/data", "/binaryData"]);
    causes.extend(too_large(new, &["data", "binaryData"], ""));
    causes
}

/// Secrets can be written as plain text; they are kept as base64.
pub(super) fn default_secret(secret: &mut Value) {
    set(secret, "type", json!("Opaque"));
    let Some(Value::Object(plain)) = secret.as_object_mut().and_then(|secret| secret.remove("stringData"))
    else {
        return;
    };
    let Some(data) = child(secret, "data").and_then(Value::as_object_mut) else { return };
    for (key, value) in plain {
        let encoded = k8s_openapi::ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec());
        data.insert(key, json!(encoded));
    }
}

pub(super) fn check_secret(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = immutable(new, old, &["/type"]);
    causes.extend(kept(new, old, &["/data"]));
    causes.extend(too_large(new, &["data"], "data"));
    causes
}

/// What is wrong if an immutable one was changed.
fn kept(new: &Value, old: Option<&Value>, pointers: &[&str]) -> Vec<Cause> {
    let is_immutable = |object: &Value| object.get("immutable") == Some(&json!(true));
    let Some(old) = old.filter(|old| is_immutable(old)) else { return Vec::new() };
    let mut causes = Vec::new();
    if !is_immutable(new) {
        causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    let changed = pointers.iter().filter(|pointer| new.pointer(pointer) != old.pointer(pointer));
    causes.extend(changed.map(|pointer| {
        Cause::forbidden(pointer.trim_start_matches('/'), "field is immutable when `immutable` is set")
    }));
    causes
}

fn too_large(object: &Value, fields: &[&str], reported: &str) -> Option<Cause> {
    let values = fields.iter().filter_map(|field| object.get(*field)).filter_map(Value::as_object).flatten();
    let bytes: usize = values.map(|(_, value)| value.as_str().map_or(0, str::len)).sum();
    let message = format!("Too long: may not be more than {BYTES} bytes");
    (bytes > BYTES).then(|| Cause { reason: "FieldValueTooLong", field: reported.to_owned(), message })
}

pub(super) fn default_namespace(namespace: &mut Value) {
    let name = namespace.pointer("/metadata/name").cloned().unwrap_or_default();
    if let Some(labels) = child(namespace, "metadata").and_then(|metadata| child(metadata, "labels")) {
        set(labels, "kubernetes.io/metadata.name", name);
    }
    if let Some(spec) = child(namespace, "spec") {
        set(spec, "finalizers", json!(["kubernetes"]));
    }
    if let Some(status) = child(namespace, "status") {
        set(status, "phase", json!("Active"));
    }
}
