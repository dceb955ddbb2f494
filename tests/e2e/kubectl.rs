//! kubectl against the lab, as a person would use it.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_lab::Lab;
use serde_json::Value;

/// How long anything may take that should come about.
const PATIENCE: Duration = Duration::from_secs(180);

/// kubectl as the administrator of the lab.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    pub(crate) lab: Lab,
}

impl Kubectl {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.kubectl_command();
        command.args(arguments);
        command
    }

    /// Runs it and returns what it printed, or what it complained about.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).stdin(Stdio::null()).output().expect("kubectl starts");
        answer(&output)
    }

    /// Runs it; a failure fails the test.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
    }

    /// Runs it with this on its standard input.
    pub(crate) fn try_feed(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        stdin.write_all(input.as_bytes()).expect("kubectl reads its input");
        drop(stdin);
        answer(&child.wait_with_output().expect("kubectl ends"))
    }

    /// Applies manifests, as the documentation says to.
    #[track_caller]
    pub(crate) fn apply(&self, manifests: &str) -> String {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.try_feed(&arguments, manifests).unwrap_or_else(|error| panic!("apply: {error}\n{manifests}"))
    }

    /// An object, or none.
    pub(crate) fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let found = self.run(&["get", "-n", namespace, kind, name, "-o", "json", "--ignore-not-found"]);
        (!found.trim().is_empty()).then(|| serde_json::from_str(&found).expect("kubectl prints JSON"))
    }

    /// All objects of some kinds, by a label selector.
    pub(crate) fn list(&self, namespace: &str, kinds: &str, selector: &str) -> Vec<Value> {
        let found = self.run(&["get", "-n", namespace, kinds, "-l", selector, "-o", "json"]);
        let found: Value = serde_json::from_str(&found).expect("kubectl prints JSON");
        found["items"].as_array().expect("a list has items").clone()
    }
}

fn answer(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// Tries until it succeeds; fails the test with the last error.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    within(PATIENCE, what, attempt)
}

/// The same for what takes its time.
#[track_caller]
pub(crate) fn within<T>(patience: Duration, what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if Instant::now() > deadline => panic!("{what} did not come about: {error}"),
            Err(_) => sleep(Duration::from_millis(300)),
        }
    }
}

/// Whether it holds, with words for when it does not.
pub(crate) fn check(holds: bool, otherwise: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
