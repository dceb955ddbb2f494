//! What objects look like: their fields, and how server-side apply merges them.

mod custom;
mod kubernetes;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use custom::from_structural;
pub(crate) use kubernetes::{kubernetes, named};

/// Types that refer to each other.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    types: Vec<Type>,
}

/// A type of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeId(usize);

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Type {
    /// Anything: objects are merged field by field, lists as a whole.
    Any,
    /// One value.
    Scalar(Scalar),
    /// An object.
    Map(Map),
    /// A list.
    List(List),
}

/// What one value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Integer,
    Number,
    Boolean,
    /// A number or a text, such as a port.
    Loose,
    /// An amount of something, which is kept in one form.
    Quantity,
}

/// An object with declared fields, or a map from names to values.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) fields: BTreeMap<Box<str>, Field>,
    /// Of what is not declared; without it, nothing else is allowed.
    pub(crate) others: Option<TypeId>,
    /// Whether it has one owner as a whole.
    pub(crate) atomic: bool,
    /// Fields that must be there.
    pub(crate) required: Vec<Box<str>>,
    /// Whether what is not declared is kept as it is.
    pub(crate) keeps_unknown: bool,
    /// Whether a definition of custom resources declares it: there, null is a value.
    pub(crate) is_custom: bool,
}

/// A declared field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) of: TypeId,
    /// What it is if it is not said.
    pub(crate) default: Option<Value>,
    /// Whether it may be null.
    pub(crate) nullable: bool,
    /// Whether it is always there, if only as an object without fields.
    pub(crate) always: bool,
}

/// A list.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) of: TypeId,
    pub(crate) merged: ListMerge,
}

/// What tells the items of a list apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ListMerge {
    /// Nothing: it has one owner as a whole.
    Atomic,
    /// Their values.
    Set,
    /// These fields.
    Keys(Vec<Box<str>>),
}

impl ListMerge {
    /// As the schema of a list says.
    fn read(list: &Value) -> Self {
        match list.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("map") => Self::Keys(names(list, "x-kubernetes-list-map-keys")),
            Some("set") => Self::Set,
            _ => Self::Atomic,
        }
    }
}

/// Names of fields that a schema lists.
fn names(schema: &Value, key: &str) -> Vec<Box<str>> {
    let all = schema.get(key).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

impl Schema {
    pub(crate) fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0).unwrap_or(&Type::Any)
    }

    /// A type that anything is of.
    pub(crate) fn anything(&self) -> TypeId {
        TypeId(usize::MAX)
    }

    fn add(&mut self, of: Type) -> TypeId {
        self.types.push(of);
        TypeId(self.types.len() - 1)
    }

    fn replace(&mut self, id: TypeId, of: Type) {
        if let Some(place) = self.types.get_mut(id.0) {
            *place = of;
        }
    }
}

impl Map {
    /// The type of a field of this name, if there may be one.
    pub(crate) fn of(&self, name: &str) -> Option<TypeId> {
        self.fields.get(name).map(|field| field.of).or(self.others)
    }
}
