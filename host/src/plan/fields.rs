//! The fields of an object, taken apart only where the host adds something: most of
//! an object goes from the component to the API server as it was written.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// Members of a JSON object. Of a name that is there twice the last counts.
type Members<'a> = BTreeMap<Cow<'a, str>, Field<'a>>;

/// A JSON value.
#[derive(Debug)]
pub(super) enum Field<'a> {
    /// As it was written.
    Text(&'a RawValue),
    /// An object that was taken apart.
    Members(Members<'a>),
    /// An array that was taken apart.
    Elements(Vec<Field<'a>>),
    /// What was added.
    Added(Value),
}

impl<'a> Field<'a> {
    /// The value that a text is; none if it is not JSON.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self::Text)
    }

    /// Its members, if it is an object. Nothing and `null` become one.
    pub(super) fn members(&mut self) -> Option<&mut Members<'a>> {
        match self {
            Self::Text(text) => {
                let Parsed(members) = match text.get() {
                    "null" => Parsed(Members::new()),
                    text => serde_json::from_str(text).ok()?,
                };
                *self = Self::Members(members);
            }
            Self::Added(Value::Null) => *self = Self::Members(Members::new()),
            Self::Members(_) | Self::Elements(_) | Self::Added(_) => {}
        }
        if let Self::Members(members) = self { Some(members) } else { None }
    }

    /// Its elements, if it is an array.
    pub(super) fn elements(&mut self) -> Option<&mut Vec<Field<'a>>> {
        if let Self::Text(text) = self {
            let elements: Vec<&'a RawValue> = serde_json::from_str(text.get()).ok()?;
            *self = Self::Elements(elements.into_iter().map(Self::Text).collect());
        }
        if let Self::Elements(elements) = self { Some(elements) } else { None }
    }

    /// A member, if it is an object that has it.
    pub(super) fn member(&mut self, name: &str) -> Option<&mut Field<'a>> {
        self.members()?.get_mut(name)
    }

    /// The text, if it is a string.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        let Self::Text(text) = self else { return None };
        serde_json::from_str::<Name<'_>>(text.get()).ok().map(|Name(text)| text)
    }

    /// Sets `path.name`, making objects on the way. Where something else than an
    /// object is in the way nothing is set: the API server refuses such an object.
    pub(super) fn set(&mut self, path: &[&'static str], name: &'static str, value: Value) {
        let Some(members) = self.members() else { return };
        match path.split_first() {
            Some((first, rest)) => {
                let next = members.entry(Cow::Borrowed(*first)).or_insert(Self::Added(Value::Null));
                next.set(rest, name, value);
            }
            None => {
                members.insert(Cow::Borrowed(name), Self::Added(value));
            }
        }
    }

    /// The JSON of all of it.
    ///
    /// The API server reads an apply as YAML, whose parser knows no character in two
    /// escapes (`\\ud83d\\ude00`); such a text is written anew.
    pub(super) fn json(&self) -> String {
        // Maps with names for keys, and values that are JSON, can be written.
        let text = serde_json::to_string(self).unwrap_or_default();
        let escaped = ["\\ud", "\\uD"].iter().any(|escape| text.contains(escape));
        let anew = || serde_json::from_str::<Value>(&text).ok().map(|value| value.to_string());
        escaped.then(anew).flatten().unwrap_or(text)
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Members(members) => members.serialize(serializer),
            Self::Elements(elements) => elements.serialize(serializer),
            Self::Added(value) => value.serialize(serializer),
        }
    }
}

struct Parsed<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Parsed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Parsed<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed<'de>, A::Error> {
        let mut members = Members::new();
        while let Some(Name(name)) = map.next_key()? {
            members.insert(name, Field::Text(map.next_value()?));
        }
        Ok(Parsed(members))
    }
}

/// A string, copied only if something in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, change: impl FnOnce(&mut Field<'_>), expected: &str) {
        let mut field = Field::parse(text).unwrap();
        change(&mut field);
        assert_eq!(field.json(), expected);
    }

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let text = r#"{"z":1.50,"a":"\u003c","n":null, "b":[1e3]}"#;
        check(text, |_| {}, text);
        let set = |field: &mut Field<'_>| field.set(&["m"], "x", Value::from(1));
        check(text, set, r#"{"a":"\u003c","b":[1e3],"m":{"x":1},"n":null,"z":1.50}"#);
    }

    #[test]
    fn objects_are_made_on_the_way_and_nothing_else_is_replaced() {
        let set = |field: &mut Field<'_>| field.set(&["a", "b"], "c", Value::from(true));
        check("{}", set, r#"{"a":{"b":{"c":true}}}"#);
        check(r#"{"a":null}"#, set, r#"{"a":{"b":{"c":true}}}"#);
        check(r#"{"a":{"b":{"c":1,"d":2}}}"#, set, r#"{"a":{"b":{"c":true,"d":2}}}"#);
        for text in [r#"{"a":[1]}"#, r#"{"a":"b"}"#, "[1]", "7"] {
            check(text, set, text);
        }
    }

    #[test]
    fn of_a_name_that_is_there_twice_only_the_last_is_left() {
        let mut field = Field::parse(r#"{"a":{"x":1},"a":{"y":"\"q"}}"#).unwrap();
        let inner = field.member("a").unwrap();
        assert!(inner.member("x").is_none());
        assert_eq!(inner.member("y").and_then(|field| field.text()).as_deref(), Some("\"q"));
        assert_eq!(field.json(), r#"{"a":{"y":"\"q"}}"#);
    }

    #[test]
    fn a_character_in_two_escapes_is_written_as_one() {
        check(r#"{"a":"\ud83d\ude00"}"#, |_| {}, "{\"a\":\"\u{1f600}\"}");
    }

    #[test]
    fn elements_are_taken_apart_one_by_one() {
        let each = |field: &mut Field<'_>| {
            for element in field.elements().unwrap() {
                element.set(&[], "x", Value::from(1));
            }
        };
        check(r#"[{"a":2},null,3]"#, each, r#"[{"a":2,"x":1},{"x":1},3]"#);
    }
}
