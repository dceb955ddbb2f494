//! Which addresses and names belong to which lab: a pure function of its index.
//!
//! | range | for |
//! |---|---|
//! | 10.X.0.0/24 | the bridge: the control plane at .1, node N at .(10 + N) |
//! | 10.X.(64 + N).0/24 | the pods of node N |
//! | 10.X.128.0/17 | Services |
//! | 127.90.(1 + index).1 | what only the control plane itself may reach |
//!
//! X is 210 plus the index of the lab. Nodes and pods lie in different ranges,
//! because kube-proxy leaves traffic from the pod range as it is and hides the
//! sender of any other: that is what lets this machine reach Services.

use std::net::Ipv4Addr;

/// How many labs can be up side by side.
pub(crate) const LABS_MAX: u8 = 32;
/// How many nodes a lab can have; each costs about 100 MiB of memory.
pub(crate) const NODES_MAX: u8 = 16;

const FIRST_NETWORK: u8 = 210;

/// The addresses and interface names of one lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    index: u8,
}

impl Plan {
    /// The plan of the lab with this index; `None` when there is no room for it.
    pub fn new(index: u8) -> Option<Self> {
        (index < LABS_MAX).then_some(Self { index })
    }

    fn network(self) -> u8 {
        FIRST_NETWORK + self.index
    }

    /// The bridge that joins the nodes, in this machine's network.
    pub fn bridge(self) -> String {
        format!("operlet{}", self.index)
    }

    /// This machine's end of the cable of a node.
    pub fn cable(self, node: u8) -> String {
        format!("operlet{}n{node}", self.index)
    }

    /// Where the API server and the cluster's DNS listen.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network(), 0, 1)
    }

    /// The address of the API server as a URL.
    pub fn server(self) -> String {
        format!("https://{}:6443", self.address())
    }

    /// The address of a node.
    pub fn node(self, node: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network(), 0, 10 + node)
    }

    /// The range of a node's pods.
    pub fn pods(self, node: u8) -> String {
        format!("10.{}.{}.0/24", self.network(), 64 + node)
    }

    /// The range of all pods of the lab.
    pub fn all_pods(self) -> String {
        format!("10.{}.64.0/18", self.network())
    }

    /// The range of Services.
    pub fn services(self) -> String {
        format!("10.{}.128.0/17", self.network())
    }

    /// The address of the Service `kubernetes`: the first of its range.
    pub fn first_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network(), 128, 1)
    }

    /// Everything that belongs to the lab.
    pub fn everything(self) -> String {
        format!("10.{}.0.0/16", self.network())
    }

    /// A loopback address of the lab's own: out of the pods' reach.
    pub fn loopback(self) -> Ipv4Addr {
        Ipv4Addr::new(127, 90, 1 + self.index, 1)
    }

    /// Where etcd serves its clients.
    pub fn etcd(self) -> String {
        format!("http://{}:2379", self.loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labs_share_neither_addresses_nor_names() {
        let (first, second) = (Plan::new(0).unwrap(), Plan::new(1).unwrap());
        assert_eq!(first.everything(), "10.210.0.0/16");
        assert_eq!(second.everything(), "10.211.0.0/16");
        assert_ne!(first.bridge(), second.bridge());
        assert_ne!(first.cable(1), second.cable(1));
        assert_ne!(first.loopback(), second.loopback());
    }

    #[test]
    fn a_cable_of_lab_1_is_none_of_lab_11() {
        assert_ne!(Plan::new(1).unwrap().cable(11), Plan::new(11).unwrap().cable(1));
    }

    #[test]
    fn the_last_lab_stays_within_the_private_range() {
        let last = Plan::new(LABS_MAX - 1).unwrap();
        assert_eq!(last.address(), Ipv4Addr::new(10, 241, 0, 1));
        assert_eq!(last.pods(NODES_MAX), "10.241.80.0/24");
        assert!(Plan::new(LABS_MAX).is_none());
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        let longest = Plan::new(LABS_MAX - 1).unwrap().cable(NODES_MAX);
        assert!(longest.len() <= 15, "{longest} is longer than 15 characters");
    }
}
