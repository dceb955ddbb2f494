//! `cargo xtask guests`: the components, from a machine that may lack the
//! wasm32 standard library to a ConfigMap that a cluster takes.

mod debian;
mod target;

use crate::building;
use crate::workspace::{VERSION, Workspace};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use operlet_lab::files;
use operlet_lab::progress::Progress;
use std::path::{Path, PathBuf};
use std::process::Command;
use target::{Compiler, Toolchain};

/// A ConfigMap holds 1 MiB, and of base64 three quarters of that; half of it is left free.
const REDIS_COMPRESSED_BYTES_MAX: usize = 384 * 1024;

/// What `operlet package` compresses with.
const ZSTD_LEVEL: i32 = 19;

/// The package of the component that `deploy/redis` installs.
const REDIS_PACKAGE: &str = "operlet-redis";

/// What cargo calls that component.
const REDIS: &str = "operlet_redis";

/// The same component under another version, to swap it for.
const NEXT: &str = "operlet_redis_next";

/// What that version is said with when the component is built.
const VERSION_VARIABLE: &str = "OPERLET_COMPONENT_VERSION";

/// The profile of components, and messages that name what was built.
const BUILD_ARGUMENTS: [&str; 4] = ["--profile", "guest", "--message-format", "json-render-diagnostics"];

/// Where the packaged Redis component goes, for `kubectl apply -k deploy/redis`.
const PACKAGED: &str = "deploy/redis/component.yaml";

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

/// Builds all components with whatever compiler there is, packages the Redis
/// one, and returns the directory with all of them.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    Guests { check: false, toolchain: Toolchain::Auto }.run(workspace)?;
    Ok(directory(workspace))
}

/// As [`build`], and the Redis component once more as the version after this
/// one: returns its path, in the directory of the others.
pub(crate) fn build_with_next(workspace: &Workspace) -> Result<PathBuf> {
    build(workspace)?;
    let (redis, next) = (component(workspace, REDIS), component(workspace, NEXT));
    // The same sources give the same bytes, so it is made again only after the
    // other one has changed; cargo has room for one of them.
    let made_beside = next.with_extension("beside");
    if next.is_file() && std::fs::read(&made_beside).ok() == std::fs::read(&redis).ok() {
        return Ok(next);
    }
    let compiler = target::provide(workspace, Toolchain::Auto)?;
    let mut cargo = compiler.cargo(workspace, "build");
    cargo.args(BUILD_ARGUMENTS).args(["--lib", "--package", REDIS_PACKAGE]);
    cargo.env(VERSION_VARIABLE, format!("{VERSION}-next"));
    let messages = building::run("Build the Redis component that comes after it", &mut cargo)?;
    let [built] = building::components(&messages).try_into().ok().context("cargo built no component")?;
    copy(&built, &next)?;
    copy(&redis, &made_beside)?;
    Ok(next)
}

/// Variables by which a cargo that is not ours builds components as we do, and
/// so finds what is built already.
pub(crate) fn environment(workspace: &Workspace) -> (&'static str, String) {
    target::flags(workspace)
}

/// Where all components are gathered.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("components")
}

fn component(workspace: &Workspace, name: &str) -> PathBuf {
    directory(workspace).join(name).with_extension("wasm")
}

/// Builds the components of the checkout and gathers them.
fn build_with(workspace: &Workspace, compiler: &Compiler) -> Result<Vec<PathBuf>> {
    // The Redis component is built by itself, so that no dependency of an
    // example can add a feature, and with it bytes, to what is shipped.
    let mut redis = compiler.cargo(workspace, "build");
    redis.args(BUILD_ARGUMENTS).args(["--lib", "--package", REDIS_PACKAGE]).env_remove(VERSION_VARIABLE);
    let mut messages = building::run("Build the Redis component", &mut redis)?;
    let mut others = compiler.cargo(workspace, "build");
    others
        .args(BUILD_ARGUMENTS)
        .args(["--lib", "--examples"])
        .args(packages(workspace, |name| name != REDIS_PACKAGE));
    messages += &building::run("Build the example and test components", &mut others)?;
    files::make(&directory(workspace))?;
    let gather = |built: PathBuf| {
        let gathered = component(workspace, stem(&built));
        copy(&built, &gathered).map(|()| gathered)
    };
    building::components(&messages).into_iter().map(gather).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn check(workspace: &Workspace, compiler: &Compiler) -> Result<()> {
    // Debian's compiler has no clippy beside it.
    let (subcommand, rest): (&str, &[&str]) = match compiler {
        Compiler::Installed => ("clippy", &["--", "--deny", "warnings"]),
        Compiler::Debian { .. } => ("check", &[]),
    };
    let mut cargo = compiler.cargo(workspace, subcommand);
    cargo.args(["--profile", "guest", "--lib", "--examples"]).args(packages(workspace, |_| true)).args(rest);
    building::run("Check the components", &mut cargo).map(drop)
}

/// Arguments that select the packages with components, of those that are wanted.
fn packages(workspace: &Workspace, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let made =
        workspace.packages.iter().filter(|package| package.makes_components() && wanted(&package.name));
    made.map(|package| format!("--package={}", package.name)).collect()
}

fn print_sizes(components: &[PathBuf]) -> Result<()> {
    for component in components {
        let (plain, compressed) = sizes(component)?;
        let name = stem(component);
        Progress::Shown.say(&format!("{plain:>12} bytes, {compressed:>8} compressed  {name}"));
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
