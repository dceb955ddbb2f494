//! Label and field selectors.

use serde_json::Value;

use super::error::Refusal;

/// What labels must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    values: Vec<String>,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    In,
    NotIn,
    Exists,
    Absent,
}

impl LabelSelector {
    /// Reads the words of a query, such as `a=b,c in (d, e),!f`.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        parts(text).into_iter().map(Requirement::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Reads a `LabelSelector` of an object.
    pub(crate) fn from_object(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            requirements.push(Requirement { key: key.clone(), values, rule: Rule::In });
        }
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or_default();
            let values = expression.get("values").and_then(Value::as_array);
            let values = values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            let rule = match text("operator") {
                "In" => Rule::In,
                "NotIn" => Rule::NotIn,
                "Exists" => Rule::Exists,
                _ => Rule::Absent,
            };
            requirements.push(Requirement { key: text("key").to_owned(), values, rule });
        }
        Self(requirements)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
            requirement.accepts(value)
        })
    }
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let new = |key: &str, values: Vec<String>, rule| Self { key: key.trim().to_owned(), values, rule };
        if let Some((key, values)) = text.split_once(" notin ") {
            return Ok(new(key, listed(values)?, Rule::NotIn));
        }
        if let Some((key, values)) = text.split_once(" in ") {
            return Ok(new(key, listed(values)?, Rule::In));
        }
        let one = |value: &str| vec![value.trim().to_owned()];
        if let Some((key, value)) = text.split_once("!=") {
            return Ok(new(key, one(value), Rule::NotIn));
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok(new(key, one(value), Rule::In));
        }
        if let Some(key) = text.strip_prefix('!') {
            return Ok(new(key, Vec::new(), Rule::Absent));
        }
        let odd = |letter: char| letter.is_whitespace() || "()<>".contains(letter);
        if text.is_empty() || text.contains(odd) {
            return Err(Refusal::bad_request(format!("unable to parse requirement: {text:?}")));
        }
        Ok(new(text, Vec::new(), Rule::Exists))
    }

    fn accepts(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|allowed| allowed == value);
        match self.rule {
            Rule::In => value.is_some_and(listed),
            Rule::NotIn => !value.is_some_and(listed),
            Rule::Exists => value.is_some(),
            Rule::Absent => value.is_none(),
        }
    }
}

/// What is between commas that are in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
    .collect()
}

fn listed(text: &str) -> Result<Vec<String>, Refusal> {
    let inside = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let inside =
        inside.ok_or_else(|| Refusal::bad_request(format!("unable to parse requirement: {text:?}")))?;
    Ok(inside.split(',').map(|value| value.trim().to_owned()).collect())
}

/// What fields must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(String, String, bool)>);

impl FieldSelector {
    /// Reads the words of a query; fields that a kind does not offer are refused.
    pub(crate) fn parse(text: &str, offered: &[&str]) -> Result<Self, Refusal> {
        let mut all = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else {
                let (field, value) = part
                    .split_once("==")
                    .or_else(|| part.split_once('='))
                    .ok_or_else(|| Refusal::bad_request(format!("invalid field selector: {part:?}")))?;
                (field, value, true)
            };
            let known = ["metadata.name", "metadata.namespace"];
            if !known.contains(&field) && !offered.contains(&field) {
                return Err(Refusal::bad_request(format!("field label not supported: {field}")));
            }
            all.push((format!("/{}", field.replace('.', "/")), value.to_owned(), equal));
        }
        Ok(Self(all))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(pointer, wanted, equal)| {
            let value = match object.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            (value == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &str, labels: Value, expected: bool) {
        let selector = LabelSelector::parse(selector).unwrap();
        assert_eq!(selector.matches(&json!({ "metadata": { "labels": labels } })), expected, "{selector:?}");
    }

    #[test]
    fn labels_are_selected_as_kubectl_writes_it() {
        check("", json!({}), true);
        check("a=b", json!({ "a": "b" }), true);
        check("a==b,c!=d", json!({ "a": "b", "c": "d" }), false);
        check("a!=b", json!({}), true);
        check("a in (b, c),d", json!({ "a": "c", "d": "" }), true);
        check("a notin (b)", json!({ "a": "b" }), false);
        check("!a", json!({ "a": "b" }), false);
        check("!a", json!({}), true);
        assert!(LabelSelector::parse("a b").is_err());
    }

    #[test]
    fn fields_are_selected_only_where_they_are_offered() {
        let object = json!({ "metadata": { "name": "a" }, "status": { "phase": "Running" } });
        assert!(FieldSelector::parse("metadata.name=a", &[]).unwrap().matches(&object));
        assert!(!FieldSelector::parse("metadata.name!=a", &[]).unwrap().matches(&object));
        assert!(FieldSelector::parse("status.phase=Running", &["status.phase"]).unwrap().matches(&object));
        assert!(FieldSelector::parse("status.phase=Running", &[]).is_err());
    }
}
