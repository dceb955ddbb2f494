//! The `operlet` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    operlet::cli::main()
}
