//! Names, labels and what else every object has.

use serde_json::{Value, json};

use super::{error::Cause, registry::Resource};

/// What is wrong with the metadata of an object, in the place of an old one.
pub(crate) fn problems(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if old.is_none() {
        causes.extend(wrong_name(resource, name));
    }
    for (key, value) in pairs(object, "labels") {
        causes.extend(wrong_key("metadata.labels", key));
        causes.extend(wrong_label("metadata.labels", value));
    }
    for (key, _) in pairs(object, "annotations") {
        causes.extend(wrong_key("metadata.annotations", &key.to_lowercase()));
    }
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    for (place, owner) in owners.into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences[{place}].{field}");
                causes.push(Cause {
                    message: "Invalid value: \"\": must not be empty".to_owned(),
                    ..Cause::invalid(field, &json!(""), "")
                });
            }
        }
    }
    if let Some(old) = old {
        causes.extend(late_finalizers(object, old));
    }
    causes
}

fn pairs<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let pairs = object.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
    pairs.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

/// Of these kinds the name becomes part of a domain name.
const LABEL_NAMES: [&str; 2] = ["Service", "Namespace"];
/// These may be called almost anything.
const FREE_NAMES: &str = "rbac.authorization.k8s.io";

fn wrong_name(resource: &Resource, name: &str) -> Option<Cause> {
    let problem = if resource.group == FREE_NAMES {
        name.contains(['/', '%']).then_some("may not contain '/'")?
    } else if resource.group.is_empty() && LABEL_NAMES.contains(&resource.kind.as_str()) {
        (!is_label(name)).then_some("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")?
    } else {
        (!is_subdomain(name)).then_some("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")?
    };
    Some(Cause::invalid("metadata.name", &name.into(), problem))
}

fn is_label(name: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|letter| letters(letter) || letter == '-')
        && name.starts_with(letters)
        && name.ends_with(letters)
}

fn is_subdomain(name: &str) -> bool {
    (1..=253).contains(&name.len()) && name.split('.').all(|part| !part.is_empty() && is_part(part))
}

fn is_part(part: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    part.chars().all(|letter| letters(letter) || letter == '-')
        && part.starts_with(letters)
        && part.ends_with(letters)
}

fn is_word(word: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let edge = |letter: char| letter.is_ascii_alphanumeric();
    word.len() <= 63 && word.chars().all(inner) && word.starts_with(edge) && word.ends_with(edge)
}

fn wrong_key(field: &str, key: &str) -> Option<Cause> {
    let (prefix, word) = key.split_once('/').map_or((None, key), |(prefix, word)| (Some(prefix), word));
    let good = is_word(word) && prefix.is_none_or(is_subdomain);
    let problem = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    (!good).then(|| Cause::invalid(field, &key.into(), problem))
}

fn wrong_label(field: &str, value: &str) -> Option<Cause> {
    let problem = if value.len() > 63 {
        "must be no more than 63 bytes"
    } else {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    };
    (!value.is_empty() && !is_word(value)).then(|| Cause::invalid(field, &value.into(), problem))
}

/// What is being deleted gets no new reason to stay.
fn late_finalizers(object: &Value, old: &Value) -> Option<Cause> {
    old.pointer("/metadata/deletionTimestamp")?;
    let all = |object: &Value| -> Vec<String> {
        let all = object.pointer("/metadata/finalizers").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let before = all(old);
    let new: Vec<String> = all(object).into_iter().filter(|name| !before.contains(name)).collect();
    let shown: Vec<String> = new.iter().map(|name| format!("{name:?}")).collect();
    let problem = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        shown.join(", ")
    );
    (!new.is_empty()).then(|| Cause::forbidden("metadata.finalizers", &problem))
}
