//! The types of custom resources, from the structural schema of their definition.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Field, List, ListMerge, Map, Scalar, Schema, Type, TypeId,
    kubernetes::{kubernetes, named},
    names,
};

/// What every object has, whether its definition says so or not.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The types of a structural schema, and that of the whole object.
pub(crate) fn from_structural(structural: &Value) -> (Schema, TypeId) {
    let mut schema = Schema::default();
    let of = object(&mut schema, structural);
    let id = schema.add(of);
    (schema, id)
}

/// An object of the API, with a type, a name and so on.
fn object(schema: &mut Schema, structural: &Value) -> Type {
    let mut of = read(schema, structural);
    if let Type::Map(map) = &mut of {
        let metadata = metadata(schema);
        for name in ["apiVersion", "kind"] {
            let text = schema.add(Type::Scalar(Scalar::String));
            map.fields.insert(name.into(), Field { of: text, default: None, nullable: false, always: false });
        }
        map.fields
            .insert("metadata".into(), Field { of: metadata, default: None, nullable: false, always: true });
    }
    of
}

/// The type of `metadata`, copied out of Kubernetes' own.
fn metadata(schema: &mut Schema) -> TypeId {
    let known = kubernetes();
    match named(OBJECT_META) {
        Some(id) => copy(schema, &known, id),
        None => schema.add(Type::Any),
    }
}

fn copy(schema: &mut Schema, from: &Schema, id: TypeId) -> TypeId {
    let of = match from.get(id) {
        Type::Any => Type::Any,
        Type::Scalar(scalar) => Type::Scalar(*scalar),
        Type::List(list) => {
            let merged = match &list.merged {
                ListMerge::Atomic => ListMerge::Atomic,
                ListMerge::Set => ListMerge::Set,
                ListMerge::Keys(keys) => ListMerge::Keys(keys.clone()),
            };
            Type::List(List { of: copy(schema, from, list.of), merged })
        }
        Type::Map(map) => {
            let mut fields = BTreeMap::new();
            for (name, field) in &map.fields {
                let (of, default) = (copy(schema, from, field.of), field.default.clone());
                let Field { nullable, always, .. } = *field;
                fields.insert(name.clone(), Field { of, default, nullable, always });
            }
            let others = map.others.map(|others| copy(schema, from, others));
            let required = map.required.clone();
            Type::Map(Map { fields, others, required, atomic: map.atomic, ..Map::default() })
        }
    };
    schema.add(of)
}

fn read(schema: &mut Schema, structural: &Value) -> Type {
    let text = |key: &str| structural.get(key).and_then(Value::as_str).unwrap_or_default();
    let flag = |key: &str| structural.get(key).and_then(Value::as_bool).unwrap_or_default();
    if flag("x-kubernetes-int-or-string") {
        return Type::Scalar(Scalar::Loose);
    }
    match text("type") {
        "string" => Type::Scalar(Scalar::String),
        "integer" => Type::Scalar(Scalar::Integer),
        "number" => Type::Scalar(Scalar::Number),
        "boolean" => Type::Scalar(Scalar::Boolean),
        "array" => {
            let of = structural.get("items").map_or(Type::Any, |items| read(schema, items));
            Type::List(List { of: schema.add(of), merged: ListMerge::read(structural) })
        }
        "object" if flag("x-kubernetes-embedded-resource") => object(schema, &without_mark(structural)),
        "object" => Type::Map(map(schema, structural)),
        _ => Type::Any,
    }
}

fn without_mark(structural: &Value) -> Value {
    let mut structural = structural.clone();
    if let Some(structural) = structural.as_object_mut() {
        structural.remove("x-kubernetes-embedded-resource");
    }
    structural
}

fn map(schema: &mut Schema, structural: &Value) -> Map {
    let flag = |key: &str| structural.get(key).and_then(Value::as_bool).unwrap_or_default();
    let mut fields = BTreeMap::new();
    for (name, field) in structural.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let of = read(schema, field);
        let of = schema.add(of);
        let nullable = field.get("nullable").and_then(Value::as_bool).unwrap_or_default();
        fields.insert(
            name.as_str().into(),
            Field { of, default: field.get("default").cloned(), nullable, always: false },
        );
    }
    let keeps_unknown = flag("x-kubernetes-preserve-unknown-fields");
    let others = match structural.get("additionalProperties") {
        Some(Value::Bool(false)) | None if !keeps_unknown => None,
        Some(others @ Value::Object(_)) => {
            let of = read(schema, others);
            Some(schema.add(of))
        }
        _ => Some(schema.add(Type::Any)),
    };
    let required = names(structural, "required");
    let atomic = structural.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
    Map { fields, others, atomic, required, keeps_unknown, is_custom: true }
}
