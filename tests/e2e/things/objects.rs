//! Parts of scripts.

use serde_json::{Value, json};

/// A ConfigMap with one entry.
pub(super) fn config_map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "value": value } })
}

/// That this object should be so.
pub(super) fn ensure(object: Value) -> Value {
    json!({ "ensure": { "object": object } })
}

/// A script that settles on this at once.
pub(super) fn settle(settle: Value) -> Value {
    json!([{ "settle": settle }])
}

/// A script that ensures these ConfigMaps, by name and value.
pub(super) fn ensuring(config_maps: &[(&str, &str)]) -> Value {
    let intents: Vec<Value> =
        config_maps.iter().map(|(name, value)| ensure(config_map(name, value))).collect();
    settle(json!({ "intents": intents }))
}

/// That the object with this uid should go.
pub(super) fn remove(kind: &str, name: &str, uid: &str) -> Value {
    json!({ "remove": { "apiVersion": "v1", "kind": kind, "name": name, "uid": uid } })
}

/// A question for one object.
pub(super) fn get(id: &str, api_version: &str, kind: &str, name: &str) -> Value {
    json!({ "id": id, "get": { "apiVersion": api_version, "kind": kind, "name": name } })
}
