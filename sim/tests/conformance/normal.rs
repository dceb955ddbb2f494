//! Answers without what differs from one time to the next.

use serde_json::{Map, Value, json};

/// Replaces names that are given out at random, versions and times: equal ones by
/// equal words.
#[derive(Debug, Default)]
pub(crate) struct Normal {
    namespace: String,
    uids: Vec<String>,
    versions: Vec<String>,
    /// Words that are others each time, and what stands for them.
    words: Vec<(String, String)>,
}

/// What a bookmark after all that was there says.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Fields that hold a time.
const TIMES: [&str; 8] = [
    "creationTimestamp",
    "deletionTimestamp",
    "time",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastProbeTime",
    "startTime",
    "completionTime",
];

impl Normal {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }

    /// From now on something stands for a word.
    pub(crate) fn hide(&mut self, word: &str, shown: &str) {
        self.words.push((word.to_owned(), shown.to_owned()));
    }

    pub(crate) fn of(&mut self, body: &Value) -> Value {
        self.learn(body);
        self.with_known(body)
    }

    /// Takes note of all uids: they may be told before it is said that they are such.
    fn learn(&mut self, body: &Value) {
        match body {
            Value::Object(object) => {
                for (key, value) in object {
                    match value {
                        Value::String(uid) if key == "uid" => drop(numbered("uid", uid, &mut self.uids)),
                        value => self.learn(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn with_known(&mut self, body: &Value) -> Value {
        let is_list = body.get("items").is_some();
        match body {
            Value::Object(object) => Value::Object(self.object(object, is_list)),
            Value::Array(items) => items.iter().map(|item| self.with_known(item)).collect(),
            Value::String(text) => json!(self.text(text)),
            other => other.clone(),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, is_list: bool) -> Map<String, Value> {
        let generated = object.get("generateName").and_then(Value::as_str).map(str::to_owned);
        // Others may have written meanwhile.
        let is_bookmark = object.get("annotations").is_some_and(|all| all.get(INITIAL_END).is_some());
        let mut normal = Map::new();
        for (key, value) in object {
            let value = match (key.as_str(), value) {
                ("resourceVersion", _) if is_bookmark => json!("<now>"),
                ("uid", Value::String(uid)) => json!(numbered("uid", uid, &mut self.uids)),
                ("resourceVersion", Value::String(version)) if !version.is_empty() => {
                    json!(numbered("version", version, &mut self.versions))
                }
                ("metadata", Value::Object(metadata)) if is_list => {
                    let mut metadata = metadata.clone();
                    metadata.entry("resourceVersion").and_modify(|version| *version = json!("<version>"));
                    metadata.entry("continue").and_modify(|token| *token = json!("<continue>"));
                    Value::Object(metadata)
                }
                ("name", Value::String(_)) if generated.is_some() => {
                    json!(format!("{}<suffix>", generated.as_deref().unwrap_or_default()))
                }
                (key, Value::String(_)) if TIMES.contains(&key) => json!("<time>"),
                ("clusterIP", Value::String(address)) if address.contains('.') => json!("<address>"),
                ("clusterIPs", Value::Array(addresses))
                    if addresses.iter().any(|address| address != "None") =>
                {
                    json!(["<address>"])
                }
                // In the one order in which they are compared.
                ("managedFields", Value::Array(entries)) => {
                    let mut entries: Vec<Value> =
                        entries.iter().map(|entry| self.with_known(entry)).collect();
                    entries.sort_by_key(ToString::to_string);
                    Value::Array(entries)
                }
                (_, value) => self.with_known(value),
            };
            normal.insert(self.text(key), value);
        }
        normal
    }

    /// A text without what differs each time.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.namespace, "<namespace>");
        for (number, uid) in self.uids.iter().enumerate() {
            text = text.replace(uid, &format!("<uid {}>", number + 1));
        }
        for (word, shown) in &self.words {
            text = text.replace(word, shown);
        }
        text
    }
}

fn numbered(what: &str, value: &str, known: &mut Vec<String>) -> String {
    let place = known.iter().position(|one| one == value).unwrap_or_else(|| {
        known.push(value.to_owned());
        known.len() - 1
    });
    format!("<{what} {}>", place + 1)
}
