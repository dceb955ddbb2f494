//! One step of a path to a field.

use std::sync::Arc;

use serde_json::Value;

/// A step of a path: by name into an object, or into a list by what tells its items
/// apart.
///
/// What a list is indexed by is kept as canonical JSON, with keys in order: two of
/// them are the same step exactly if their texts are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    /// A field of an object.
    Field(Arc<str>),
    /// The item of a list whose keys have these values, as a JSON object.
    Key(Arc<str>),
    /// The item of a set that is this JSON value.
    Value(Arc<str>),
}

impl Element {
    pub(crate) fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    pub(crate) fn key(keys: serde_json::Map<String, Value>) -> Self {
        Self::Key(Value::Object(keys).to_string().into())
    }

    pub(crate) fn value(value: &Value) -> Self {
        Self::Value(value.to_string().into())
    }

    /// As it is written in `fieldsV1`.
    pub(super) fn encoded(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }

    /// Reads what [`Element::encoded`] writes; nothing for anything else.
    pub(super) fn decoded(text: &str) -> Option<Self> {
        let canonical = |json: &str| Some(serde_json::from_str::<Value>(json).ok()?.to_string().into());
        match text.split_at_checked(2)? {
            ("f:", name) => Some(Self::Field(name.into())),
            ("k:", keys) => Some(Self::Key(canonical(keys)?)),
            ("v:", value) => Some(Self::Value(canonical(value)?)),
            _ => None,
        }
    }

    /// As error messages write it after the path before it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Field(name) => format!(".{name}"),
            Self::Value(value) => format!("[={value}]"),
            Self::Key(keys) => {
                let keys: serde_json::Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
        }
    }
}
