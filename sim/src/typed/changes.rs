//! What differs between two values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{TypeError, element, field};
use crate::{
    fields::{Element, Node, Set},
    schema::{List, ListMerge, Schema, Type, TypeId},
};

/// The fields in which a value differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

impl Changes {
    /// The fields that are new or have another value.
    pub(crate) fn taken(&self) -> Set {
        self.added.clone().union(&self.modified)
    }
}

/// Compares two values of a type.
pub(crate) fn changes(schema: &Schema, id: TypeId, old: &Value, new: &Value) -> Result<Changes, TypeError> {
    let mut changes = Changes::default();
    if old != new {
        let found = at(schema, Some(id), Some(old), Some(new))?;
        changes = Changes {
            added: found.added.below,
            modified: found.modified.below,
            removed: found.removed.below,
        };
    }
    Ok(changes)
}

/// What differs at a place and below it.
#[derive(Default)]
struct Found {
    added: Node,
    modified: Node,
    removed: Node,
}

impl Found {
    fn take(&mut self, element: Element, found: Self) {
        self.added.below.insert(element.clone(), found.added);
        self.modified.below.insert(element.clone(), found.modified);
        self.removed.below.insert(element, found.removed);
    }

    /// One owner has it all: it is there, gone, or another.
    fn leaf(old: Option<&Value>, new: Option<&Value>) -> Self {
        let mut found = Self::default();
        match (old, new) {
            (None, _) => found.added.member = true,
            (_, None) => found.removed.member = true,
            (Some(old), Some(new)) => found.modified.member = old != new,
        }
        found
    }
}

fn at(
    schema: &Schema,
    id: Option<TypeId>,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<Found, TypeError> {
    let Some(id) = id else { return Err(TypeError::new("field not declared in schema")) };
    if old == new {
        return Ok(Found::default());
    }
    let is_object = |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_null());
    let is_list = |value: Option<&Value>| value.is_none_or(|value| value.is_array() || value.is_null());
    let empty = |value: Option<&Value>| match value {
        Some(Value::Object(object)) => object.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => true,
    };
    let leaf = empty(old) && empty(new);
    let mut found = match schema.get(id) {
        Type::Map(map) if map.atomic || leaf => return Ok(Found::leaf(old, new)),
        Type::List(list) if list.merged == ListMerge::Atomic || leaf => return Ok(Found::leaf(old, new)),
        Type::Map(_) | Type::Any if !leaf && is_object(old) && is_object(new) => {
            objects(schema, id, old, new)?
        }
        Type::List(list) if is_list(old) && is_list(new) => lists(schema, list, old, new)?,
        _ => return Ok(Found::leaf(old, new)),
    };
    found.added.member = old.is_none();
    found.removed.member = new.is_none();
    Ok(found)
}

fn objects(
    schema: &Schema,
    id: TypeId,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<Found, TypeError> {
    let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
    let mut found = Found::default();
    let names = old.into_iter().chain(new).flat_map(serde_json::Map::keys);
    let names: std::collections::BTreeSet<&String> = names.collect();
    for name in names {
        let (before, after) = (old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        let of = field(schema, id, name).0;
        if before == after && of.is_some() {
            continue;
        }
        let element = Element::field(name);
        let below = at(schema, of, before, after).map_err(|error| error.below(&element))?;
        found.take(element, below);
    }
    Ok(found)
}

fn lists(schema: &Schema, list: &List, old: Option<&Value>, new: Option<&Value>) -> Result<Found, TypeError> {
    let mut items: BTreeMap<Element, [Option<&Value>; 2]> = BTreeMap::new();
    for (place, value) in [old, new].into_iter().enumerate() {
        for item in value.and_then(Value::as_array).into_iter().flatten() {
            let sides = items.entry(element(schema, list, item)?).or_default();
            if let Some(side) = sides.get_mut(place) {
                *side = side.or(Some(item));
            }
        }
    }
    let mut found = Found::default();
    for (element, [before, after]) in items {
        let below = at(schema, Some(list.of), before, after).map_err(|error| error.below(&element))?;
        found.take(element, below);
    }
    Ok(found)
}
