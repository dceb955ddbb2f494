use serde::Deserialize;

use crate::Text;

/// Reads JSON into a type. The error names the field, in words for a person.
///
/// Most texts are right, so the plain reader goes first; only for one that is
/// wrong a second pass tracks the path.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| explain::<T>(text).unwrap_or_else(|| sentence(&error)))
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

fn explain<'a, T: Deserialize<'a>>(text: &'a str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let error = serde_path_to_error::deserialize::<_, T>(&mut reader).err()?;
    let path = error.path().to_string();
    let message = sentence(error.inner());
    Some(if path == "." { message } else { format!("{path}: {message}") })
}

/// The message without line and column, which mean nothing in an object that
/// nobody wrote on one line.
fn sentence(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) => message.get(..end).unwrap_or(&message).to_owned(),
        None => message,
    }
}
