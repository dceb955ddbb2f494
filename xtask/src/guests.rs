//! `cargo xtask guests`: the components, from a machine that may lack the
//! wasm32 standard library to a ConfigMap that a cluster takes.

mod debian;
mod target;

use crate::building;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use operlet_lab::files;
use operlet_lab::progress::Progress;
use std::path::{Path, PathBuf};
use std::process::Command;
use target::{Compiler, Toolchain};

/// A ConfigMap goes through `kubectl apply`, which takes about 190 KiB.
const REDIS_COMPRESSED_BYTES_MAX: usize = 180 * 1024;

/// What `operlet package` compresses with.
const ZSTD_LEVEL: i32 = 19;

/// The component that `deploy/redis` installs, by the name of its file.
const REDIS: &str = "operlet_redis";

/// Where the packaged Redis component goes, for `kubectl apply -k deploy/redis`.
const PACKAGED: &str = "deploy/redis/component.yaml";

/// Packages whose examples are components.
const WITH_EXAMPLES: [&str; 2] = ["operlet-sdk", "operlet-test-guests"];

/// Build the components, and package the Redis one into deploy/redis/component.yaml.
///
/// The wasm32 target is installed first where it is missing: with `rustup target add` where rustup can fetch
/// it, else from Debian's packages of the Rust compiler, which are unpacked into the cache and built from
/// there (a few minutes, once a machine; nothing is installed).
#[derive(Debug, Args)]
pub(crate) struct Guests {
    /// Only check that the components compile without a warning; write nothing
    #[arg(long)]
    check: bool,
    /// Where the wasm32 standard library comes from
    #[arg(long, value_enum, default_value_t = Toolchain::Auto)]
    toolchain: Toolchain,
}

impl Guests {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let compiler = target::provide(workspace, self.toolchain)?;
        if self.check {
            return check(workspace, &compiler);
        }
        let components = build_with(workspace, &compiler)?;
        print_sizes(&components)?;
        package(workspace, &components)
    }
}

/// Builds and packages all components, with whatever toolchain is there.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    Guests { check: false, toolchain: Toolchain::Auto }.run(workspace)
}

fn build_with(workspace: &Workspace, compiler: &Compiler) -> Result<Vec<PathBuf>> {
    let json = ["--profile", "guest", "--message-format", "json-render-diagnostics"];
    // The Redis component is built by itself, so that no dependency of an
    // example can add a feature, and with it bytes, to what is shipped.
    let mut redis = compiler.cargo(workspace, "build");
    let mut messages = building::run(
        "Build the Redis component",
        redis.args(json).args(["--package", "operlet-redis", "--lib"]),
    )?;
    let packages: Vec<&str> = examples(workspace);
    if !packages.is_empty() {
        let mut examples = compiler.cargo(workspace, "build");
        examples.args(json).arg("--examples").args(packages.iter().flat_map(|name| ["--package", name]));
        messages += &building::run("Build the example and test components", &mut examples)?;
    }
    Ok(building::components(&messages))
}

fn check(workspace: &Workspace, compiler: &Compiler) -> Result<()> {
    let packages = examples(workspace);
    let selected = ["operlet-redis"].iter().chain(&packages).flat_map(|name| ["--package", name]);
    // Debian's compiler has no clippy beside it.
    let (subcommand, rest): (&str, &[&str]) = match compiler {
        Compiler::Installed => ("clippy", &["--", "--deny", "warnings"]),
        Compiler::Debian { .. } => ("check", &[]),
    };
    let mut cargo = compiler.cargo(workspace, subcommand);
    cargo.args(["--profile", "guest", "--lib", "--examples"]).args(selected).args(rest);
    building::run("Check the components", &mut cargo).map(drop)
}

fn examples(workspace: &Workspace) -> Vec<&'static str> {
    let has =
        |name: &str| workspace.package(name).is_some_and(crate::workspace::Package::has_component_examples);
    WITH_EXAMPLES.into_iter().filter(|name| has(name)).collect()
}

fn print_sizes(components: &[PathBuf]) -> Result<()> {
    for component in components {
        let (plain, compressed) = sizes(component)?;
        let name = stem(component);
        Progress::Shown.say(&format!("{:>12} bytes, {compressed:>8} compressed  {name}", plain));
        ensure!(
            name != REDIS || compressed <= REDIS_COMPRESSED_BYTES_MAX,
            "the Redis component is {compressed} bytes compressed, more than the {REDIS_COMPRESSED_BYTES_MAX} that \
             a ConfigMap should hold: remove code or dependencies from guest-redis"
        );
    }
    Ok(())
}

fn sizes(component: &Path) -> Result<(usize, usize)> {
    let bytes = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    Ok((bytes.len(), zstd::encode_all(&bytes[..], ZSTD_LEVEL)?.len()))
}

fn package(workspace: &Workspace, components: &[PathBuf]) -> Result<()> {
    let Some(redis) = components.iter().find(|path| stem(path) == REDIS) else {
        bail!("cargo built no component named {REDIS}.wasm: is guest-redis still a cdylib?")
    };
    let host = building::host(workspace)?;
    let mut package = Command::new(host);
    package.arg("package").arg(redis).args(["--name", "redis"]);
    let manifest = building::run("Package the Redis component", &mut package)?;
    files::write(&workspace.path(PACKAGED), manifest)?;
    Progress::Shown.say(&format!("wrote {PACKAGED}"));
    Ok(())
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
}
