//! The second way to a standard library for wasm32, for machines where rustup
//! can fetch nothing but Debian's packages are within reach.
//!
//! Debian packages a recent compiler under the name `rustc-web`, but not the
//! library for our target. Its packages are unpacked into the cache, nothing
//! is installed, and the library is built from the matching source. The
//! compiler that rustup installed cannot do that: compiler and library know
//! each other's intrinsics, so both must be of one version.

use crate::workspace::{Workspace, cargo_program, sysroot};
use anyhow::{Context, Result, bail, ensure};
use operlet_lab::cache::{Cache, Entry};
use operlet_lab::progress::{Progress, Step};
use operlet_lab::{files, shell};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::TARGET;

/// Changes when an entry in the cache must be made anew.
const RECIPE: &str = "1";

/// Libraries that every machine with a Rust compiler has. Those of another
/// release of Debian would not fit the machine's loader.
const OF_THE_MACHINE: [&str; 4] = ["libc6", "libgcc-s1", "libstdc++6", "gcc-"];

/// The wrapper that runs the compiler with its own libraries.
const RUSTC: &str = "rustc";

/// It finds its libraries beside itself, so that the directory can be renamed.
const WRAPPER: &str = r#"#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/usr/lib/$(uname -m)-linux-gnu"
exec "$here/usr/bin/rustc" "$@"
"#;

/// The oldest compiler that this workspace builds with.
const OLDEST_MINOR: u32 = 95;

/// The path of a `rustc` that can build for wasm32.
pub(super) fn rustc(workspace: &Workspace) -> Result<PathBuf> {
    let rustup = sysroot(workspace)?;
    let library = format!("usr/lib/rustlib/{TARGET}/lib/complete");
    // The linkers are rustup's, so its place is part of what the entry is made from.
    let entry =
        Entry { name: "debian-rustc", key: &[RECIPE, &rustup.to_string_lossy()], files: &[RUSTC, &library] };
    let directory = Cache::open()?.get(&entry, |root| {
        Progress::Shown.step("Build the wasm32 library with Debian's Rust compiler", |step| {
            unpack(root, step)?;
            link_linkers(root, &rustup)?;
            build_library(root, step)?;
            files::write(&root.join(&library), RECIPE)
        })
    })?;
    Ok(directory.join(RUSTC))
}

fn unpack(root: &Path, step: &Step) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg-deb"] {
        ensure!(
            shell::find(tool).is_some(),
            "there is no {tool}: install the target with `rustup target add {TARGET}` where rustup can fetch it"
        );
    }
    let packages = packages(step)?;
    let downloads = root.join("downloads");
    files::make(&downloads)?;
    step.at("apt-get download");
    let mut apt = Command::new("apt-get");
    // Apt's own user could not write into a directory of ours.
    apt.current_dir(&downloads).args(["-o", "APT::Sandbox::User=root", "download"]).args(packages);
    shell::output(&mut apt)?;
    for package in downloads.read_dir().context("cannot list the downloads")? {
        let package = package?.path();
        step.at(&format!("unpack {}", package.file_name().unwrap_or_default().display()));
        shell::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(root))?;
    }
    files::remove(&downloads)?;
    executable(&root.join(RUSTC), WRAPPER)
}

/// The compiler, its source, and the libraries it loads, by the names they
/// have today: some carry a version.
fn packages(step: &Step) -> Result<Vec<String>> {
    if candidate()?.is_none() {
        step.at("apt-get update");
        shell::output(Command::new("apt-get").arg("update"))
            .context("the lists of Debian's packages are missing")?;
    }
    let Some(version) = candidate()? else {
        bail!(
            "Debian's sources on this machine have no rustc-web: it is in Debian 12 with its security updates"
        )
    };
    ensure!(
        minor(&version).is_some_and(|minor| minor >= OLDEST_MINOR),
        "Debian's rustc-web is {version}, older than 1.{OLDEST_MINOR}: are the security updates among apt's sources?"
    );
    let mut apt = Command::new("apt-cache");
    apt.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"]);
    apt.args(["--no-replaces", "--no-enhances", "libstd-rust-web-dev"]);
    let mut names = vec!["rustc-web".to_owned(), "rust-web-src".to_owned()];
    names.extend(loaded(&shell::output(&mut apt)?));
    Ok(names)
}

