//! Reads files, or standard input in their place.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::CliError;

/// The bytes of a file; of standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    bytes.map_err(|source| CliError::Read { file: file.to_owned(), source })
}

/// The documents of a YAML or JSON file, those of a `List` one by one, without
/// empty ones.
pub(super) fn documents(file: &Path) -> Result<Vec<Value>, CliError> {
    let yaml = |problem: String| CliError::Yaml { file: file.to_owned(), problem };
    let text = String::from_utf8(read(file)?).map_err(|error| yaml(error.to_string()))?;
    // JSON is YAML too, but its own parser is quicker and knows no limits of size.
    let documents = match serde_json::from_str::<Value>(&text) {
        Ok(document) => vec![document],
        Err(_) => serde_saphyr::from_multiple::<Value>(&text).map_err(|error| yaml(error.to_string()))?,
    };
    Ok(documents.into_iter().flat_map(items).filter(|document| !document.is_null()).collect())
}

fn items(document: Value) -> Vec<Value> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Object(mut list) if is_list => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        other => vec![other],
    }
}

/// The YAML and JSON files of a directory, by name.
pub(super) fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |source| CliError::Read { file: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes to standard output. That nobody reads on is no error: `| head` is
/// enough for that.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Write { file: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

/// Tells the user something on standard error.
pub(super) fn note(text: &str) {
    // A note that cannot be written is no reason to stop.
    let _ = writeln!(io::stderr(), "note: {text}");
}
