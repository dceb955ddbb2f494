use serde::Deserialize;

use crate::Text;

/// Reads JSON into a type. The error names the field, in words for a person.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| explain(text, &error))
}

/// `metadata.name` of an object that could not be read otherwise.
pub(crate) fn name_of(text: &str) -> String {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        metadata: Name<'a>,
    }
    #[derive(Deserialize)]
    struct Name<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }
    serde_json::from_str::<Named<'_>>(text)
        .map_or_else(|_| "(without a name)".to_owned(), |object| object.metadata.name.to_string())
}

/// The message with the path of the field instead of line and column, which mean
/// nothing in an object that nobody wrote on one line.
///
/// The path is found by reading the text once more up to the place of the error: a
/// deserializer that tracks paths would double the code of every type.
fn explain(text: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    let sentence = message.rfind(" at line ").and_then(|end| message.get(..end)).unwrap_or(&message);
    let path = path_at(text, offset(text, error.line(), error.column()));
    if path.is_empty() { sentence.to_owned() } else { format!("{path}: {sentence}") }
}

/// Where the last byte that was read stands.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    lines.map(str::len).sum::<usize>() + column.saturating_sub(1)
}

/// A container that is open at some place, and where in it that place is.
enum Open<'a> {
    Object(&'a str),
    Array(usize),
}

/// The path of the value that ends at, or begins after, this offset.
fn path_at(text: &str, offset: usize) -> String {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at_key = false;
    let mut rest = text.get(..offset).unwrap_or(text);
    while let Some(next) = rest.chars().next() {
        let (_, after) = rest.split_at(next.len_utf8());
        rest = after;
        match next {
            '{' => {
                open.push(Open::Object(""));
                at_key = true;
            }
            '[' => open.push(Open::Array(0)),
            '}' | ']' => {
                open.pop();
                at_key = false;
            }
            ',' => match open.last_mut() {
                Some(Open::Array(index)) => *index += 1,
                _ => at_key = true,
            },
            '"' => {
                let end = end_of_string(rest);
                if let (true, Some(Open::Object(key))) = (at_key, open.last_mut()) {
                    *key = rest.get(..end).unwrap_or_default();
                    at_key = false;
                }
                rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
            }
            _ => {}
        }
    }
    // What is said at the end of a container is about the container.
    if text.get(offset..).is_some_and(|rest| rest.starts_with(['}', ']'])) {
        open.pop();
    }
    join(&open)
}

/// Where the quotation mark stands that ends a string.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

fn join(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for place in open {
        match place {
            Open::Object(key) if path.is_empty() => path.push_str(key),
            Open::Object(key) => {
                path.push('.');
                path.push_str(key);
            }
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Outer {
        name: Option<String>,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Inner {
        size: u32,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Known,
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(parse::<Outer>(text).unwrap_err(), expected, "{text}");
    }

    #[test]
    fn errors_name_the_field() {
        check(r#"{"name": 5, "inner": []}"#, "name: invalid type: integer `5`, expected a string");
        check(
            r#"{"name": "a\"b", "inner": [{"size": 1}, {"size": "x"}]}"#,
            r#"inner[1].size: invalid type: string "x", expected u32"#,
        );
        check(r#"{"inner": [{"size": {"a": 1}}]}"#, "inner[0].size: invalid type: map, expected u32");
        check(r#"{"inner": [{"size": -1}]}"#, "inner[0].size: invalid value: integer `-1`, expected u32");
        check(r#"{"inner": [{"kind": "Known"}]}"#, "inner[0]: missing field `size`");
        check(
            "{\"inner\": [\n  {\"kind\": \"Odd\"}\n]}",
            "inner[0].kind: unknown variant `Odd`, expected `Known`",
        );
        check(r#"{"name": "x"}"#, "missing field `inner`");
    }

    #[test]
    fn a_text_that_is_no_json_is_said_to_be_none() {
        check("", "EOF while parsing a value");
        check("{\"inner\": [", "inner: EOF while parsing a list");
    }
}
