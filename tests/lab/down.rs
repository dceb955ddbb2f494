//! Taking a lab away: whatever is left of it, in whatever state it is.

use crate::cache::Cache;
use crate::cgroup::Cgroups;
use crate::lab::Lab;
use crate::name::Name;
use crate::network::Network;
use crate::plan::{LABS_MAX, NODES_MAX, Plan};
use crate::process::Record;
use crate::progress::Progress;
use crate::shell;
use crate::state::{Labs, Layout};
use crate::{files, packages, preflight};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

impl Lab {
    /// Takes the lab away, with its data and logs.
    pub fn down(self) -> Result<()> {
        remove(self.name.as_str(), self.progress)
    }
}

/// Takes a lab away, with its data and logs: one that is up, half created, half
/// dead or gone already. Afterwards nothing of it is left on this machine.
pub fn remove(name: &str, progress: Progress) -> Result<()> {
    preflight::root()?;
    let name: Name = name.parse()?;
    let labs = Labs::open()?;
    let layout = labs.layout(&name);
    if !layout.path().exists()
        && Cgroups::detect().is_ok_and(|cgroups| cgroups.processes(&name, None).is_empty())
    {
        progress.say(&format!("there is no lab {name}"));
    }
    let _lock = labs.lock(&name)?;
    progress.step(&format!("taking lab {name} away"), |_| {
        end_processes(&name, &layout)?;
        remove_network(&name, &labs)?;
        unmount(layout.path())?;
        Cgroups::detect()?.remove(&name, None)?;
        remove_directories(&labs, &layout)
    })
}

fn end_processes(name: &Name, layout: &Layout) -> Result<()> {
    let records = layout.path().join("run");
    for entry in std::fs::read_dir(records).into_iter().flatten().flatten() {
        // A damaged record names nobody; the cgroup still finds its process.
        if let Ok(record) = Record::load(&entry.path()) {
            record.kill()?;
        }
    }
    Cgroups::detect()?.kill(name, None)
}

fn remove_network(name: &Name, labs: &Labs) -> Result<()> {
    let fetched = Cache::open().ok().and_then(|cache| packages::find(&cache));
    let network = |plan| Network::new(plan, name, fetched.as_deref());
    if let Ok(Some(state)) = labs.layout(name).load() {
        let Some(plan) = Plan::new(state.index) else { return Ok(()) };
        for node in 1..=NODES_MAX {
            network(plan)?.remove_node(node)?;
        }
        return network(plan)?.remove_bridge();
    }
    // Without a record of its own, the lab's bridge is one that no other lab has.
    let mut others = Vec::new();
    for other in labs.names()?.iter().filter(|other| *other != name) {
        let Ok(Some(state)) = labs.layout(other).load() else { return Ok(()) };
        others.push(state.index);
    }
    for plan in (0..LABS_MAX).filter(|index| !others.contains(index)).filter_map(Plan::new) {
        let network = network(plan)?;
        for node in 1..=NODES_MAX {
            network.remove_node(node)?;
        }
        if network.present() {
            network.remove_bridge()?;
        }
    }
    Ok(())
}

/// A node's mounts end with it; this is for those that somebody made by hand.
fn unmount(directory: &Path) -> Result<()> {
    let mounts = files::read(Path::new("/proc/mounts"))?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    for point in points.filter(|point| point.starts_with(directory)) {
        shell::output(Command::new("umount").arg("--lazy").arg(&point))?;
    }
    Ok(())
}

fn remove_directories(labs: &Labs, layout: &Layout) -> Result<()> {
    let mut made = layout.load().ok().flatten().map(|state| state.made).unwrap_or_default();
    let heir =
        labs.names()?.into_iter().map(|name| labs.layout(&name)).find(|other| other.path() != layout.path());
    if let Some(heir) = heir {
        // The other lab's nodes cover the same directories: they are now its to remove.
        if let Some(mut state) = heir.load()? {
            state.made.append(&mut made);
            heir.save(&state)?;
        }
    }
    // The longest first: a directory before the one above it.
    made.sort_by_key(|path| std::cmp::Reverse(path.as_os_str().len()));
    for path in &made {
        let _ = std::fs::remove_dir(path);
    }
    files::remove(layout.path()).context("the lab's directory is still in use")
}
