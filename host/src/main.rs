//! The `operlet` program.

use std::process::ExitCode;

/// It gives back to the system what compiling a component took, which is more than
/// all that the host needs afterwards.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    operlet::cli::main()
}
