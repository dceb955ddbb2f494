//! Running other programs, with errors that name the program and repeat what it said.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// How much of a failed program's last words an error repeats.
const LAST_WORDS: usize = 20;

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let finished = run(command)?;
    check(command, &finished)?;
    String::from_utf8(finished.stdout).with_context(|| format!("`{}` printed no text", describe(command)))
}

/// Runs a command to its end, whatever its exit code.
pub fn run(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", describe(command)))
}

/// Runs a command with `input` on its standard input.
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .with_context(|| format!("cannot write to `{}`", describe(command)))?;
    }
    let finished = child.wait_with_output()?;
    check(command, &finished)?;
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}

/// Runs a command to its end, passing each line of its standard error to `line`.
pub fn follow(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    let mut last = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for text in BufReader::new(stderr).lines().map_while(Result::ok) {
            line(&text);
            if last.len() == LAST_WORDS {
                last.remove(0);
            }
            last.push(text);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status}); its last words:\n{}", describe(command), last.join("\n"));
    }
    Ok(())
}

/// Finds a program on the PATH or in the usual places for administrators.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|directory| directory.join(program)).find(|path| runs(path))
}

/// Whether there is a program at this path.
pub fn runs(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn check(command: &Command, finished: &Output) -> Result<()> {
    if finished.status.success() {
        return Ok(());
    }
    let said = [&finished.stdout[..], &finished.stderr[..]].map(String::from_utf8_lossy).concat();
    bail!("`{}` failed ({}):\n{}", describe(command), finished.status, said.trim_end());
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}
