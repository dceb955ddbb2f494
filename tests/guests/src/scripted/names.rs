//! What a script may name without knowing it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::reconciler::Observation;

/// The values of the names in a script.
pub(super) struct Names {
    /// Uid and version by `Kind/name`.
    objects: BTreeMap<String, (String, String)>,
    words: Vec<(&'static str, String)>,
}

impl Names {
    pub(super) fn new(resource: &Value, observation: &Observation) -> Self {
        let text = |object: &Value, pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut objects = BTreeMap::new();
        for of_kind in &observation.observed {
            for object in &of_kind.objects {
                let object: Value = serde_json::from_str(object).unwrap_or_default();
                let key = format!("{}/{}", of_kind.kind.kind, text(&object, "/metadata/name"));
                let value = (text(&object, "/metadata/uid"), text(&object, "/metadata/resourceVersion"));
                objects.insert(key, value);
            }
        }
        let entropy = observation.entropy.iter().map(|byte| format!("{byte:02x}")).collect();
        let words = vec![
            // The longer of two that begin alike comes first.
            ("namespace", text(resource, "/metadata/namespace")),
            ("name", text(resource, "/metadata/name")),
            ("round", observation.round.to_string()),
            ("now", observation.now_ms.to_string()),
            ("entropy", entropy),
        ];
        Self { objects, words }
    }

    pub(super) fn uid(&self, kind: &str, name: &str) -> Option<&str> {
        self.objects.get(&format!("{kind}/{name}")).map(|(uid, _)| uid.as_str())
    }

    /// The value with all names replaced; an error is the name that is not known.
    pub(super) fn resolve(&self, value: Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(&text)?),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.resolve(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((name, self.resolve(value)?)));
                Value::Object(fields.collect::<Result<_, String>>()?)
            }
            other => other,
        })
    }

    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            rest = after;
            let reference = [("uid:", true), ("version:", false)]
                .into_iter()
                .find_map(|(word, is_uid)| Some((after.strip_prefix(word)?, is_uid)));
            if let Some((named, is_uid)) = reference {
                let end = named.find(|c: char| !(c.is_alphanumeric() || "-./".contains(c)));
                let (name, after) = named.split_at(end.unwrap_or(named.len()));
                // A name alone is that of a pod.
                let key = if name.contains('/') { name.to_owned() } else { format!("Pod/{name}") };
                let (uid, version) = self.objects.get(&key).ok_or(key)?;
                filled.push_str(if is_uid { uid } else { version });
                rest = after;
            } else if let Some((word, value)) = self.words.iter().find(|(word, _)| after.starts_with(word)) {
                filled.push_str(value);
                rest = after.get(word.len()..).unwrap_or_default();
            } else {
                filled.push('$');
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}
