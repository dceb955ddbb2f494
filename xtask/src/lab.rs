//! The lab.

use crate::workspace::Workspace;
use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Lab {}

impl Lab {
    pub(crate) fn run(&self, _: &Workspace) -> Result<()> {
        match *self {}
    }
}

/// The lab that the tests run on.
pub(crate) struct ForTests {}

impl ForTests {
    pub(crate) fn up(_: &Workspace) -> Result<Self> {
        Ok(Self {})
    }
    pub(crate) fn leave(self) {}
    pub(crate) fn down(self, outcome: Result<()>) -> Result<()> {
        outcome
    }
}
