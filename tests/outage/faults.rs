//! What can happen to a server, a pod or a node.

use anyhow::{Context as _, Result};
use operlet_lab::{Lab, PodProcess};
use rustix::process::Signal;

use super::seats::Seat;

/// What the programs of all supported servers end with.
const SERVER: &str = "-server";

/// A server that stands still until this is dropped.
pub(crate) struct Frozen {
    process: PodProcess,
}

/// A node without power until this is dropped.
pub(crate) struct PowerCut {
    lab: Lab,
    node: u8,
    restored: bool,
}

/// The server's process in a pod; those that it forks to write its data are not meant.
fn server(lab: &Lab, pod: &Seat) -> Result<PodProcess> {
    let processes = lab.pod_processes(pod.node, &pod.uid);
    let names: Vec<String> = processes.iter().map(|process| process.name().to_owned()).collect();
    processes
        .into_iter()
        .find(|process| process.is_first() && process.name().ends_with(SERVER))
        .with_context(|| format!("no server runs in {} on node{}, only {names:?}", pod.pod, pod.node))
}

/// Ends the server of a pod at once; its container is started again.
pub(crate) fn kill(lab: &Lab, pod: &Seat) -> Result<()> {
    aim(lab, pod)?()
}

/// As [`kill`], with the process found beforehand, for when the moment matters.
pub(crate) fn aim(lab: &Lab, pod: &Seat) -> Result<impl FnOnce() -> Result<()>> {
    let process = server(lab, pod)?;
    Ok(move || process.signal(Signal::KILL))
}

/// Stops the server of a pod where it stands.
pub(crate) fn freeze(lab: &Lab, pod: &Seat) -> Result<Frozen> {
    let process = server(lab, pod)?;
    process.signal(Signal::STOP)?;
    Ok(Frozen { process })
}

/// Ends the server of a pod at once, and takes its data away before its container
/// is started again.
pub(crate) fn empty_and_kill(lab: &Lab, pod: &Seat) -> Result<()> {
    // It must not write while its data is taken away.
    let frozen = freeze(lab, pod)?;
    let data = frozen.process.directory();
    let entries = std::fs::read_dir(&data).with_context(|| format!("cannot read the data of {}", pod.pod))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let removed = if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove {} of {}", path.display(), pod.pod))?;
    }
    frozen.process.signal(Signal::KILL)
}

/// Deletes a pod as a person would.
pub(crate) fn delete(lab: &Lab, namespace: &str, pod: &str) -> Result<()> {
    lab.kubectl(&["delete", "pod", pod, "-n", namespace, "--wait=false"]).map(drop)
}

/// Deletes a pod as a person should not: Kubernetes forgets it before it has ended.
pub(crate) fn delete_by_force(lab: &Lab, namespace: &str, pod: &str) -> Result<()> {
    let force = ["--wait=false", "--grace-period=0", "--force"];
    lab.kubectl(&[&["delete", "pod", pod, "-n", namespace], &force[..]].concat()).map(drop)
}

impl PowerCut {
    /// Cuts the power of a node.
    pub(crate) fn of(lab: &Lab, node: u8) -> Result<Self> {
        // Ended processes say goodbye to their peers, which a machine without power
        // does not: the cable goes first.
        let cut = Self { lab: lab.clone(), node, restored: false };
        lab.partition_node(node)?;
        lab.kill_node(node)?;
        Ok(cut)
    }

    /// Gives it back, and waits until the node is ready.
    pub(crate) fn restore(mut self) -> Result<()> {
        self.lab.start_node(self.node)?;
        self.restored = true;
        Ok(())
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        if !self.restored {
            // After a failure, which must not become that of all that follows. A node
            // that still runs is not made anew, so its cable has to be plugged in.
            let _ = self.lab.heal_node(self.node);
            let _ = self.lab.start_node(self.node);
        }
    }
}

impl Frozen {
    /// Lets it go on, if the kubelet has not killed it meanwhile.
    pub(crate) fn thaw(self) {}
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.process.signal(Signal::CONT);
    }
}
