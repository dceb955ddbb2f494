//! The types of Kubernetes' own kinds.
//!
//! `schemas/kubernetes.json` is what Kubernetes publishes as its OpenAPI document,
//! less descriptions and kinds that nobody needs here.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use super::{Field, List, ListMerge, Map, Scalar, Schema, Type, TypeId, names};

const DOCUMENT: &str = include_str!("../../schemas/kubernetes.json");

static KUBERNETES: LazyLock<(Arc<Schema>, BTreeMap<String, TypeId>)> = LazyLock::new(|| {
    let document: BTreeMap<String, Value> = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut schema = Schema::default();
    let names: BTreeMap<String, TypeId> =
        document.keys().map(|name| (name.clone(), schema.add(Type::Any))).collect();
    for (name, definition) in &document {
        let of = Reader { schema: &mut schema, names: &names }.read(name, definition);
        if let Some(id) = names.get(name) {
            schema.replace(*id, of);
        }
    }
    (Arc::new(schema), names)
});

/// All types of Kubernetes.
pub(crate) fn kubernetes() -> Arc<Schema> {
    Arc::clone(&KUBERNETES.0)
}

/// The type that Kubernetes calls so, such as `io.k8s.api.core.v1.Pod`.
pub(crate) fn named(name: &str) -> Option<TypeId> {
    KUBERNETES.1.get(name).copied()
}

struct Reader<'a> {
    schema: &'a mut Schema,
    names: &'a BTreeMap<String, TypeId>,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, definition: &Value) -> Type {
        let text = |key: &str| definition.get(key).and_then(Value::as_str).unwrap_or_default();
        if name.ends_with(".Quantity") {
            return Type::Scalar(Scalar::Quantity);
        }
        if definition.get("oneOf").is_some() {
            return Type::Scalar(Scalar::Loose);
        }
        match text("type") {
            "string" => Type::Scalar(Scalar::String),
            "integer" => Type::Scalar(Scalar::Integer),
            "number" => Type::Scalar(Scalar::Number),
            "boolean" => Type::Scalar(Scalar::Boolean),
            "array" => {
                let of = self.refer(definition.get("items"));
                Type::List(List { of, merged: ListMerge::read(definition) })
            }
            // Fields of someone else's making.
            "object" if name.ends_with(".FieldsV1") || name.ends_with(".RawExtension") => Type::Any,
            "object" => Type::Map(self.map(definition)),
            _ => Type::Any,
        }
    }

    fn map(&mut self, definition: &Value) -> Map {
        let mut fields = BTreeMap::new();
        for (name, field) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let of = self.refer(Some(field));
            let default = field.get("default").filter(|default| !default.is_object()).cloned();
            let always = field.get("default").is_some_and(Value::is_object);
            // In Go null is the same as nothing.
            fields.insert(name.as_str().into(), Field { of, default, nullable: false, always });
        }
        let others = definition.get("additionalProperties").map(|others| self.refer(Some(others)));
        let required = names(definition, "required");
        let atomic = definition.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        Map { fields, others, atomic, required, keeps_unknown: false, is_custom: false }
    }

    fn refer(&mut self, definition: Option<&Value>) -> TypeId {
        let Some(definition) = definition else { return self.schema.add(Type::Any) };
        let reference = definition.get("$ref").and_then(Value::as_str);
        if let Some(id) = reference.and_then(|name| self.names.get(name)) {
            return *id;
        }
        let of = self.read("", definition);
        self.schema.add(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(schema: &'a Schema, of: &Type, name: &str) -> &'a Type {
        let Type::Map(map) = of else { panic!("{of:?} has no fields") };
        schema.get(map.of(name).unwrap())
    }

    #[test]
    fn lists_are_merged_as_kubernetes_says() {
        let schema = kubernetes();
        let service = schema.get(named("io.k8s.api.core.v1.Service").unwrap());
        let spec = field(&schema, service, "spec");
        let Type::List(ports) = field(&schema, spec, "ports") else { panic!("ports are a list") };
        assert_eq!(ports.merged, ListMerge::Keys(vec!["port".into(), "protocol".into()]));
        let Type::Map(selector) = field(&schema, spec, "selector") else { panic!("a selector is a map") };
        assert!(selector.atomic);
        let Type::Map(port) = schema.get(ports.of) else { panic!("a port has fields") };
        assert_eq!(port.fields["protocol"].default, Some("TCP".into()));
    }

    #[test]
    fn quantities_and_ports_may_be_numbers_and_texts() {
        let schema = kubernetes();
        let scalar = |name: &str| match schema.get(named(&format!("io.k8s.apimachinery.pkg.{name}")).unwrap())
        {
            Type::Scalar(scalar) => *scalar,
            other => panic!("{other:?} is no scalar"),
        };
        assert_eq!(scalar("api.resource.Quantity"), Scalar::Quantity);
        assert_eq!(scalar("util.intstr.IntOrString"), Scalar::Loose);
    }
}
