//! The kubelets of all nodes: they run the containers of pods, ask their probes, start
//! them again and end them.

mod back_off;
mod container;
mod nodes;
mod pod;
mod probe;
mod schedule;
mod status;
mod stop;
#[cfg(test)]
mod tests;
mod volumes;
mod world;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{all, seconds};
use crate::{
    api::State,
    chance::Chance,
    world::{Images, Network, Volume},
};
use nodes::Nodes;
use pod::Pod;
pub use world::World;

/// All kubelets, and the scheduler that gives them pods.
pub(super) struct Kubelets {
    tools: Tools,
    nodes: Nodes,
    /// By uid: of the same name there can be one that is going, and the next one.
    pods: BTreeMap<String, Pod>,
    /// The version of the API that was looked at last.
    seen: u64,
}

/// What is used for pods.
pub(super) struct Tools {
    network: Network,
    images: Arc<dyn Images>,
    chance: Chance,
    /// The time of day at which the network's time began.
    zero: Timestamp,
    /// What claims have claimed, by their uids.
    claims: BTreeMap<String, Volume>,
    addresses: u16,
    now: Duration,
}

/// What kubelets look at, and the scheduler.
const KINDS: &[(&str, &str)] =
    &[("", "nodes"), ("", "pods"), ("", "persistentvolumeclaims"), ("", "configmaps"), ("", "secrets")];

impl Kubelets {
    pub(super) fn new(state: &mut State, network: Network, images: Arc<dyn Images>) -> Self {
        let passed = SignedDuration::try_from(network.now()).unwrap_or_default();
        let now: Timestamp = (state.clock)();
        let tools = Tools {
            zero: now.checked_sub(passed).unwrap_or(now),
            network,
            images,
            chance: Chance::new(state.random()),
            claims: BTreeMap::new(),
            addresses: 0,
            now: Duration::ZERO,
        };
        Self { tools, nodes: Nodes::default(), pods: BTreeMap::new(), seen: 0 }
    }

    /// Does what is due, and says when there is more.
    pub(super) fn step(&mut self, state: &mut State) -> Option<Duration> {
        self.tools.now = self.tools.network.now();
        for name in self.nodes.step(state, self.tools.now) {
            for pod in self.pods.values_mut().filter(|pod| pod.node == name) {
                pod.come_back(&mut self.tools);
                pod.step(state, &mut self.tools);
            }
        }
        if state.store.touched_after(self.seen, KINDS) {
            schedule::step(state);
            self.look(state);
            self.seen = state.store.version();
        }
        for ended in self.tools.network.ended() {
            let mut pods = self.pods.values_mut();
            pods.any(|pod| pod.end(ended, &mut self.tools));
        }
        let now = self.tools.now;
        for pod in self.pods.values_mut() {
            if self.nodes.runs(&pod.node) && pod.due().is_some_and(|due| due <= now) {
                pod.step(state, &mut self.tools);
            }
        }
        self.pods.retain(|_, pod| {
            !pod.is_over()
                || state.store.get(&pod.place).is_some_and(|known| known.text("/metadata/uid") == pod.uid)
        });
        let runs = self.pods.values().filter(|pod| self.nodes.runs(&pod.node));
        runs.filter_map(Pod::due).chain(self.nodes.due()).min()
    }

    /// Takes note of what has changed in the API.
    fn look(&mut self, state: &mut State) {
        let pods = all(state, "", "pods");
        for pod in self.pods.values_mut() {
            let known = state.store.get(&pod.place);
            if known.is_none_or(|known| known.text("/metadata/uid") != pod.uid) {
                pod.forget(&mut self.tools);
            }
        }
        for (place, object) in pods.iter().filter(|(_, object)| !object.text("/spec/nodeName").is_empty()) {
            let uid = object.text("/metadata/uid").to_owned();
            let new = || Pod::new(place, object, self.tools.now);
            let pod = self.pods.entry(uid).or_insert_with(new);
            pod.look(state, object, &mut self.tools);
            if self.nodes.runs(&pod.node) {
                pod.step(state, &mut self.tools);
            }
        }
        let claims = all(state, "", "persistentvolumeclaims");
        let there = |uid: &str| claims.iter().any(|(_, claim)| claim.text("/metadata/uid") == uid);
        self.tools.claims.retain(|uid, _| there(uid));
    }
}

impl Tools {
    /// A time as objects note it.
    fn time(&self, at: Duration) -> String {
        let passed = SignedDuration::try_from(at).unwrap_or_default();
        seconds(self.zero.checked_add(passed).unwrap_or(self.zero))
    }

    /// An address that no other pod has had.
    fn address(&mut self) -> IpAddr {
        self.addresses += 1;
        let [high, low] = self.addresses.to_be_bytes();
        Ipv4Addr::new(10, 244, high, low).into()
    }

    fn container_id(&mut self) -> String {
        let words = [(); 4].map(|()| self.chance.next());
        let [first, second, third, fourth] = words;
        format!("containerd://{first:016x}{second:016x}{third:016x}{fourth:016x}")
    }
}
