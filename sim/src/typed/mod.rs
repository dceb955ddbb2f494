//! Values seen through their types: which fields they have, what changed between two
//! of them, and one laid over another.
//!
//! The rules follow the package `typed` of
//! [structured-merge-diff](https://github.com/kubernetes-sigs/structured-merge-diff).

mod changes;
mod check;
mod merge;
mod remove;

use std::borrow::Cow;

use serde_json::Value;

pub(crate) use changes::changes;
pub(crate) use check::check;
pub(crate) use merge::merge;
pub(crate) use remove::{remove, with_named};

use crate::{
    fields::{Element, Node, Set},
    schema::{List, ListMerge, Schema, Type, TypeId},
};

/// Why a value is not of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub(crate) struct TypeError {
    /// The field, as in `.spec.replicas`.
    path: String,
    problem: String,
}

impl TypeError {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    fn below(mut self, element: &Element) -> Self {
        self.path.insert_str(0, &element.shown());
        self
    }
}

/// All fields that a value has.
pub(crate) fn fields(schema: &Schema, id: TypeId, value: &Value) -> Result<Set, TypeError> {
    Ok(node(schema, id, value)?.below)
}

/// What a set has at the place of a value.
fn node(schema: &Schema, id: TypeId, value: &Value) -> Result<Node, TypeError> {
    let mut below = Set::default();
    match (schema.get(id), value) {
        (Type::Map(map), Value::Object(_)) if map.atomic => return Ok(Node::leaf()),
        (Type::Map(_) | Type::Any, Value::Object(object)) => {
            for (name, value) in object {
                let element = Element::field(name);
                let (of, declared) = field(schema, id, name);
                let mut node = at(schema, of, value).map_err(|error| error.below(&element))?;
                node.member |= is_nothing(value) || !declared;
                below.insert(element, node);
            }
        }
        (Type::List(list), Value::Array(items)) if list.merged != ListMerge::Atomic => {
            for item in items {
                let element = element(schema, list, item)?;
                let node = at(schema, Some(list.of), item).map_err(|error| error.below(&element))?;
                below.insert(element, Node { member: true, ..node });
            }
        }
        (Type::Map(_) | Type::List(_), Value::Null) => {}
        _ => return Ok(Node::leaf()),
    }
    Ok(Node { member: false, below })
}

fn at(schema: &Schema, id: Option<TypeId>, value: &Value) -> Result<Node, TypeError> {
    match id {
        Some(id) => node(schema, id, value),
        None => Err(TypeError::new("field not declared in schema")),
    }
}

/// The type of a field, and whether the field is declared by name.
fn field(schema: &Schema, id: TypeId, name: &str) -> (Option<TypeId>, bool) {
    match schema.get(id) {
        Type::Map(map) => (map.of(name), map.fields.contains_key(name)),
        // Below anything is anything.
        _ => (Some(id), false),
    }
}

/// Null, or an object without fields: nothing below it says that it is there.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What tells this item of a list from the others.
fn element(schema: &Schema, list: &List, item: &Value) -> Result<Element, TypeError> {
    let ListMerge::Keys(keys) = &list.merged else { return Ok(Element::value(item)) };
    let mut found = serde_json::Map::new();
    for key in keys {
        match item.get(key.as_ref()).filter(|value| !value.is_null()).map(Cow::Borrowed) {
            Some(value) => drop(found.insert(key.to_string(), value.into_owned())),
            None => {
                if let Some(default) = default(schema, list.of, key) {
                    found.insert(key.to_string(), default.clone());
                }
            }
        }
    }
    let missing = keys.iter().find(|key| !found.contains_key(key.as_ref()));
    if let (Some(missing), true) = (missing, found.is_empty()) {
        let problem = format!(
            "associative list with keys has an element that omits key field {missing:?} (and doesn't have default value)"
        );
        return Err(TypeError::new(problem));
    }
    Ok(Element::key(found))
}

fn default<'a>(schema: &'a Schema, id: TypeId, name: &str) -> Option<&'a Value> {
    match schema.get(id) {
        Type::Map(map) => map.fields.get(name)?.default.as_ref(),
        _ => None,
    }
}
