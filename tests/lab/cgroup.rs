//! The control groups of a lab: `operlet/NAME` in every hierarchy.
//!
//! They limit nothing. They are how the kubelets account for pods, and how the
//! lab knows every process of its own, whatever started it: all of them are
//! born in one of these groups and none can leave by itself.

use crate::files;
use crate::name::Name;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the kernel shows the hierarchies.
const ROOT: &str = "/sys/fs/cgroup";
/// What a kubelet insists on.
const NEEDED: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];
const TOP: &str = "operlet";
const END_TIMEOUT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);

/// The hierarchies of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// Version 1: one hierarchy for each controller, by its mount point.
    One(Vec<PathBuf>),
    /// Version 2: a single one.
    Two(PathBuf),
}

impl Cgroups {
    /// Finds out what this machine has.
    pub(crate) fn detect() -> Result<Self> {
        Self::parse(&files::read(Path::new("/proc/mounts"))?)
    }

    fn parse(mounts: &str) -> Result<Self> {
        let (mut ones, mut controllers, mut two) = (Vec::new(), Vec::new(), None);
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(path), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            match kind {
                "cgroup" if path.starts_with(ROOT) => {
                    ones.push(PathBuf::from(path));
                    controllers.extend(options.split(',').map(str::to_owned));
                }
                "cgroup2" if path == ROOT => two = Some(PathBuf::from(path)),
                // Beside version 1 it controls nothing, but container runtimes use it all the same.
                "cgroup2" if path.starts_with(ROOT) => ones.push(PathBuf::from(path)),
                _ => {}
            }
        }
        if let Some(two) = two {
            return Ok(Self::Two(two));
        }
        let missing: Vec<_> =
            NEEDED.into_iter().filter(|need| !controllers.iter().any(|c| c == need)).collect();
        if !missing.is_empty() {
            bail!(
                "this machine shows no cgroup hierarchy for {} under {ROOT}: mount them \
                 (in a container: give it the host's cgroups)",
                missing.join(", ")
            );
        }
        Ok(Self::One(ones))
    }

    /// The path of a lab's group below the hierarchies, as a kubelet wants to know it.
    pub(crate) fn path(lab: &Name, leaf: &str) -> String {
        format!("/{TOP}/{lab}/{leaf}")
    }

    /// Makes a group of the lab and returns the file to which a process writes itself.
    pub(crate) fn make(&self, lab: &Name, leaf: &str) -> Result<PathBuf> {
        match self {
            Self::One(hierarchies) => {
                for hierarchy in hierarchies {
                    let mut above = hierarchy.clone();
                    for part in [TOP, lab.as_str(), leaf] {
                        let group = above.join(part);
                        files::make(&group)?;
                        inherit(&above, &group)?;
                        above = group;
                    }
                }
            }
            Self::Two(root) => {
                let mut above = root.clone();
                for part in [TOP, lab.as_str(), leaf] {
                    delegate(&above)?;
                    above.push(part);
                    files::make(&above)?;
                }
            }
        }
        Ok(self.tracking().join(TOP).join(lab.as_str()).join(leaf).join("cgroup.procs"))
    }

    /// Every process of the lab, or of one of its groups.
    pub(crate) fn processes(&self, lab: &Name, leaf: Option<&str>) -> Vec<i32> {
        let mut found = Vec::new();
        visit(&group(&self.tracking(), lab, leaf), &mut |group| {
            let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            found.extend(processes.lines().filter_map(|line| line.parse::<i32>().ok()));
        });
        found
    }

    /// Every process of the pod with this uid, in one of the lab's groups.
    pub(crate) fn pod_processes(&self, lab: &Name, leaf: &str, uid: &str) -> Vec<i32> {
        // As a kubelet names it, below a group for the quality of its service.
        let name = format!("pod{uid}");
        let mut found = Vec::new();
        visit(&group(&self.tracking(), lab, Some(leaf)), &mut |group| {
            if group.components().any(|part| part.as_os_str() == name.as_str()) {
                let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                found.extend(processes.lines().filter_map(|line| line.parse::<i32>().ok()));
            }
        });
        found
    }

    /// Ends every process of the lab, or of one of its groups.
    pub(crate) fn kill(&self, lab: &Name, leaf: Option<&str>) -> Result<()> {
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            let processes = self.processes(lab, leaf);
            if processes.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("processes {processes:?} of lab {lab} do not end: is a disk hanging?");
            }
            // Zero is how the kernel shows a process of a namespace out of sight.
            for pid in processes.into_iter().filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Removes a group of the lab, or all of them, with every group below.
    pub(crate) fn remove(&self, lab: &Name, leaf: Option<&str>) -> Result<()> {
        for hierarchy in self.hierarchies() {
            let group = group(&hierarchy, lab, leaf);
            let deadline = Instant::now() + END_TIMEOUT;
            // A group stays busy for a moment after its last process has ended.
            while group.exists() {
                visit(&group, &mut |below| drop(fs::remove_dir(below)));
                if group.exists() && Instant::now() > deadline {
                    bail!("cannot remove the cgroup {}: something still uses it", group.display());
                }
                if group.exists() {
                    std::thread::sleep(PAUSE);
                }
            }
            // It belongs to all labs: the last one takes it away.
            let _ = fs::remove_dir(hierarchy.join(TOP));
        }
        Ok(())
    }

    /// The hierarchy by which processes are found.
    fn tracking(&self) -> PathBuf {
        match self {
            Self::One(hierarchies) => {
                hierarchies.iter().find(|path| path.ends_with("pids")).or(hierarchies.first()).cloned()
            }
            Self::Two(root) => Some(root.clone()),
        }
        .unwrap_or_else(|| PathBuf::from(ROOT))
    }

    fn hierarchies(&self) -> Vec<PathBuf> {
        match self {
            Self::One(hierarchies) => hierarchies.clone(),
            Self::Two(root) => vec![root.clone()],
        }
    }
}

