//! The name of a lab: part of paths, cgroups and network namespaces.

use anyhow::{Result, bail};
use std::fmt;
use std::str::FromStr;

const LENGTH_MAX: usize = 20;

/// A checked name: lower-case letters, digits and dashes, at most 20 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network namespace of a node.
    pub fn namespace(&self, node: u8) -> String {
        format!("operlet-{self}-{node}")
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > LENGTH_MAX || !text.chars().all(allowed) || text.starts_with('-') {
            bail!(
                "`{text}` cannot name a lab: use lower-case letters, digits and dashes, \
                 at most {LENGTH_MAX}, and no dash in front"
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: bool) {
        assert_eq!(text.parse::<Name>().is_ok(), expected, "{text:?}");
    }

    #[test]
    fn names_are_safe_in_paths_and_interfaces() {
        check("demo", true);
        check("e2e-1", true);
        check("", false);
        check("..", false);
        check("a/b", false);
        check("-rf", false);
        check("Demo", false);
        check("a-name-that-is-too-long", false);
    }
}
