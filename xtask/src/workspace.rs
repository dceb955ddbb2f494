//! Where things are: the checkout, its packages, cargo's target directory.

use anyhow::{Context, Result, bail};
use operlet_lab::shell;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What cargo knows of this checkout.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

/// A dependency as a package's manifest names it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// None is an ordinary one; else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    crate_types: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn locate() -> Result<Self> {
        // `cargo run` names the directory of this package; a binary started by
        // hand falls back on the place that it was built in.
        let here =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let mut cargo = Command::new(cargo_program());
        cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
        let metadata = shell::output(cargo.arg(Path::new(&here).join("Cargo.toml")))?;
        serde_json::from_str(&metadata).context("cargo metadata is not as expected")
    }

    /// A cargo command that works on this checkout and shares its target directory.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).arg(subcommand);
        // Those of this program's own package would mislead what is built or tested.
        for (name, _) in std::env::vars_os() {
            let own = name.to_string_lossy();
            if own.starts_with("CARGO_PKG_") || own.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// A cargo command that builds for this machine what its arguments select.
    ///
    /// It always takes in the whole workspace. Cargo chooses the features of a
    /// dependency by the packages that are built with it, so that another
    /// choice of packages would compile the large ones once more.
    pub(crate) fn native(&self, subcommand: &str) -> Command {
        let mut command = self.cargo(subcommand);
        command.args(["--release", "--workspace"]);
        command
    }

    /// A path of the checkout.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The package of this name, if there is one.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// A program that was built by [`Workspace::native`].
    pub(crate) fn release(&self, program: &str) -> PathBuf {
        self.target.join("release").join(program)
    }
}

impl Package {
    /// The names of the package's integration tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        self.targets_of("test")
    }

    /// The names of the package's benchmarks.
    pub(crate) fn benches(&self) -> impl Iterator<Item = &str> {
        self.targets_of("bench")
    }

    fn targets_of(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        let is_one = move |target: &&Target| target.kind.iter().any(|one| one == kind);
        self.targets.iter().filter(is_one).map(|target| target.name.as_str())
    }

    /// Whether the package, or an example of it, is a component once it is built for wasm32.
    pub(crate) fn makes_components(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.crate_types).any(|crate_type| crate_type == "cdylib")
    }
}

/// The version that all packages of the workspace carry.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The toolchain's directory.
pub(crate) fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let printed =
        shell::output(Command::new("rustc").current_dir(&workspace.root).args(["--print", "sysroot"]))?;
    match printed.trim() {
        "" => bail!("rustc names no sysroot"),
        path => Ok(path.into()),
    }
}

/// The cargo that runs this program, else the one on the PATH.
pub(crate) fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
