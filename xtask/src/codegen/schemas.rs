//! What Kubernetes publishes of its own kinds, less what a simulation does not need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use operlet_lab::files;
use serde_json::{Map, Value};

/// The documents that the kinds are in.
const DOCUMENTS: [&str; 13] = [
    "api__v1",
    "apis__apiextensions.k8s.io__v1",
    "apis__apps__v1",
    "apis__authorization.k8s.io__v1",
    "apis__autoscaling__v1",
    "apis__batch__v1",
    "apis__coordination.k8s.io__v1",
    "apis__discovery.k8s.io__v1",
    "apis__events.k8s.io__v1",
    "apis__networking.k8s.io__v1",
    "apis__policy__v1",
    "apis__rbac.authorization.k8s.io__v1",
    "apis__storage.k8s.io__v1",
];

/// The kinds.
const KINDS: [&str; 29] = [
    "api.apps.v1.ControllerRevision",
    "api.apps.v1.Deployment",
    "api.apps.v1.ReplicaSet",
    "api.apps.v1.StatefulSet",
    "api.authorization.v1.SelfSubjectAccessReview",
    "api.autoscaling.v1.Scale",
    "api.batch.v1.CronJob",
    "api.batch.v1.Job",
    "api.coordination.v1.Lease",
    "api.core.v1.ConfigMap",
    "api.core.v1.Event",
    "api.core.v1.Namespace",
    "api.core.v1.Node",
    "api.core.v1.PersistentVolume",
    "api.core.v1.PersistentVolumeClaim",
    "api.core.v1.Pod",
    "api.core.v1.Secret",
    "api.core.v1.Service",
    "api.core.v1.ServiceAccount",
    "api.discovery.v1.EndpointSlice",
    "api.events.v1.Event",
    "api.networking.v1.NetworkPolicy",
    "api.policy.v1.PodDisruptionBudget",
    "api.rbac.v1.ClusterRole",
    "api.rbac.v1.ClusterRoleBinding",
    "api.rbac.v1.Role",
    "api.rbac.v1.RoleBinding",
    "api.storage.v1.StorageClass",
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
];

/// The words of a schema that say what an object is, and not what it means.
const WORDS: [&str; 13] = [
    "$ref",
    "additionalProperties",
    "default",
    "format",
    "items",
    "oneOf",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
];

/// Makes the file, a line for each type, from the sources of Kubernetes.
pub(super) fn generate() -> Result<String> {
    let sources = operlet_lab::kubernetes_sources()?;
    let mut known = BTreeMap::new();
    for document in DOCUMENTS {
        known.extend(types(&sources.join(format!("api/openapi-spec/v3/{document}_openapi.json")))?);
    }
    let mut kept = BTreeMap::new();
    let mut wanted: BTreeSet<String> = KINDS.iter().map(|kind| format!("io.k8s.{kind}")).collect();
    while let Some(name) = wanted.pop_first() {
        let definition = known.get(&name).with_context(|| format!("Kubernetes has no type {name}"))?;
        let definition = trimmed(definition);
        references(&definition, &mut wanted);
        wanted.retain(|name| !kept.contains_key(name));
        wanted.remove(&name);
        kept.insert(name, definition);
    }
    let lines: Vec<String> = kept
        .iter()
        .map(|(name, definition)| format!("{}: {definition}", Value::from(name.as_str())))
        .collect();
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")))
}

fn types(path: &Path) -> Result<BTreeMap<String, Value>> {
    let document: Value = serde_json::from_str(&files::read(path)?)?;
    let types = document.pointer("/components/schemas").and_then(Value::as_object);
    let types = types.with_context(|| format!("{} declares no types", path.display()))?;
    Ok(types.iter().map(|(name, definition)| (name.clone(), definition.clone())).collect())
}

/// A schema with the words that are kept, and references by name alone.
fn trimmed(schema: &Value) -> Value {
    let Some(words) = schema.as_object() else { return schema.clone() };
    let mut words = words.clone();
    // A reference with anything beside it is written as the one part of a whole.
    if let Some([one]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        words.extend(one.as_object().cloned().unwrap_or_default());
    }
    let mut kept = Map::new();
    for (word, value) in words.into_iter().filter(|(word, _)| WORDS.contains(&word.as_str())) {
        let value = match (word.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                fields.into_iter().map(|(name, field)| (name, trimmed(&field))).collect()
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => trimmed(&value),
            ("default", value) if is_zero(&value) => continue,
            ("$ref", Value::String(path)) => path.rsplit('/').next().map(Value::from).unwrap_or_default(),
            (_, value) => value,
        };
        kept.insert(word, value);
    }
    Value::Object(kept)
}

/// What a field is in Go if nobody says what; but an object is said to be there.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(words) => {
            for (word, value) in words {
                match value {
                    Value::String(name) if word == "$ref" => drop(found.insert(name.clone())),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
