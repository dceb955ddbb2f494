//! Objects as documents for people.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

/// A Kubernetes object in the order in which people write one.
pub(super) struct Ordered<'a>(pub(super) &'a Value);

const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
const LAST: &str = "status";

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(object) = self.0 else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(object.len()))?;
        let first = FIRST.iter().filter_map(|key| object.get_key_value(*key));
        let rest = object.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()) && *key != LAST);
        for (key, value) in first.chain(rest).chain(object.get_key_value(LAST)) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// As YAML, with a line break at the end.
pub(super) fn yaml(value: &impl Serialize) -> String {
    let mut options = serde_saphyr::SerializerOptions::default();
    // Long lines stay as they are: a folded one is hard to search and to copy.
    options.folded_wrap_chars = usize::MAX;
    let mut text = serde_saphyr::to_string_with_options(value, options)
        // What comes here was JSON, or is made of plain structs.
        .unwrap_or_else(|error| format!("# cannot be shown: {error}\n"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// As JSON for people, with a line break at the end.
pub(super) fn json(value: &impl Serialize) -> String {
    match serde_json::to_string_pretty(value) {
        Ok(text) => text + "\n",
        Err(error) => format!("{{\"error\":{:?}}}\n", error.to_string()),
    }
}

/// Each line as a comment of YAML.
pub(super) fn comment(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        let text = yaml(
            &json!({"a": "true", "b": "1", "c": "no", "d": "null", "e": "1e3", "f": "", "g": "2024-01-01"}),
        );
        for quoted in ["true", "1", "no", "null", "1e3", "", "2024-01-01"] {
            let (single, double) = (format!("'{quoted}'"), format!("\"{quoted}\""));
            assert!(text.contains(&single) || text.contains(&double), "{quoted:?} in:\n{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let long = "a long line of words ".repeat(20);
        let value = json!({
            "apiVersion": "v1", "lines": "one\ntwo\n\nthree", "trailing": "one\n\n", "long": long,
            "odd": ["- a", "# b", "c: d", " e ", "\t", "\u{1}", "é", "{", "*x", "&y", "!z", "%", "@", "`"],
            "empty": [{}, [], "", null, true, 1, -1.5],
            "number-key": {"1": "one", "true": "two"},
        });
        let text = yaml(&value);
        let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, value, "{text}");
    }

    #[test]
    fn several_lines_are_written_as_several_lines() {
        let text = yaml(&json!({"conf": "one\ntwo\n"}));
        assert_eq!(text, "conf: |\n  one\n  two\n");
    }

    #[test]
    fn an_object_begins_with_what_it_is() {
        let object = json!({"status": {}, "data": {}, "metadata": {}, "kind": "K", "apiVersion": "v1"});
        let text = yaml(&Ordered(&object));
        let keys: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(keys, ["apiVersion", "kind", "metadata", "data", "status"]);
    }
}
