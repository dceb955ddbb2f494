//! Objects brought into the shape of their type: what is not declared goes, what has
//! a default gets it.

use serde_json::Value;

use super::{error::Cause, quantity};
use crate::schema::{Map, Scalar, Schema, Type, TypeId};

/// Takes out the fields that the type does not declare, writes quantities in their one
/// form, and takes out of Kubernetes' own fields those that are empty: Go does not
/// write them.
pub(crate) fn prune(schema: &Schema, id: TypeId, value: &mut Value) {
    match (schema.get(id), value) {
        (Type::Map(map), Value::Object(object)) => {
            object.retain(|name, value| {
                let Some(of) = map.of(name) else { return map.keeps_unknown };
                // The API's own fields may be null wherever they may be missing.
                if value.is_null() && drops_null(map, name) {
                    return false;
                }
                prune(schema, of, value);
                map.is_custom || name == "metadata" || !is_unwritten(schema, map, name, value)
            });
        }
        (Type::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| prune(schema, list.of, item));
        }
        (Type::Scalar(Scalar::Quantity), value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Some(canonical) = quantity::canonical(&text) {
                *value = canonical.into();
            }
        }
        _ => {}
    }
}

fn drops_null(map: &Map, name: &str) -> bool {
    map.fields.get(name).is_some_and(|field| !field.nullable)
}

/// Whether it is empty and Go would not write it: a list, or a map from names to
/// values, that need not be there.
fn is_unwritten(schema: &Schema, map: &Map, name: &str, value: &Value) -> bool {
    let Some(field) =
        map.fields.get(name).filter(|_| !map.required.iter().any(|required| **required == *name))
    else {
        return false;
    };
    match (schema.get(field.of), value) {
        (Type::List(_), Value::Array(items)) => items.is_empty(),
        (Type::Map(of), Value::Object(object)) => of.others.is_some() && object.is_empty(),
        _ => false,
    }
}

/// The object as it is before anything is said: with what is always there.
pub(crate) fn zero(schema: &Schema, id: TypeId) -> Value {
    let mut zero = serde_json::Map::new();
    if let Type::Map(map) = schema.get(id) {
        for (name, field) in &map.fields {
            let needed = map.required.contains(name);
            match schema.get(field.of) {
                Type::Map(_) if field.always => {
                    drop(zero.insert(name.to_string(), self::zero(schema, field.of)))
                }
                Type::List(_) if needed => drop(zero.insert(name.to_string(), Value::Null)),
                _ => {}
            }
        }
    }
    Value::Object(zero)
}

/// Whether every value is of the type of its field; the first that is not.
pub(crate) fn mistyped(schema: &Schema, id: TypeId, value: &Value) -> Option<String> {
    let mut known = value.clone();
    prune(schema, id, &mut known);
    crate::typed::check(schema, id, &known).err().map(|error| error.to_string())
}

/// Puts in what is not said and has a default.
pub(crate) fn default(schema: &Schema, id: TypeId, value: &mut Value) {
    match (schema.get(id), value) {
        (Type::Map(map), Value::Object(object)) => {
            for (name, field) in &map.fields {
                let missing =
                    object.get(name.as_ref()).is_none_or(|value| value.is_null() && !field.nullable);
                if let (true, Some(default)) = (missing, &field.default) {
                    object.insert(name.to_string(), default.clone());
                } else if missing && field.always {
                    object.insert(name.to_string(), Value::Object(serde_json::Map::new()));
                }
            }
            for (name, value) in object {
                if let Some(of) = map.of(name) {
                    default(schema, of, value);
                }
            }
        }
        (Type::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| default(schema, list.of, item));
        }
        _ => {}
    }
}

/// The fields that must be there and are not.
pub(crate) fn missing(schema: &Schema, id: TypeId, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    find_missing(schema, id, "", value, &mut causes);
    causes
}

fn find_missing(schema: &Schema, id: TypeId, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (schema.get(id), value) {
        (Type::Map(map), Value::Object(object)) => {
            let missing = map.required.iter().filter(|name| !object.contains_key(name.as_ref()));
            causes.extend(missing.map(|name| Cause::required(below(name), "")));
            for (name, value) in object {
                // What the system itself reports may be incomplete.
                if let Some(of) = map.of(name).filter(|_| !(path.is_empty() && name == "status")) {
                    find_missing(schema, of, &below(name), value, causes);
                }
            }
        }
        (Type::List(list), Value::Array(items)) => {
            for (place, item) in items.iter().enumerate() {
                find_missing(schema, list.of, &format!("{path}[{place}]"), item, causes);
            }
        }
        _ => {}
    }
}
