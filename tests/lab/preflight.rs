//! Whether this machine can carry a lab, and what to do if not.

use crate::shell;
use anyhow::{Result, bail};
use rustix::fs::statfs;
use std::path::Path;

/// The file system of container images, which cannot lie on another of its kind.
const OVERLAY: u64 = 0x794c_7630;
/// What Debian always has, and other machines mostly.
const NEEDED: [(&str, &str); 5] = [
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("tail", "coreutils"),
];

/// Complains about what is missing before anything is changed.
pub(crate) fn check(state: &Path) -> Result<()> {
    root()?;
    if std::env::consts::OS != "linux" || !matches!(std::env::consts::ARCH, "x86_64" | "aarch64") {
        bail!("the lab needs Linux on x86_64 or aarch64");
    }
    let missing: Vec<_> = NEEDED.iter().filter(|(program, _)| shell::find(program).is_none()).collect();
    if let Some((program, package)) = missing.first() {
        bail!("the program `{program}` is missing: apt-get install {package}");
    }
    if let Some(existing) = state.ancestors().find(|path| path.exists()) {
        let kind = u64::try_from(statfs(existing)?.f_type)?;
        if kind == OVERLAY {
            bail!(
                "{} lies on an overlay file system, which cannot carry containers: set {} to a directory on a real \
                 one, for instance a volume of the container that you are in",
                existing.display(),
                crate::state::VARIABLE
            );
        }
    }
    Ok(())
}

/// Complains unless this process may do everything.
pub(crate) fn root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the lab makes network namespaces, mounts and cgroups and must run as root: try again with `sudo -E`"
        );
    }
    Ok(())
}
