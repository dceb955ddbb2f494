//! Builds the Go programs: all of Kubernetes as one binary, and what a node runs.

use crate::cache::{Cache, Entry};
use crate::progress::{Progress, Step};
use crate::{files, shell};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of Kubernetes, as the modules in `go/kubernetes/go.mod` are pinned.
pub(crate) const KUBERNETES: &str = "1.37.2";

const KUBERNETES_SOURCES: [(&str, &str); 5] = [
    ("go.mod", include_str!("go/kubernetes/go.mod")),
    ("go.sum", include_str!("go/kubernetes/go.sum")),
    ("main.go", include_str!("go/kubernetes/main.go")),
    ("provisioner.go", include_str!("go/kubernetes/provisioner.go")),
    ("urls.go", include_str!("go/kubernetes/urls.go")),
];
const NODE_SOURCES: [(&str, &str); 2] =
    [("go.mod", include_str!("go/node/go.mod")), ("go.sum", include_str!("go/node/go.sum"))];
const NODE_PROGRAMS: [&str; 7] =
    ["bridge", "containerd", "containerd-shim-runc-v2", "ctr", "host-local", "loopback", "portmap"];

/// Complains when something must be built and Go is missing.
pub(crate) fn check(cache: &Cache) -> Result<()> {
    let (flags, sources) = (linker_flags(), NODE_SOURCES.map(|(_, source)| source));
    let kubernetes = Entry { name: "kubernetes", key: &kubernetes_key(&flags), files: &["kubernetes"] };
    let node = Entry { name: "node", key: &sources, files: &NODE_PROGRAMS };
    let built = cache.find(&kubernetes).and(cache.find(&node)).is_some();
    if built { Ok(()) } else { go().map(drop) }
}

/// The binary with every program of Kubernetes.
pub(crate) fn kubernetes(cache: &Cache, progress: Progress) -> Result<PathBuf> {
    let flags = linker_flags();
    let key = kubernetes_key(&flags);
    let entry = Entry { name: "kubernetes", key: &key, files: &["kubernetes"] };
    let title = format!("building Kubernetes {KUBERNETES} from source: about 10 minutes, once a machine");
    let built = cache.find(&entry).map_or_else(
        || {
            progress.step(&title, |step| {
                cache.get(&entry, |target| {
                    let sources = lay_out(target, &KUBERNETES_SOURCES)?;
                    let mut command = go()?;
                    command.args(["build", "-v", "-trimpath", "-ldflags", &flags, "-o"]);
                    compile(command.arg(target.join("kubernetes")).arg(".").current_dir(&sources), step)?;
                    files::remove(&sources)
                })
            })
        },
        Ok,
    )?;
    Ok(built.join("kubernetes"))
}

/// The directory of containerd, its shim and tool, and the network plugins.
pub(crate) fn node(cache: &Cache, progress: Progress) -> Result<PathBuf> {
    let key = NODE_SOURCES.map(|(_, source)| source);
    let entry = Entry { name: "node", key: &key, files: &NODE_PROGRAMS };
    cache.find(&entry).map_or_else(
        || {
            progress.step(
                "building containerd and the network plugins: about 2 minutes, once a machine",
                |step| {
                    cache.get(&entry, |target| {
                        let sources = lay_out(target, &NODE_SOURCES)?;
                        let mut command = go()?;
                        command.args(["install", "-v", "-trimpath", "-ldflags", "-s -w", "tool"]);
                        compile(command.env("GOBIN", target).current_dir(&sources), step)?;
                        files::remove(&sources)
                    })
                },
            )
        },
        Ok,
    )
}

/// The directory of Kubernetes' own sources.
///
/// # Errors
/// If there is no Go, or its module proxy cannot be reached the first time.
pub fn kubernetes_sources() -> Result<PathBuf> {
    let mut command = go()?;
    command.args(["mod", "download", "-json", &format!("k8s.io/kubernetes@v{KUBERNETES}")]);
    let printed = shell::output(&mut command).context("the sources of Kubernetes cannot be downloaded")?;
    let module: serde_json::Value = serde_json::from_str(&printed)?;
    let directory = module.get("Dir").and_then(serde_json::Value::as_str);
    directory.map(PathBuf::from).context("go does not say where the sources of Kubernetes are")
}

fn lay_out(target: &Path, sources: &[(&str, &str)]) -> Result<PathBuf> {
    let directory = target.join("source");
    files::make(&directory)?;
    for (name, source) in sources {
        files::write(&directory.join(name), source)?;
    }
    Ok(directory)
}

fn go() -> Result<Command> {
    let Some(go) = shell::find("go")
        .or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|go| shell::runs(go)))
    else {
        bail!(
            "the lab builds Kubernetes itself and needs Go 1.26 or newer on the PATH: install it from go.dev/dl"
        );
    };
    let mut command = Command::new(go);
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly").env_remove("GOOS").env_remove("GOARCH");
    Ok(command)
}

fn compile(command: &mut Command, step: &Step) -> Result<()> {
    let mut packages = 0_u32;
    shell::follow(command, |line| {
        packages += 1;
        step.at(&format!("{packages} packages, now {line}"));
    })
    .context("the Go build failed (the module proxy must be reachable the first time)")
}

fn kubernetes_key(flags: &str) -> Vec<&str> {
    std::iter::once(flags).chain(KUBERNETES_SOURCES.iter().map(|(_, source)| *source)).collect()
}

fn linker_flags() -> String {
    let mut parts = KUBERNETES.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let version = format!("v{KUBERNETES}");
    let values = [
        ("gitVersion", version.as_str()),
        ("gitMajor", major),
        ("gitMinor", minor),
        ("gitCommit", "0000000000000000000000000000000000000000"),
        ("gitTreeState", "archive"),
    ];
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (name, value) in values {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_the_module_pins() {
        let (_, modules) = KUBERNETES_SOURCES[0];
        assert!(modules.contains(&format!("k8s.io/kubernetes v{KUBERNETES}\n")));
    }

    #[test]
    fn every_source_of_the_module_is_built() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/go/kubernetes");
        let mut found: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, KUBERNETES_SOURCES.map(|(name, _)| name));
    }

    #[test]
    fn the_linker_is_told_the_version_twice() {
        let flags = linker_flags();
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.37.2"));
        assert!(flags.contains("-X k8s.io/client-go/pkg/version.gitMinor=37"));
    }
}
