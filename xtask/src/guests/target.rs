//! A compiler that can build for wasm32.

use super::debian;
use crate::workspace::{Workspace, sysroot};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use operlet_lab::progress::Progress;
use operlet_lab::shell;
use std::path::PathBuf;
use std::process::Command;

/// What components are built for. Only this target has no import of its own:
/// the standard library for wasip2 brings WASI with it.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Rustup retries for minutes where nothing answers.
const RUSTUP_SECONDS_MAX: &str = "180";

/// Where the standard library for wasm32 comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Toolchain {
    /// What is installed, else rustup, else Debian
    Auto,
    /// The toolchain of rust-toolchain.toml, the target added by rustup
    Rustup,
    /// The compiler of Debian's packages, with the library built from source
    Debian,
}

/// A compiler that can build for wasm32.
#[derive(Debug)]
pub(super) enum Compiler {
    /// The one that builds everything else.
    Installed,
    /// A wrapper around Debian's.
    Debian { rustc: PathBuf },
}

/// Finds such a compiler, or installs it.
pub(super) fn provide(workspace: &Workspace, toolchain: Toolchain) -> Result<Compiler> {
    let debian = || Ok(Compiler::Debian { rustc: debian::rustc(workspace)? });
    if toolchain == Toolchain::Debian {
        return debian();
    }
    if installed(workspace)? {
        return Ok(Compiler::Installed);
    }
    match rustup(workspace) {
        Ok(()) => Ok(Compiler::Installed),
        Err(error) if toolchain == Toolchain::Rustup => Err(error),
        Err(error) => {
            Progress::Shown
                .say(&format!("{error:#}\nTrying the Rust compiler of Debian's packages instead."));
            debian()
        }
    }
}

impl Compiler {
    /// A cargo command that builds for wasm32 with this compiler.
    pub(super) fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut cargo = workspace.cargo(subcommand);
        cargo.args(["--target", TARGET]);
        // Flags that the user set for all targets would replace ours, and
        // with them what makes a component reproducible.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let (name, flags) = flags(workspace);
        cargo.env(name, flags);
        if let Self::Debian { rustc } = self {
            cargo.env("RUSTC", rustc);
        }
        cargo
    }
}

/// The flags that components are compiled with, and the variable that cargo takes them from.
///
/// Panic messages name source files. Without the places of this machine in
/// them, the same sources give the same digest everywhere.
pub(super) fn flags(workspace: &Workspace) -> (&'static str, String) {
    let mut flags = format!("--remap-path-prefix={}=/operlet", workspace.root.display());
    if let Some(home) = cargo_home() {
        flags += &format!(" --remap-path-prefix={}=/cargo", home.display());
    }
    ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags)
}

fn installed(workspace: &Workspace) -> Result<bool> {
    let library = sysroot(workspace)?.join("lib/rustlib").join(TARGET).join("lib");
    Ok(library.read_dir().is_ok_and(|mut entries| entries.next().is_some()))
}

fn rustup(workspace: &Workspace) -> Result<()> {
    if shell::find("rustup").is_none() {
        bail!("the target {TARGET} is not installed, and there is no rustup to add it");
    }
    Progress::Shown.step(&format!("Add the target {TARGET} with rustup"), |step| {
        let mut rustup = Command::new("timeout");
        rustup.current_dir(&workspace.root).args([RUSTUP_SECONDS_MAX, "rustup", "target", "add", TARGET]);
        shell::follow(&mut rustup, |line| step.at(line)).context("rustup could not add the target")
    })
}

fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}