/// The packages in an answer of `apt-cache depends --recurse` that the machine lacks.
fn loaded(answer: &str) -> Vec<String> {
    // Indented lines are relations, and names in angle brackets are virtual.
    let named = answer.lines().filter(|line| !line.starts_with([' ', '<', '|']) && !line.is_empty());
    named.filter(|name| !OF_THE_MACHINE.iter().any(|own| name.starts_with(own))).map(str::to_owned).collect()
}

fn candidate() -> Result<Option<String>> {
    let policy = shell::output(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", "rustc-web"]))?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
}

fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

/// The linkers, which Debian's packages lack, are found in rustup's toolchain.
fn link_linkers(root: &Path, rustup: &Path) -> Result<()> {
    let libraries = rustup.join("lib/rustlib");
    for entry in libraries.read_dir().with_context(|| format!("cannot list {}", libraries.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path().join("bin"), root.join("usr/lib/rustlib").join(entry.file_name()));
        if from.is_dir() && to.is_dir() {
            std::os::unix::fs::symlink(&from, to.join("bin")).context("cannot link the linkers")?;
            return Ok(());
        }
    }
    bail!("the toolchain in {} has no wasm-component-ld", rustup.display())
}

fn build_library(root: &Path, step: &Step) -> Result<()> {
    let (source, target) = (source(root)?, root.join("build"));
    let mut cargo = Command::new(cargo_program());
    cargo.current_dir(&source).args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.args(["--manifest-path", "sysroot/Cargo.toml", "--no-default-features"]);
    // The library uses what only its own compiler may, and says so this way.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked");
    cargo.env("RUSTC", root.join(RUSTC)).env("CARGO_TARGET_DIR", &target);
    shell::follow(&mut cargo, |line| step.at(line.trim_start()))?;
    let library = root.join("usr/lib/rustlib").join(TARGET).join("lib");
    files::make(&library)?;
    let built = target.join(TARGET).join("release/deps");
    for file in built.read_dir().with_context(|| format!("cannot list {}", built.display()))? {
        let file = file?.path();
        if let (Some(name), true) = (file.file_name(), file.extension().is_some_and(|kind| kind == "rlib")) {
            std::fs::copy(&file, library.join(name))
                .with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    // Most of the space, and of no use any more.
    files::remove(&target)?;
    files::remove(&root.join("usr/src"))?;
    files::remove(&root.join("usr/share"))
}

fn source(root: &Path) -> Result<PathBuf> {
    let sources = root.join("usr/src");
    let listed = sources.read_dir().with_context(|| format!("cannot list {}", sources.display()))?;
    let libraries = listed.filter_map(|entry| Some(entry.ok()?.path().join("library")));
    libraries.into_iter().find(|path| path.join("sysroot").is_dir()).context("rust-web-src holds no library")
}

fn executable(path: &Path, content: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    files::write(path, content)?;
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, readable)
        .with_context(|| format!("cannot make {} executable", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_the_machine_and_virtual_packages_are_not_fetched() {
        let answer = "libstd-rust-web-dev\n  Depends: libllvm22\nlibc6\ngcc-12-base\nlibllvm22\n<libz3>\n";
        assert_eq!(loaded(answer), ["libstd-rust-web-dev", "libllvm22"]);
    }

    #[test]
    fn a_debian_version_has_a_minor_one() {
        assert_eq!(minor("1.96.0+dfsg1-1~deb12u2"), Some(96));
        assert_eq!(minor("none"), None);
    }
}
