//! `metadata.managedFields`: who manages what.

use serde_json::{Map, Value, json};

use super::set::Set;

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// It declared them.
    Apply,
    /// It changed them.
    Update,
}

/// An entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) operation: Operation,
    /// When its fields last changed, in RFC 3339.
    pub(crate) time: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) api_version: Box<str>,
    pub(crate) subresource: Box<str>,
    pub(crate) fields: Set,
}

/// All entries of an object, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Managers(Vec<Manager>);

impl Manager {
    /// Whether both are one manager, which has one entry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    fn identity(&self) -> (Operation, &str, &str, &str) {
        (self.operation, &self.name, &self.api_version, &self.subresource)
    }

    fn to_json(&self) -> Value {
        let mut entry = Map::new();
        let mut put = |key: &str, value: Value| drop(entry.insert(key.to_owned(), value));
        put("manager", json!(self.name));
        put(
            "operation",
            json!(match self.operation {
                Operation::Apply => "Apply",
                Operation::Update => "Update",
            }),
        );
        put("apiVersion", json!(self.api_version));
        if !self.time.is_empty() {
            put("time", json!(self.time));
        }
        put("fieldsType", json!("FieldsV1"));
        put("fieldsV1", self.fields.to_json());
        if !self.subresource.is_empty() {
            put("subresource", json!(self.subresource));
        }
        Value::Object(entry)
    }

    fn from_json(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().into();
        let operation = match entry.get("operation")?.as_str()? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            operation,
            time: text("time"),
            name: text("manager"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            fields: Set::from_json(entry.get("fieldsV1")?),
        })
    }
}

impl Managers {
    /// Reads `managedFields`; nothing if one of its entries cannot be read.
    pub(crate) fn from_json(entries: &Value) -> Option<Self> {
        let entries = entries.as_array()?.iter().map(Manager::from_json);
        Some(Self(entries.collect::<Option<_>>()?))
    }

    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(Manager::to_json).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Manager> {
        self.0.iter()
    }

    /// Takes out the entry of this manager.
    pub(crate) fn take(&mut self, manager: &Manager) -> Option<Manager> {
        let at = self.0.iter().position(|known| known.is(manager))?;
        Some(self.0.remove(at))
    }

    /// Puts in an entry; one without fields is none.
    pub(crate) fn put(&mut self, manager: Manager) {
        self.take(&manager);
        if manager.fields.is_empty() {
            return;
        }
        let order = |manager: &Manager| (manager.operation, manager.time.clone(), manager.name.clone());
        let at = self.0.partition_point(|known| order(known) <= order(&manager));
        self.0.insert(at, manager);
    }

    /// Takes these fields from everyone but one.
    pub(crate) fn lose(&mut self, fields: &Set, keeper: Option<&Manager>) {
        for manager in &mut self.0 {
            if !keeper.is_some_and(|keeper| keeper.is(manager)) && manager.fields.meets(fields) {
                manager.fields = manager.fields.difference(fields);
            }
        }
        self.0.retain(|manager| !manager.fields.is_empty());
    }
}
