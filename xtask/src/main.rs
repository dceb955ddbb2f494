//! What a plain cargo command cannot do: `cargo xtask --help` lists it.

mod bench;
mod building;
mod codegen;
mod demo;
mod dist;
mod guests;
mod image;
mod simulate;
mod test;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use operlet_lab::progress::Progress;
use std::process::ExitCode;
use workspace::Workspace;

/// Builds, checks and tests Operlet, and runs a Kubernetes to do so.
///
/// What is fetched or built once a machine is kept in the cache, `OPERLET_CACHE` or else `~/.cache/operlet`.
/// Exit codes: 0 all is well, 1 something failed, 2 the command was not understood.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Guests(guests::Guests),
    Codegen(codegen::Codegen),
    Image(image::BuildImage),
    Dist(dist::Dist),
    Tidy(tidy::Tidy),
    Test(test::Test),
    Bench(bench::Bench),
    Sim(simulate::Simulate),
    Demo(demo::Demo),
    Lab(operlet_lab::LabCommand),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Progress::Shown.say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let workspace = Workspace::locate()?;
    match cli.command {
        Task::Guests(command) => command.run(&workspace),
        Task::Codegen(command) => command.run(&workspace),
        Task::Image(command) => command.run(&workspace),
        Task::Dist(command) => command.run(&workspace),
        Task::Tidy(command) => command.run(&workspace),
        Task::Test(command) => command.run(&workspace),
        Task::Bench(command) => command.run(&workspace),
        Task::Sim(command) => command.run(&workspace),
        Task::Demo(command) => command.run(&workspace),
        Task::Lab(command) => command.run(),
    }
}
