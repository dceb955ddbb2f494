//! The command line: what `operlet` can be told to do.

mod definition;
mod document;
mod error;
mod guest;
mod input;
mod inspect;
mod package;
mod render;
mod rights;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    engine,
    run::{self, RunOptions},
    telemetry::{self, TelemetryOptions},
};

pub use error::CliError;
pub use inspect::InspectOptions;
pub use package::PackageOptions;
pub use render::RenderOptions;

/// Runs Kubernetes operators as sandboxed WebAssembly components
#[derive(Debug, Parser)]
#[command(name = "operlet", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    telemetry: TelemetryOptions,

    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 the input is wrong or was refused, 2 the arguments are wrong.
A file named `-` is standard input.";

/// What it is told to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the Operlets of a cluster
    Run(RunOptions),
    /// Show what a component is, and what it needs
    Inspect(InspectOptions),
    /// Show what a component decides about a resource, without a cluster
    Render(RenderOptions),
    /// Put a component into a ConfigMap
    Package(PackageOptions),
    /// Print the CustomResourceDefinition of Operlets
    Crd,
}

/// Does what the arguments of the process say.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else is set up: it is this program's own doing, not a user's.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == engine::COMPILE_COMMAND) {
        return exit(engine::compile_for_parent(&arguments.next().unwrap_or_default().to_string_lossy()));
    }
    let Cli { telemetry, command } = Cli::parse();
    telemetry::start(&telemetry);
    let done = match command {
        Command::Run(options) => serve(options),
        Command::Inspect(options) => offline(inspect::inspect(options)),
        Command::Render(options) => offline(render::render(options)),
        Command::Package(options) => offline(package::package(options)),
        Command::Crd => definition::definition().map_err(told),
    };
    exit(done)
}

fn exit(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even this cannot be written, the exit code has to do.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: RunOptions) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run::run(options))
}

/// One thread is enough for one call at a time.
fn offline(command: impl Future<Output = Result<(), CliError>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command).map_err(told)
}

/// The error's text names its cause; as an error it would be named once more.
fn told(error: CliError) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}
