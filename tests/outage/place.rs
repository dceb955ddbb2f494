//! Where a thread has its network.

use std::{fs::File, io, os::fd::AsFd as _, path::PathBuf};

use operlet_lab::Lab;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The network namespace of a node.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    network: PathBuf,
}

impl Place {
    pub(crate) fn on_node(lab: &Lab, node: u8) -> Self {
        Self { network: lab.node_network(node) }
    }

    /// The one that this process has already.
    pub(crate) fn here() -> Self {
        Self { network: PathBuf::from("/proc/self/ns/net") }
    }

    /// Moves the calling thread there, and no other one.
    ///
    /// A node that was started again has another namespace, so this is done before
    /// each new connection.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let namespace = File::open(&self.network)?;
        Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}
