//! Fields taken out of a value.

use serde_json::Value;

use super::{element, field};
use crate::{
    fields::{Element, Node, Set},
    schema::{ListMerge, Schema, Type, TypeId},
};

/// The value without these fields and items; nothing if nothing is left of it.
pub(crate) fn remove(schema: &Schema, id: TypeId, value: &Value, fields: &Set) -> Option<Value> {
    if fields.is_empty() {
        return Some(value.clone());
    }
    match (schema.get(id), value) {
        (Type::Map(map), Value::Object(_)) if map.atomic => None,
        (Type::Map(_) | Type::Any, Value::Object(object)) => {
            let mut kept = serde_json::Map::new();
            for (name, value) in object {
                let left = match (fields.get(&Element::field(name)), field(schema, id, name).0) {
                    (Some(node), _) if node.member => None,
                    // It was not to go itself: that nothing is left of it is a null.
                    (Some(node), Some(of)) => {
                        Some(remove(schema, of, value, &node.below).unwrap_or_default())
                    }
                    _ => Some(value.clone()),
                };
                kept.extend(left.map(|left| (name.clone(), left)));
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Type::List(list), Value::Array(_)) if list.merged == ListMerge::Atomic => None,
        (Type::List(list), Value::Array(items)) => {
            let left = |item: &Value| {
                let node = element(schema, list, item).ok().and_then(|element| fields.get(&element));
                match node {
                    Some(node) if node.member => None,
                    Some(node) => remove(schema, list.of, item, &node.below),
                    None => Some(item.clone()),
                }
            };
            let kept: Vec<Value> = items.iter().filter_map(left).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => Some(value.clone()),
    }
}

/// The set, and with it each declared field on the way to its members: whoever has
/// all of an object that a type declares has the object.
pub(crate) fn with_named(schema: &Schema, id: Option<TypeId>, set: &Set) -> Set {
    let mut named = Set::default();
    for (element, node) in set.iter() {
        let (of, declared) = match (id, element) {
            (Some(id), Element::Field(name)) => field(schema, id, name),
            (Some(id), _) => match schema.get(id) {
                Type::List(list) => (Some(list.of), false),
                _ => (None, false),
            },
            (None, _) => (None, false),
        };
        let member = node.member || declared && !node.below.is_empty();
        named.insert(element.clone(), Node { member, below: with_named(schema, of, &node.below) });
    }
    named
}
