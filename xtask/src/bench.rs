//! `cargo xtask bench`: what it costs, in figures that can be compared.

use crate::guests;
use crate::test::{TESTS, shown};
use crate::workspace::{Package, Workspace};
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

/// Measure: each benchmark prints a table, and one line of JSON after it.
///
/// What a benchmark needs is built first. In the table a figure that is worse than it should be is marked; it is
/// no error, since a machine that does other things as well is slow for many reasons. The last line of the output
/// is one JSON object with all figures, for instance: cargo xtask bench store | tail -1. docs/benchmarks.md
/// has the figures of earlier runs.
///
/// Exit codes: 0 measured, whatever came out; 1 it could not be measured; 2 the command was not understood.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// What to pass on to the benchmark, such as --sample-size 500 for call
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The benchmarks, each a file in tests/bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// One call of the Redis component, the planning after it, and calls beside one that spins
    Call,
    /// The memory of 10,000 resources with all that belongs to them (needs 1 GiB)
    Store,
    /// What is written and called while nothing changes
    Idle,
    /// Many new resources at once
    Converge,
    /// What running probes cost
    Probes,
    /// How long nobody can write, and what is lost, when a primary is lost; beside Sentinel (hours)
    Failover,
    /// Every state of the failover protocol that faults lead to, as far as the budgets go (a quarter of an hour)
    Explore,
    /// How many minutes of a Redis's life are simulated in one minute
    Sim,
}

impl Bench {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        if self.name == Name::Explore {
            // A test that takes longer than a test may.
            let mut cargo = workspace.native("test");
            return shown(cargo.args(["--test", "explore", "--", "--full"]).args(&self.arguments));
        }
        if self.name == Name::Sim {
            // The same program as `cargo xtask sim`, with the time that it takes.
            guests::build(workspace)?;
            let mut cargo = workspace.native("test");
            cargo.args(["--test", "scenarios", "--", "--figures"]);
            if self.arguments.is_empty() {
                // The first seeds are about the host, and shorter.
                cargo.args(["--first=1001", "--seeds=200"]);
            }
            return shown(cargo.args(&self.arguments));
        }
        let name = self.name.as_str();
        let there = |package: &Package| package.benches().any(|bench| bench == name);
        ensure!(
            workspace.package(TESTS).is_some_and(there),
            "the package {TESTS} has no benchmark named {name} yet: it would be tests/bench/{name}.rs"
        );
        // The whole workspace, for the reason that `Workspace::native` gives; cargo
        // takes no `--release` here, since it measures nothing else.
        let mut cargo = workspace.cargo("bench");
        cargo.args(["--workspace", "--bench", name]);
        if self.name.calls_components() {
            cargo.env("OPERLET_COMPONENTS", guests::build(workspace)?);
        }
        shown(cargo.arg("--").args(&self.arguments))
    }
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Store => "store",
            Self::Idle => "idle",
            Self::Converge => "converge",
            Self::Probes => "probes",
            Self::Failover => "failover",
            Self::Explore => "explore",
            Self::Sim => "sim",
        }
    }

    fn calls_components(self) -> bool {
        match self {
            Self::Call | Self::Idle | Self::Converge | Self::Failover => true,
            Self::Store | Self::Probes | Self::Explore | Self::Sim => false,
        }
    }
}
