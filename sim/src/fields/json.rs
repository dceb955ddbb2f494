//! Sets of paths as `fieldsV1` of `managedFields` writes them.

use serde_json::{Map, Value, json};

use super::{
    element::Element,
    set::{Node, Set},
};

/// That the path to here is a member, too.
const SELF: &str = ".";

impl Set {
    /// As `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        for (element, node) in self.iter() {
            let mut below = node.below.to_json();
            if let Value::Object(below) = &mut below
                && node.member
                && !below.is_empty()
            {
                below.insert(SELF.to_owned(), json!({}));
            }
            fields.insert(element.encoded(), below);
        }
        Value::Object(fields)
    }

    /// Reads `fieldsV1`; steps that are unknown are left out.
    pub(crate) fn from_json(json: &Value) -> Self {
        let mut set = Self::default();
        for (text, below) in json.as_object().into_iter().flatten() {
            let Some(element) = Element::decoded(text) else { continue };
            let empty = below.as_object().is_none_or(Map::is_empty);
            let member = empty || below.get(SELF).is_some();
            set.insert(element, Node { member, below: Self::from_json(below) });
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let json = json!({
            "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
            "f:spec": { "f:ports": { "k:{\"port\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:port": {} } } },
        });
        let set = Set::from_json(&json);
        assert_eq!(set.to_json(), json);
        let expected = [
            ".metadata.labels",
            ".metadata.labels.a",
            ".spec.ports[port=80,protocol=\"TCP\"]",
            ".spec.ports[port=80,protocol=\"TCP\"].port",
        ];
        assert_eq!(set.shown(), expected);
    }
}
