//! Running cargo as one step: its last line beside the step while it works,
//! and all that it complained about when it failed.

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use operlet_lab::progress::{Progress, Step};
use serde::Deserialize;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What cargo says while all is well; anything else is worth repeating.
const ROUTINE: [&str; 12] = [
    "Adding",
    "Blocking",
    "Building",
    "Checking",
    "Compiling",
    "Downloaded",
    "Downloading",
    "Finished",
    "Fresh",
    "Locking",
    "Running",
    "Updating",
];

/// Builds the host and returns its binary.
pub(crate) fn host(workspace: &Workspace) -> Result<PathBuf> {
    run("Build the host", workspace.native("build").args(["--bin", "operlet"]))?;
    Ok(workspace.release("operlet"))
}

/// Runs a cargo command as one step and returns what it wrote to standard output.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<String> {
    Progress::Shown.step(title, |step| follow(step, command))
}

/// The components among what `cargo build --message-format json` made.
pub(crate) fn components(messages: &str) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let mut components: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .flat_map(|message| message.filenames)
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    components.sort();
    components
}

fn follow(step: &Step, command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", describe(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both pipes are read at once, or a full one would stop cargo.
    let (printed, complaints) = std::thread::scope(|scope| {
        let printed = scope.spawn(|| {
            let mut printed = String::new();
            stdout.map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut printed)).map(|_| printed)
        });
        let complaints = stderr.map(|pipe| complaints(step, pipe)).unwrap_or_default();
        (printed.join(), complaints)
    });
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status}):\n{}", describe(command), complaints.join("\n"));
    }
    let Ok(printed) = printed else { bail!("the reader of cargo's output failed") };
    printed.context("cargo printed no text")
}

/// A command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

fn complaints(step: &Step, pipe: impl Read) -> Vec<String> {
    let mut complaints = Vec::new();
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let words = line.trim_start();
        step.at(words);
        if !ROUTINE.iter().any(|routine| words.starts_with(routine)) {
            complaints.push(line);
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/b.wasm","/t/libb.rlib"]}
{"reason":"compiler-artifact","filenames":["/t/a.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(components(messages), [PathBuf::from("/t/a.wasm"), PathBuf::from("/t/b.wasm")]);
    }
}
