//! Whether a value is of its type, as server-side apply asks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{TypeError, element, field};
use crate::{
    fields::Element,
    schema::{ListMerge, Scalar, Schema, Type, TypeId},
};

/// Fails with the first field that is not declared, or of another type.
pub(crate) fn check(schema: &Schema, id: TypeId, value: &Value) -> Result<(), TypeError> {
    let expected = match (schema.get(id), value) {
        // Nothing is of every type.
        (_, Value::Null) | (Type::Any, _) => return Ok(()),
        (Type::Map(_), Value::Object(object)) => {
            for (name, value) in object {
                let element = Element::field(name);
                let checked = match field(schema, id, name).0 {
                    Some(of) => check(schema, of, value),
                    None => Err(TypeError::new("field not declared in schema")),
                };
                checked.map_err(|error| error.below(&element))?;
            }
            return Ok(());
        }
        (Type::List(list), Value::Array(items)) => {
            let mut seen = BTreeSet::new();
            for item in items {
                check(schema, list.of, item)?;
                if list.merged == ListMerge::Atomic {
                    continue;
                }
                let element = element(schema, list, item)?;
                let shown = element.shown();
                if !seen.insert(element) {
                    return Err(TypeError::new(format!("duplicate entries for key {shown}")));
                }
            }
            return Ok(());
        }
        (Type::Scalar(scalar), value) if is(*scalar, value) => return Ok(()),
        (Type::Map(_), _) => "map",
        (Type::List(_), _) => "list",
        (Type::Scalar(Scalar::String), _) => "string",
        (Type::Scalar(Scalar::Integer | Scalar::Number), _) => "numeric (int or float)",
        (Type::Scalar(Scalar::Boolean), _) => "boolean",
        (Type::Scalar(Scalar::Loose | Scalar::Quantity), _) => "scalar",
    };
    Err(TypeError::new(format!("expected {expected}, got {value}")))
}

pub(super) fn is(scalar: Scalar, value: &Value) -> bool {
    match scalar {
        Scalar::String => value.is_string(),
        Scalar::Integer => value.is_i64() || value.is_u64(),
        Scalar::Number => value.is_number(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Loose | Scalar::Quantity => value.is_string() || value.is_number(),
    }
}
