//! `cargo xtask tidy`: rules about the sources that no compiler checks.
//!
//! They are what keeps the code as `docs/architecture.md` describes it, so
//! that a change which crosses a line is seen before it is reviewed.

mod files;
mod layers;
mod manifests;
mod source;

use crate::workspace::Workspace;
use anyhow::{Result, bail};
use clap::Args;
use operlet_lab::progress::Progress;
use std::fmt;

/// Check the rules of docs/architecture.md that no compiler checks, and name each line that breaks one.
#[derive(Debug, Args)]
pub(crate) struct Tidy {}

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 is the file as a whole.
    line: usize,
    message: String,
}

impl Tidy {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let sources = source::all(workspace)?;
        let mut findings = manifests::check(workspace, &sources);
        for source in &sources {
            findings.extend(files::check(source));
            findings.extend(layers::check(source));
        }
        findings.sort();
        if findings.is_empty() {
            Progress::Shown.say(&format!("{} files keep the rules", sources.len()));
            return Ok(());
        }
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        bail!(
            "{}\n{} lines break a rule (docs/architecture.md says why they are there)",
            lines.join("\n"),
            lines.len()
        );
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.message),
            line => write!(formatter, "{}:{line}: {}", self.path, self.message),
        }
    }
}
