//! Whether a custom resource is as the schema of its definition says.
//!
//! These are the words of JSON Schema that a structural schema may use; what is said
//! when one is not met is what the API server says.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;
use serde_json::Value;

use super::error::Cause;

/// What is wrong with a value, in the order of the schema.
pub(crate) fn problems(schema: &Value, path: &str, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, path, value, &mut causes);
    causes
}

fn check(schema: &Value, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let flag = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or_default();
    if value.is_null() && flag("nullable") {
        return;
    }
    let kind = schema.get("type").and_then(Value::as_str);
    let loose = flag("x-kubernetes-int-or-string") && (value.is_string() || value.is_i64() || value.is_u64());
    if let Some(kind) = kind.filter(|kind| !loose && !is_of(kind, value)) {
        let problem = format!("{path} in body must be of type {kind}: {:?}", name_of(value));
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            ..Cause::invalid(path, &Value::String(name_of(value).to_owned()), &problem)
        });
        return;
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        causes.push(Cause::not_supported(path, value, allowed));
    }
    match value {
        Value::Number(number) => {
            check_number(schema, path, value, number.as_f64().unwrap_or_default(), causes)
        }
        Value::String(text) => check_text(schema, path, text, causes),
        Value::Array(items) => check_items(schema, path, items, causes),
        Value::Object(object) => check_object(schema, path, object, causes),
        _ => {}
    }
    check_branches(schema, path, value, causes);
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_number(schema: &Value, path: &str, value: &Value, number: f64, causes: &mut Vec<Cause>) {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let exclusive = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or_default();
    let mut report = |problem: String| causes.push(Cause::invalid(path, value, &problem));
    if let Some(minimum) = bound("minimum") {
        if exclusive("exclusiveMinimum") && number <= minimum {
            report(format!("{path} in body should be greater than {minimum}"));
        } else if number < minimum {
            report(format!("{path} in body should be greater than or equal to {minimum}"));
        }
    }
    if let Some(maximum) = bound("maximum") {
        if exclusive("exclusiveMaximum") && number >= maximum {
            report(format!("{path} in body should be less than {maximum}"));
        } else if number > maximum {
            report(format!("{path} in body should be less than or equal to {maximum}"));
        }
    }
}

fn check_text(schema: &Value, path: &str, text: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count() as u64;
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(least) = bound("minLength").filter(|least| length < *least) {
        let problem = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, &Value::from(text), &problem));
    }
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        let message = format!("Too long: may not be more than {most} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", field: path.to_owned(), message });
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !matches(pattern, text)
    {
        let problem = format!("{path} in body should match '{pattern}'");
        causes.push(Cause::invalid(path, &Value::from(text), &problem));
    }
}

/// Patterns are few, and compiling one takes longer than all else.
fn matches(pattern: &str, text: &str) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

fn check_items(schema: &Value, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
    let count = items.len() as u64;
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(most) = bound("maxItems").filter(|most| count > *most) {
        let message = format!("Too many: {count}: must have at most {most} {}", plural(most));
        causes.push(Cause { reason: "FieldValueTooMany", field: path.to_owned(), message });
    }
    if let Some(least) = bound("minItems").filter(|least| count < *least) {
        let problem = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &Value::from(count), &problem));
    }
    if let Some(of) = schema.get("items") {
        for (place, item) in items.iter().enumerate() {
            check(of, &format!("{path}[{place}]"), item, causes);
        }
    }
    check_unique(schema, path, items, causes);
}

/// Lists that are merged by key or value have each only once.
fn check_unique(schema: &Value, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            keys.into_iter().flatten().filter_map(Value::as_str).collect()
        }
        Some("set") => Vec::new(),
        _ => return,
    };
    let identity = |item: &Value| -> Value {
        if keys.is_empty() {
            return item.clone();
        }
        let found = keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone())));
        Value::Object(found.collect())
    };
    let mut seen = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let identity = identity(item);
        if seen.contains(&identity) {
            let message = format!("Duplicate value: {identity}");
            causes.push(Cause { reason: "FieldValueDuplicate", field: format!("{path}[{place}]"), message });
        }
        seen.push(identity);
    }
}

fn check_object(
    schema: &Value,
    path: &str,
    object: &serde_json::Map<String, Value>,
    causes: &mut Vec<Cause>,
) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            causes.push(Cause::required(below(name), ""));
        }
    }
    let count = object.len() as u64;
    if let Some(most) = schema.get("maxProperties").and_then(Value::as_u64).filter(|most| count > *most) {
        let message = format!("Too many: {count}: must have at most {most} {}", plural(most));
        causes.push(Cause { reason: "FieldValueTooMany", field: path.to_owned(), message });
    }
    if let Some(least) = schema.get("minProperties").and_then(Value::as_u64).filter(|least| count < *least) {
        let problem = format!("{path} in body should have at least {least} properties");
        causes.push(Cause::invalid(path, &Value::from(count), &problem));
    }
    let declared = schema.get("properties");
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    for (name, value) in object {
        if let Some(of) = declared.and_then(|declared| declared.get(name)).or(others) {
            check(of, &below(name), value, causes);
        }
    }
}

fn check_branches(schema: &Value, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    let branches =
        |key: &str| schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fits = |branch: &&Value| problems(branch, path, value).is_empty();
    for branch in branches("allOf") {
        check(branch, path, value, causes);
    }
    let any = branches("anyOf");
    if !any.is_empty() && !any.iter().any(|branch| fits(&branch)) {
        let problem = format!("{path} in body must validate at least one schema (anyOf)");
        causes.push(Cause::invalid(path, value, &problem));
    }
    let one = branches("oneOf");
    if !one.is_empty() && one.iter().filter(fits).count() != 1 {
        let problem = format!("{path} in body must validate one and only one schema (oneOf)");
        causes.push(Cause::invalid(path, value, &problem));
    }
    if let Some(not) = schema.get("not")
        && problems(not, path, value).is_empty()
    {
        let problem = format!("{path} in body must not validate the schema (not)");
        causes.push(Cause::invalid(path, value, &problem));
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "item" } else { "items" }
}
