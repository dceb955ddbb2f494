//! Which pods may be dialled. Nothing here waits or dials.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use serde::Deserialize;

use crate::model::{Exchange, ExchangeEnd};

/// A pod's JSON could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the pod cannot be read: {0}; a pod always has a name, a uid and addresses in digits")]
pub struct PodUnreadable(#[from] serde_json::Error);

/// What the rules have to know of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// Its `metadata.name`.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// Whether it has run to its end, so that its address may be another's by now.
    pub ended: bool,
    /// Its address, if it has one yet.
    pub address: Option<IpAddr>,
    /// Whether the chain of its controllers leads to the resource; if not, why,
    /// in words for a person.
    pub owned: Result<(), String>,
}

impl PodFacts {
    /// Reads them from a pod. Who owns it takes more objects than the pod, so
    /// the caller says that.
    pub fn parse(json: &str, owned: Result<(), String>) -> Result<Self, PodUnreadable> {
        let Pod { metadata, spec, status } = serde_json::from_str(json)?;
        let address = match status.pod_ip.as_deref() {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse::<IpAddr>().map_err(serde::de::Error::custom).map_err(PodUnreadable)?)
            }
        };
        Ok(Self {
            name: metadata.name,
            uid: metadata.uid,
            host_network: spec.host_network,
            ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            address,
            owned,
        })
    }
}

/// Where an exchange may dial, or why it may not. `ports` are those that both
/// the component's manifest and the Operlet allow.
///
/// Loopback addresses are refused here and nowhere else: what holds an address
/// that passed may dial it.
pub fn address(
    pod: Option<&PodFacts>,
    exchange: &Exchange,
    ports: &BTreeSet<u16>,
) -> Result<SocketAddr, ExchangeEnd> {
    let Exchange { pod: name, pod_uid, port, .. } = exchange;
    let denied = |reason: String| Err(ExchangeEnd::Denied(format!("pod {name}, port {port}: {reason}")));
    // Before anything about the pod: it tells the author of a component what is
    // amiss even while no pod runs.
    if !ports.contains(port) {
        return denied(
            "the port is not allowed: list it among the ports of the component's manifest and of \
             the Operlet"
                .to_owned(),
        );
    }
    let Some(pod) = pod.filter(|pod| pod.name == *name && pod.uid == *pod_uid) else {
        return Err(ExchangeEnd::Gone);
    };
    if let Err(reason) = &pod.owned {
        return denied(format!("{reason}; dial only pods that the resource brought about"));
    }
    if pod.host_network {
        return denied(
            "the pod is on its node's network, where it cannot be told from the node: run it \
             without hostNetwork"
                .to_owned(),
        );
    }
    let Some(address) = pod.address.filter(|_| !pod.ended) else { return Err(ExchangeEnd::Gone) };
    match forbidden(address) {
        Some(kind) => denied(format!(
            "its address {address} is {kind}, which no pod has: look at who writes the pod's status"
        )),
        None => Ok(SocketAddr::new(address, *port)),
    }
}

/// What makes an address one that no pod on a cluster's network has.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => {
            // In the clothes of an IPv6 address it goes where it goes without.
            let disguised = address.to_ipv4().and_then(forbidden_v4);
            let own = [
                (address.is_loopback(), "a loopback address"),
                (address.is_unspecified(), "unspecified"),
                (address.is_multicast(), "a multicast address"),
                (address.is_unicast_link_local(), "a link-local address"),
            ];
            own.iter().find_map(|(is, kind)| is.then_some(*kind)).or(disguised)
        }
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let kinds = [
        (address.is_loopback(), "a loopback address"),
        // All of 0.0.0.0/8 means this very host.
        (address.octets().first() == Some(&0), "unspecified"),
        (address.is_multicast(), "a multicast address"),
        (address.is_link_local(), "a link-local address"),
        (address.is_broadcast(), "the broadcast address"),
    ];
    kinds.iter().find_map(|(is, kind)| is.then_some(*kind))
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    host_network: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
}
