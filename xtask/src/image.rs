//! `cargo xtask image`: the host's container image, with no container engine.
//!
//! The binary links to the C library, so the image holds it, the few other
//! libraries that the loader names, and nothing else that could be run: no
//! shell and no package manager. It needs a glibc of 2.34 or newer on the
//! building machine, because older ones load their resolver at run time.

use crate::building;
use crate::workspace::{VERSION, Workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use operlet_lab::image::{self, Config, Image, Root};
use operlet_lab::progress::Progress;
use operlet_lab::{files, shell};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the image, without its tag, as deploy/host names it.
pub(crate) const REPOSITORY: &str = "ghcr.io/operlet/operlet";

/// The user of distroless images: a number, so that Kubernetes sees it is not root.
const USER: u32 = 65532;

/// Where systems keep the certificates that they trust.
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Write the host's container image as a tar that `docker load` and `ctr image import` take.
///
/// No container engine is needed. The same binary gives the same file, byte for byte.
#[derive(Debug, Args)]
pub(crate) struct BuildImage {
    /// Where to write it
    #[arg(short, long, default_value = "dist/operlet-image.tar")]
    output: PathBuf,
    /// The name and tag to load it under
    #[arg(long, default_value_t = reference())]
    tag: String,
}

impl BuildImage {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let binary = building::host(workspace)?;
        let output = workspace.root.join(&self.output);
        let identity = Progress::Shown.step("Write the image", |_| write(&binary, &self.tag, &output))?;
        let size = output.metadata().map_or(0, |data| data.len() >> 20);
        Progress::Shown.say(&format!(
            "wrote {} ({size} MiB)\n      {}\n      {identity}",
            output.display(),
            self.tag
        ));
        Ok(())
    }
}

/// The image's name and tag in this version.
pub(crate) fn reference() -> String {
    format!("{REPOSITORY}:{VERSION}")
}

/// Builds the host and writes its image to a file of the checkout.
pub(crate) fn build(workspace: &Workspace, output: &str) -> Result<()> {
    build_as(workspace, output, &reference())
}

/// Builds the host and writes its image under another name.
pub(crate) fn build_as(workspace: &Workspace, output: &str, tag: &str) -> Result<()> {
    BuildImage { output: output.into(), tag: tag.to_owned() }.run(workspace)
}

fn write(binary: &Path, reference: &str, output: &Path) -> Result<String> {
    if let Some(directory) = output.parent() {
        files::make(directory)?;
    }
    let mut root = Root::default();
    root.copy("operlet", 0o755, binary);
    for library in libraries(binary)? {
        root.copy(&library.to_string_lossy(), 0o755, &library);
    }
    root.file("etc/passwd", 0o644, format!("root:x:0:0::/:\nnonroot:x:{USER}:{USER}::/:\n"));
    root.file("etc/group", 0o644, format!("root:x:0:\nnonroot:x:{USER}:\n"));
    root.file("etc/nsswitch.conf", 0o644, "hosts: files dns\n");
    if let Some(certificates) = CERTIFICATES.iter().map(Path::new).find(|path| path.is_file()) {
        root.copy("etc/ssl/certs/ca-certificates.crt", 0o644, certificates);
    }
    let config = Config {
        entrypoint: vec!["/operlet".to_owned()],
        user: format!("{USER}:{USER}"),
        directory: "/".to_owned(),
        ports: vec!["8080/tcp".to_owned()],
        labels: labels(),
        ..Config::default()
    };
    image::write(&Image { reference: reference.to_owned(), config, root }, output)
}

fn labels() -> std::collections::BTreeMap<String, String> {
    let labels = [
        ("title", "operlet"),
        ("description", "Runs Kubernetes operators as sandboxed WebAssembly components"),
        ("version", VERSION),
        ("licenses", "Apache-2.0"),
        ("source", env!("CARGO_PKG_REPOSITORY")),
    ];
    labels
        .iter()
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), (*value).to_owned()))
        .collect()
}

/// The libraries of this machine that the binary loads, the loader among them.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let answer = shell::output(Command::new("ldd").env("LC_ALL", "C").arg(binary))
        .with_context(|| format!("cannot ask for the libraries of {}", binary.display()))?;
    parse(&answer)
}

/// Reads what `ldd` prints: `name => /path (address)`, or `/path (address)` for the loader.
fn parse(answer: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in answer.lines().map(str::trim) {
        if line.contains("not found") {
            bail!("a library of the host is missing: {line}");
        }
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        // The kernel's own has no file, and a static binary has no libraries.
        if path.starts_with('/') {
            paths.push(PathBuf::from(path.split(" (").next().unwrap_or(path)));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_and_the_loader_are_found() {
        let answer = "\tlinux-vdso.so.1 (0x1)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x2)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse(answer).unwrap(), expected);
        assert!(parse("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_missing_library_is_an_error() {
        assert!(parse("\tlibz.so.1 => not found\n").is_err());
    }
}
