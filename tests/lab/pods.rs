//! What tests do to a pod without Kubernetes having a say: its processes, found
//! by the cgroup that the kubelet made for it, and the network of its node.

use crate::lab::Lab;
use crate::node;
use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A process in a container of a pod, pinned: when it has ended, signals hit nobody.
#[derive(Debug)]
pub struct PodProcess {
    pid: i32,
    name: String,
    descriptor: OwnedFd,
}

impl Lab {
    /// The processes of the pod with this uid on a node.
    pub fn pod_processes(&self, node: u8, uid: &str) -> Vec<PodProcess> {
        let [pods, _] = node::groups(node);
        let found = self.cgroups.pod_processes(&self.name, &pods, uid);
        found.into_iter().filter_map(PodProcess::open).collect()
    }

    /// The network namespace of a node, which changes when the node is started.
    pub fn node_network(&self, node: u8) -> PathBuf {
        Path::new("/run/netns").join(self.name.namespace(node))
    }
}

impl PodProcess {
    fn open(pid: i32) -> Option<Self> {
        let descriptor = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        // Read after the number is pinned: it is of the process that signals go to.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
        Some(Self { pid, name, descriptor })
    }

    /// What it is called: the first 15 characters of its program's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the first of its container, not one that another one started.
    pub fn is_first(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        // Its numbers in all namespaces, that of the container last.
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        numbers.and_then(|numbers| numbers.split_whitespace().next_back()) == Some("1")
    }

    /// Its working directory, which may be on a volume of the pod.
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/cwd", self.pid))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        pidfd_send_signal(&self.descriptor, signal)
            .with_context(|| format!("cannot signal {} (process {})", self.name, self.pid))
    }
}
