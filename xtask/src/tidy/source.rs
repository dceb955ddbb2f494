//! The text files of the checkout.

use super::Finding;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use operlet_lab::shell;
use std::process::Command;

/// A text file.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path in the checkout.
    pub(super) path: String,
    /// What it holds.
    pub(super) text: String,
}

/// All text files that are committed, or would be.
pub(super) fn all(workspace: &Workspace) -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = shell::output(&mut git).context("the rules are checked on the files that git knows")?;
    let paths = listed.split_terminator('\0');
    // What git still lists may have been removed, and what is not text is nobody's line.
    let read = |path: &str| {
        let text = std::fs::read_to_string(workspace.path(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    Ok(paths.filter_map(read).collect())
}

impl Source {
    /// Lines with their numbers, without what follows `//` in Rust files.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let rust = self.is_rust();
        let code = move |line: &'_ str| -> usize {
            if rust { comment(line).unwrap_or(line.len()) } else { line.len() }
        };
        self.lines().map(move |(number, line)| (number, line.get(..code(line)).unwrap_or(line)))
    }

    /// Lines with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

/// Where the comment of a line begins. A `//` in a string, as in an address,
/// has a character before it that code never has there.
fn comment(line: &str) -> Option<usize> {
    line.match_indices("//")
        .map(|(at, _)| at)
        .find(|at| !line.get(..*at).is_some_and(|before| before.ends_with(':')))
}
