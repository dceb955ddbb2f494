//! Programs of Debian's packages that a node needs and a bare machine lacks,
//! unpacked into the cache; nothing is installed.

use crate::cache::{Cache, Entry};
use crate::debian::{Archive, Selection};
use crate::files;
use crate::progress::{Progress, Step};
use anyhow::{Context, Result};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const SUITE: &str = "bookworm";
const PACKAGES: [&str; 5] = ["runc", "nftables", "iptables", "conntrack", "iproute2"];
/// The machine's own C library is the one that its loader fits.
const EXCEPT: [&str; 4] = ["libc6", "libgcc-s1", "libcrypt1", "libstdc++6"];
/// Names for iptables, which Debian makes when the package is installed.
const IPTABLES: [&str; 6] =
    ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];
const FILES: [&str; 5] = ["bin/runc", "bin/nft", "bin/iptables", "bin/conntrack", "bin/ip"];
/// Raised when the layout changes.
const LAYOUT: &str = "2";

/// The directory with `bin`, `lib` and `xtables`.
pub(crate) fn directory(cache: &Cache, progress: Progress) -> Result<PathBuf> {
    let entry = entry();
    cache.find(&entry).map_or_else(
        || {
            let title = format!(
                "fetching {} of Debian 12 (unpacked, not installed), once a machine",
                PACKAGES.join(", ")
            );
            progress.step(&title, |step| cache.get(&entry, |target| build(cache, target, step)))
        },
        Ok,
    )
}

/// The same, if it is there already.
pub(crate) fn find(cache: &Cache) -> Option<PathBuf> {
    cache.find(&entry())
}

fn entry() -> Entry<'static> {
    const KEY: [&str; 3] = [LAYOUT, SUITE, std::env::consts::ARCH];
    Entry { name: "packages", key: &KEY, files: &FILES }
}

fn build(cache: &Cache, target: &Path, step: &Step) -> Result<()> {
    let unpacked = target.join("unpacked");
    let selection = Selection { packages: &PACKAGES, except: &EXCEPT };
    Archive::open(cache, SUITE, step)?.unpack(&selection, &unpacked, step)?;
    let (programs, libraries) = (target.join("bin"), target.join("lib"));
    files::make(&programs)?;
    files::make(&libraries)?;
    for directory in ["bin", "sbin", "usr/bin", "usr/sbin"] {
        gather(&unpacked.join(directory), &programs)?;
    }
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    for directory in ["lib", "usr/lib"] {
        gather(&unpacked.join(directory).join(&triplet), &libraries)?;
    }
    std::fs::rename(libraries.join("xtables"), target.join("xtables"))
        .context("iptables has no extensions")?;
    for name in IPTABLES {
        let path = programs.join(name);
        let _ = std::fs::remove_file(&path);
        symlink("xtables-nft-multi", &path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    files::remove(&unpacked)
}

fn gather(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !target.exists() {
            std::fs::rename(entry.path(), &target)
                .with_context(|| format!("cannot move {}", target.display()))?;
        }
    }
    Ok(())
}
