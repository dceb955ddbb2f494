//! What came of a run.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What came of a run.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    /// Of all that happened.
    pub(crate) hash: u64,
    /// How long it went on in its own time, in seconds.
    pub(crate) seconds: f64,
    /// How many requests there were.
    pub(crate) requests: u64,
    /// How many times hosts wrote.
    pub(crate) writes: u64,
    /// The objects at the end, by kind, namespace and name, without what differs by
    /// chance.
    pub(crate) end: Vec<(String, Value)>,
    pub(crate) problems: Vec<String>,
    /// How often a person has given up data.
    pub(crate) losses: u64,
}

impl Outcome {
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes problems, each once.
    pub(crate) fn note(&mut self, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    pub(crate) fn failed(seed: u64, problem: String) -> Self {
        Self { seed, problems: vec![problem], ..Self::default() }
    }

    /// Notes where the end is another than that of a run in which nothing failed.
    pub(crate) fn compare(&mut self, reference: &Self) {
        let find = |of: &Self, name: &str| {
            of.end.iter().find(|(known, _)| known == name).map(|(_, object)| object.clone())
        };
        let mut names: Vec<&String> = self.end.iter().chain(&reference.end).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        let mut problems = Vec::new();
        for name in names {
            match (find(reference, name), find(self, name)) {
                (Some(expected), Some(is)) => differences(name, &expected, &is, &mut problems),
                (Some(_), None) => problems.push(format!("{name} is not there at the end")),
                (None, _) => problems.push(format!("{name} is there at the end, and should not be")),
            }
        }
        self.problems.extend(problems);
    }
}

/// A line for each place in which two values differ.
fn differences(path: &str, expected: &Value, is: &Value, found: &mut Vec<String>) {
    match (expected, is) {
        (Value::Object(expected), Value::Object(is)) => {
            let mut keys: Vec<&String> = expected.keys().chain(is.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let null = Value::Null;
                let at = |object: &serde_json::Map<String, Value>| object.get(key).unwrap_or(&null).clone();
                differences(&format!("{path}.{key}"), &at(expected), &at(is), found);
            }
        }
        (Value::Array(expected), Value::Array(is)) if expected.len() == is.len() => {
            for (place, (expected, is)) in expected.iter().zip(is).enumerate() {
                differences(&format!("{path}[{place}]"), expected, is, found);
            }
        }
        (expected, is) if expected == is => {}
        (expected, is) => found.push(format!("{path} is {is} at the end, and should be {expected}")),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, hash, requests, writes, .. } = self;
        writeln!(formatter, "seed {seed}: {requests} requests, {writes} writes of hosts, hash {hash:016x}")?;
        self.problems.iter().try_for_each(|problem| writeln!(formatter, "  {problem}"))
    }
}
