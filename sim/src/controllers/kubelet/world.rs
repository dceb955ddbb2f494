//! What a scenario can do to the world of containers and nodes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Kubelets, container::State, pod::Pod};
use crate::world::{Network, Process, Volume};

/// The nodes of a cluster, and what runs there. Clones are the same one.
#[derive(Clone)]
pub struct World {
    kubelets: Arc<Mutex<Kubelets>>,
    network: Network,
}

impl World {
    pub(in crate::controllers) fn new(kubelets: Arc<Mutex<Kubelets>>, network: Network) -> Self {
        Self { kubelets, network }
    }

    /// The network between all pods.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The process that runs in a container.
    #[must_use]
    pub fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<Process> {
        self.pod(namespace, pod, |pod| {
            let container = pod.containers.iter().find(|known| known.name == container)?;
            match &container.state {
                State::Running(run) => run.process,
                _ => None,
            }
        })
    }

    /// Kills the process of a container, and says whether there was one.
    pub fn kill(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let process = self.process(namespace, pod, container);
        process.map(|process| self.network.kill(process)).is_some()
    }

    /// Stops the process of a container, and says whether there was one.
    pub fn freeze(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let process = self.process(namespace, pod, container);
        process.map(|process| self.network.freeze(process)).is_some()
    }

    /// Lets the process of a container go on, and says whether there was one.
    pub fn thaw(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let process = self.process(namespace, pod, container);
        process.map(|process| self.network.thaw(process)).is_some()
    }

    /// Takes a node's power: its processes are no more, and what they wrote and did not
    /// sync is lost.
    pub fn cut_power(&self, node: &str) {
        let mut kubelets = self.kubelets();
        self.network.cut_power(node);
        kubelets.nodes.cut_power(node, self.network.now());
        kubelets.pods.values_mut().filter(|pod| pod.node == node).for_each(Pod::lose);
        self.network.endings().notify_one();
    }

    /// Gives a node its power back. It takes some seconds to start.
    pub fn restore_power(&self, node: &str) {
        let mut kubelets = self.kubelets();
        self.network.restore_power(node);
        let Kubelets { nodes, tools, .. } = &mut *kubelets;
        tools.now = self.network.now();
        nodes.restore_power(node, tools);
        self.network.endings().notify_one();
    }

    /// A volume of a pod, by the name that it has there.
    #[must_use]
    pub fn volume(&self, namespace: &str, pod: &str, volume: &str) -> Option<Volume> {
        self.pod(namespace, pod, |pod| pod.volumes.get(volume).cloned())
    }

    /// Takes all files of a volume of a pod while its containers are restarted, and says
    /// whether there was such a one.
    pub fn lose_volume(&self, namespace: &str, pod: &str, volume: &str) -> bool {
        self.pod(namespace, pod, |pod| {
            let lost = pod.volumes.get(volume)?;
            for container in &pod.containers {
                if let State::Running(run) = &container.state
                    && let Some(process) = run.process
                {
                    self.network.kill(process);
                }
            }
            lost.clear();
            Some(())
        })
        .is_some()
    }

    /// The pod of this name that was made last.
    fn pod<T>(&self, namespace: &str, name: &str, look: impl FnOnce(&Pod) -> Option<T>) -> Option<T> {
        let kubelets = self.kubelets();
        let named = |pod: &&Pod| pod.place.namespace == namespace && pod.place.name == name;
        look(kubelets.pods.values().filter(named).max_by_key(|pod| pod.began)?)
    }

    fn kubelets(&self) -> MutexGuard<'_, Kubelets> {
        self.kubelets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
