//! A configuration laid over a value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{TypeError, element, field};
use crate::{
    fields::Element,
    schema::{List, ListMerge, Schema, Type, TypeId},
};

/// The value with all that the configuration says.
pub(crate) fn merge(schema: &Schema, id: TypeId, live: &Value, config: &Value) -> Result<Value, TypeError> {
    Ok(match (schema.get(id), live, config) {
        (Type::Map(map), ..) if map.atomic => config.clone(),
        (Type::Map(_) | Type::Any, Value::Object(live), Value::Object(over)) => {
            let kept = live.iter().filter(|(name, _)| !over.contains_key(*name));
            let mut merged: Map<String, Value> =
                kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            for (name, value) in over {
                let below = |error: TypeError| error.below(&Element::field(name));
                let Some(of) = field(schema, id, name).0 else {
                    return Err(below(TypeError::new("field not declared in schema")));
                };
                let value = match live.get(name) {
                    None => value.clone(),
                    Some(live) => merge(schema, of, live, value).map_err(below)?,
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Type::List(list), Value::Array(live), Value::Array(over))
            if list.merged != ListMerge::Atomic && !(live.is_empty() && over.is_empty()) =>
        {
            Value::Array(lists(schema, list, live, over)?)
        }
        _ => config.clone(),
    })
}

/// Items of both, in the order of the configuration where it names them, and
/// otherwise where they were.
fn lists(schema: &Schema, list: &List, live: &[Value], over: &[Value]) -> Result<Vec<Value>, TypeError> {
    let elements = |items: &[Value]| -> Result<Vec<Element>, TypeError> {
        items.iter().map(|item| element(schema, list, item)).collect()
    };
    let (live_elements, over_elements) = (elements(live)?, elements(over)?);
    let known: BTreeMap<&Element, &Value> = live_elements.iter().zip(live).rev().collect();
    let wanted: BTreeSet<&Element> = over_elements.iter().collect();
    let mut shared = over_elements.iter().filter(|element| known.contains_key(element));
    let mut next_shared = shared.next();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut merged = Vec::with_capacity(live.len().max(over.len()));
    let mut left = live_elements.iter().zip(live).peekable();
    let mut right = over_elements.iter().zip(over).peekable();
    loop {
        if let (Some((element, _)), Some((other, _))) = (left.peek(), right.peek())
            && element != other
            && wanted.contains(element)
            && next_shared.is_some_and(|next| next != *element)
        {
            // It is wanted further down.
            left.next();
            continue;
        }
        if let Some((element, item)) = left.peek() {
            if !wanted.contains(element) {
                merged.push((*item).clone());
                left.next();
                continue;
            }
            if done.contains(element) {
                left.next();
                continue;
            }
        }
        let Some((element, item)) = right.next() else {
            if left.next().is_none() {
                return Ok(merged);
            }
            continue;
        };
        merged.push(match known.get(element) {
            None => item.clone(),
            Some(known) => merge(schema, list.of, known, item).map_err(|error| error.below(element))?,
        });
        if left.peek().is_some_and(|(known, _)| *known == element) {
            left.next();
        }
        if next_shared == Some(element) {
            next_shared = shared.next();
        }
        done.insert(element);
    }
}
