//! `cargo xtask test`: every level of tests, from pure functions to pods.

mod lab;

use crate::building::describe;
use crate::guests;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use operlet_lab::progress::Progress;
use std::process::Command;

/// The package of the tests that need more than one part of the project.
const TESTS: &str = "operlet-tests";

/// Run the tests: one level, or all of them from the quickest to the slowest.
///
/// What a level needs is installed or built first, and said: the wasm32 target for components, and for the lab
/// the programs of a real Kubernetes, which are built once a machine.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The level to run; all without one
    #[arg(value_enum)]
    level: Option<Level>,
    /// Leave the lab up after its tests, to look around
    #[arg(long)]
    keep_lab: bool,
    /// What to pass on to the tests, such as a part of their names
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// How much of the world a test takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// The logic of host, SDK and operlets, as ordinary functions
    Native,
    /// Real components in the real engine
    Component,
    /// The whole of it on a real Kubernetes (needs root)
    Lab,
}

impl Test {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let levels = match self.level {
            Some(level) => vec![level],
            None => vec![Level::Native, Level::Component, Level::Lab],
        };
        for level in levels {
            match level {
                Level::Native => self.native(workspace),
                Level::Component => self.component(workspace),
                Level::Lab => self.lab(workspace),
            }
            .with_context(|| format!("the {} tests failed", level.name()))?;
        }
        Progress::Shown.say("all of these tests passed");
        Ok(())
    }

    fn native(&self, workspace: &Workspace) -> Result<()> {
        let others = workspace.packages.iter().filter(|package| package.name != TESTS);
        let tests = others.flat_map(Package::tests).flat_map(|name| ["--test", name]);
        let mut selection = vec!["--lib", "--bins", "--examples"];
        selection.extend(tests);
        self.cargo_test(workspace, &selection)?;
        self.cargo_test(workspace, &["--doc"])
    }

    fn component(&self, workspace: &Workspace) -> Result<()> {
        guests::build(workspace)?;
        self.suite(workspace, "component")
    }

    fn lab(&self, workspace: &Workspace) -> Result<()> {
        guests::build(workspace)?;
        let lab = lab::TestLab::up(workspace)?;
        let outcome = self.suite(workspace, "lab");
        if self.keep_lab {
            lab.leave();
            return outcome;
        }
        lab.down(outcome)
    }

    /// Runs one of the test binaries in `tests/`.
    fn suite(&self, workspace: &Workspace, name: &str) -> Result<()> {
        let there = workspace.package(TESTS).is_some_and(|package| package.tests().any(|test| test == name));
        ensure!(there, "the package {TESTS} has no tests named {name}");
        self.cargo_test(workspace, &["--test", name])
    }

    fn cargo_test(&self, workspace: &Workspace, selection: &[&str]) -> Result<()> {
        let mut cargo = workspace.native("test");
        cargo.args(selection).arg("--").args(&self.arguments);
        cargo.env("OPERLET_LAB", lab::NAME);
        shown(&mut cargo)
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Component => "component",
            Self::Lab => "lab",
        }
    }
}

/// Runs a command whose output is for the person who waits for it.
fn shown(command: &mut Command) -> Result<()> {
    Progress::Shown.say(&format!("running `{}`", describe(command)));
    let status = command.status().with_context(|| format!("cannot start `{}`", describe(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", describe(command));
    }
    Ok(())
}
