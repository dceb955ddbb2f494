//! `cargo xtask test`: every level of tests, from pure functions to pods.

mod lab;

use crate::building::describe;
use crate::guests;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use operlet_lab::progress::Progress;
use std::ffi::OsStr;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The package of the tests that need more than one part of the project.
pub(crate) const TESTS: &str = "operlet-tests";

/// How many seeds of the simulation run, twice each: the same must happen.
const SEEDS: &str = "210";

/// For how many minutes seeds run that nobody has seen yet: others each day.
const MINUTES: &str = "5";

/// More seeds than are run in a day.
const SEEDS_A_DAY: u64 = 1_000_000;

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
    /// The host on a Kubernetes in memory
    Sim,
    /// The whole of it on a real Kubernetes (needs root)
    Lab,
}

impl Test {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let levels = match self.level {
            Some(level) => vec![level],
            None => vec![Level::Native, Level::Component, Level::Sim, Level::Lab],
        };
        for level in levels {
            match level {
                Level::Native => self.native(workspace),
                Level::Component => self.component(workspace),
                Level::Sim => self.sim(workspace),
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
        let mut selection = vec!["--lib", "--bins"];
        selection.extend(tests);
        self.cargo_test(workspace, &selection, &[])?;
        self.cargo_test(workspace, &["--doc"], &[])
    }

    fn component(&self, workspace: &Workspace) -> Result<()> {
        let components = guests::build(workspace)?;
        self.suite(workspace, "component", &[("OPERLET_TEST_GUESTS", components.as_os_str())])
    }

    fn sim(&self, workspace: &Workspace) -> Result<()> {
        guests::build(workspace)?;
        let run = |arguments: &[&str]| {
            let mut cargo = workspace.native("test");
            shown(cargo.args(["--test", "scenarios", "--"]).args(arguments))
        };
        run(&["--regressions"])?;
        run(&["--seeds", SEEDS, "--twice"])?;
        let days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / (24 * 60 * 60);
        run(&["--minutes", MINUTES, "--first", &(days * SEEDS_A_DAY).to_string()])
    }

    fn lab(&self, workspace: &Workspace) -> Result<()> {
        let images = operlet_lab::archives(Progress::Shown)?;
        self.suite(workspace, "servers", &[("OPERLET_IMAGES", images.as_os_str())])?;
        let next = guests::build_with_next(workspace)?;
        let components = next.parent().unwrap_or(&workspace.target);
        let lab = lab::TestLab::up(workspace)?;
        // Commands of the documentation are among these tests: they build, too.
        let (name, flags) = guests::environment(workspace);
        let host = workspace.release("operlet");
        let next_image = lab::next_image();
        let environment = [
            ("OPERLET_LAB", OsStr::new(lab::NAME)),
            ("OPERLET_COMPONENTS", components.as_os_str()),
            ("OPERLET_BIN", host.as_os_str()),
            ("OPERLET_NEXT_IMAGE", OsStr::new(&next_image)),
            (name, OsStr::new(&flags)),
            // They wait for pods, whose probes take most of two cores.
            ("RUST_TEST_THREADS", OsStr::new("4")),
        ];
        let kubeconfig = lab.kubeconfig();
        let real = [("OPERLET_CONFORMANCE_KUBECONFIG", kubeconfig.as_os_str())];
        // What the simulated API server is held to must be what a real one does.
        let conformance = self.cargo_test(workspace, &["--test", "conformance"], &real);
        let outcome = conformance.and_then(|()| self.suite(workspace, "lab", &environment));
        if self.keep_lab {
            lab.leave();
            return outcome;
        }
        lab.down(outcome)
    }

    /// Runs one of the test binaries in `tests/`.
    fn suite(&self, workspace: &Workspace, name: &str, environment: &Variables<'_>) -> Result<()> {
        let there = workspace.package(TESTS).is_some_and(|package| package.tests().any(|test| test == name));
        ensure!(there, "the package {TESTS} has no tests named {name}");
        self.cargo_test(workspace, &["--test", name], environment)
    }

    fn cargo_test(
        &self,
        workspace: &Workspace,
        selection: &[&str],
        environment: &Variables<'_>,
    ) -> Result<()> {
        let mut cargo = workspace.native("test");
        cargo.args(selection).envs(environment.iter().copied()).arg("--").args(&self.arguments);
        shown(&mut cargo)
    }
}

/// What is said to tests by their environment.
type Variables<'a> = [(&'a str, &'a OsStr)];

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Component => "component",
            Self::Sim => "sim",
            Self::Lab => "lab",
        }
    }
}

/// Runs a command whose output is for the person who waits for it.
pub(crate) fn shown(command: &mut Command) -> Result<()> {
    Progress::Shown.say(&format!("running `{}`", describe(command)));
    let status = command.status().with_context(|| format!("cannot start `{}`", describe(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", describe(command));
    }
    Ok(())
}