fn group(hierarchy: &Path, lab: &Name, leaf: Option<&str>) -> PathBuf {
    let lab = hierarchy.join(TOP).join(lab.as_str());
    leaf.map_or_else(|| lab.clone(), |leaf| lab.join(leaf))
}

/// A new group of the cpuset controller is empty, and nothing can join an empty one.
fn inherit(above: &Path, group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if group.join(file).exists() && files::read(&group.join(file))?.trim().is_empty() {
            fs::write(group.join(file), files::read(&above.join(file))?.trim())
                .with_context(|| format!("cannot set {file} of {}", group.display()))?;
        }
    }
    Ok(())
}

/// Lets the groups below use every controller that this one has.
fn delegate(group: &Path) -> Result<()> {
    let controllers = files::read(&group.join("cgroup.controllers"))?;
    let wanted: Vec<_> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    fs::write(group.join("cgroup.subtree_control"), wanted.join(" ")).with_context(|| {
        format!(
            "cannot delegate controllers below {}: in a container, its processes must not be in the root group",
            group.display()
        )
    })
}

/// Calls `f` for a group and all below it, the lowest first.
fn visit(group: &Path, f: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        visit(&entry.path(), f);
    }
    f(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_is_told_from_version_two() {
        let two = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(Cgroups::parse(two).unwrap(), Cgroups::Two(PathBuf::from(ROOT)));

        let one = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                   cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                   cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
                   cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                   cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
                   cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let Cgroups::One(hierarchies) = Cgroups::parse(one).unwrap() else { panic!("not version one") };
        assert_eq!(hierarchies.len(), 5, "the runtime's own use of version two would be left behind");
    }

    #[test]
    fn a_missing_controller_is_named() {
        let error =
            Cgroups::parse("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct,cpuset,memory 0 0").unwrap_err();
        assert!(error.to_string().contains("for pids under"), "{error}");
    }
}
