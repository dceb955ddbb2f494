//! A pod on its node, from the first look at it until nothing of it is left.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    super::{change, delete_now},
    Tools,
    container::{Container, State as Is, Within},
    status,
    volumes::Volumes,
};
use crate::api::{Place, State, Stored};

/// How long a pod takes until its containers start: at least, and at most.
const START: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// How long a pod is still there whose containers have ended.
const END: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(300)];

/// How long a process at most outlives a pod that was deleted without waiting for it.
const LATER: Duration = Duration::from_millis(500);

/// A pod on its node.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) place: Place,
    pub(super) uid: String,
    pub(super) node: String,
    /// As it is in the API, or was last.
    pub(super) object: Arc<Stored>,
    /// Since when its kubelet knows it.
    pub(super) began: Duration,
    pub(super) address: Option<IpAddr>,
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Volumes,
    stage: Stage,
    /// How long its containers have at most to end, once they are asked.
    grace: Option<Duration>,
    /// The status as it was written.
    told: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Something is not there that it mounts.
    Waiting,
    Preparing {
        until: Duration,
    },
    Running,
    /// It is not in the API any more, but its processes have not heard of it.
    Forgotten {
        until: Duration,
    },
    Ending,
    Leaving {
        at: Duration,
    },
    /// Nothing is left of it on its node.
    Left,
}

impl Pod {
    pub(super) fn new(place: &Place, object: &Arc<Stored>, now: Duration) -> Self {
        let containers = object.value.pointer("/spec/containers").and_then(Value::as_array);
        let named = |container: &Value| Some(Container::new(container.get("name")?.as_str()?));
        Self {
            place: place.clone(),
            uid: object.text("/metadata/uid").to_owned(),
            node: object.text("/spec/nodeName").to_owned(),
            object: Arc::clone(object),
            began: now,
            address: None,
            containers: containers.into_iter().flatten().filter_map(named).collect(),
            volumes: Volumes::default(),
            stage: Stage::Waiting,
            grace: None,
            told: Map::new(),
        }
    }

    /// Whether nothing is left of it anywhere.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Left
    }

    /// It is not in the API any more.
    pub(super) fn forget(&mut self, tools: &mut Tools) {
        if matches!(self.stage, Stage::Waiting | Stage::Preparing { .. } | Stage::Running) {
            let least = LATER / 10;
            self.stage = Stage::Forgotten { until: tools.now + tools.chance.between(least, LATER) };
        } else if self.stage == Stage::Ending {
            self.stop(Duration::ZERO, tools);
        }
    }

    /// Takes note of what has changed in the API.
    pub(super) fn look(&mut self, state: &State, object: &Arc<Stored>, tools: &mut Tools) {
        self.object = Arc::clone(object);
        self.volumes.look(state, tools);
        let metadata = |field: &str| object.value.get("metadata").and_then(|metadata| metadata.get(field));
        if metadata("deletionTimestamp").is_none() {
            return;
        }
        let grace = metadata("deletionGracePeriodSeconds").and_then(Value::as_u64).unwrap_or_default();
        match self.stage {
            Stage::Waiting | Stage::Preparing { .. } => self.leave(tools),
            Stage::Running | Stage::Ending => self.stop(Duration::from_secs(grace), tools),
            Stage::Forgotten { .. } | Stage::Leaving { .. } | Stage::Left => {}
        }
    }

    /// When there is something to do. One that waits is asked when anything has changed.
    pub(super) fn due(&self) -> Option<Duration> {
        let own = match self.stage {
            Stage::Preparing { until: at } | Stage::Forgotten { until: at } | Stage::Leaving { at } => {
                Some(at)
            }
            Stage::Waiting | Stage::Left => return None,
            Stage::Running | Stage::Ending => None,
        };
        let containers = self.containers.iter().filter_map(Container::due);
        own.into_iter().chain(containers).chain(self.volumes.due()).min()
    }

    /// Does what is due, and says how it is.
    pub(super) fn step(&mut self, state: &mut State, tools: &mut Tools) {
        match self.stage {
            Stage::Waiting => {
                let found = Volumes::find(state, &self.object.value, &self.place.namespace, tools);
                if let Some(volumes) = found {
                    self.volumes = volumes;
                    let [least, most] = START;
                    self.stage = Stage::Preparing { until: tools.now + tools.chance.between(least, most) };
                }
            }
            Stage::Preparing { until } if until <= tools.now => self.start(tools),
            Stage::Forgotten { until } if until <= tools.now => self.stop(Duration::ZERO, tools),
            Stage::Leaving { at } if at <= tools.now => {
                self.stage = Stage::Left;
                if let Some(address) = self.address {
                    tools.network.release(address);
                }
                delete_now(state, &self.place, &self.uid);
                return;
            }
            _ => {}
        }
        self.volumes.step(state, tools.now);
        self.containers(tools);
        self.tell(state, tools);
    }

    /// A process has ended, which may be one of its own.
    pub(super) fn end(&mut self, ended: crate::world::Ended, tools: &mut Tools) -> bool {
        let crate::world::Ended { process, code, at } = ended;
        self.containers.iter_mut().any(|container| container.end(process, code, at, tools))
    }

    /// Its node has lost its power.
    pub(super) fn lose(&mut self) {
        self.volumes.cut_power();
        self.containers.iter_mut().for_each(Container::lose);
    }

    /// Its node is back, and what was said of it meanwhile is to be said anew.
    pub(super) fn come_back(&mut self, tools: &mut Tools) {
        let ends = !matches!(self.stage, Stage::Waiting | Stage::Preparing { .. } | Stage::Running);
        for container in &mut self.containers {
            container.come_back(ends, tools);
        }
        self.told.clear();
    }

    fn start(&mut self, tools: &mut Tools) {
        let address = tools.address();
        tools.network.assign(address, &self.node);
        self.address = Some(address);
        self.stage = Stage::Running;
        self.each(tools, Container::start);
    }

    fn stop(&mut self, grace: Duration, tools: &mut Tools) {
        if self.stage == Stage::Ending && self.grace.is_some_and(|known| known <= grace) {
            return;
        }
        (self.stage, self.grace) = (Stage::Ending, Some(grace));
        self.each(tools, |container, within, tools| container.stop(within, tools));
    }

    fn leave(&mut self, tools: &mut Tools) {
        let [least, most] = END;
        self.stage = Stage::Leaving { at: tools.now + tools.chance.between(least, most) };
    }

    fn containers(&mut self, tools: &mut Tools) {
        self.each(tools, Container::step);
        let over = |container: &Container| matches!(container.state, Is::Finished(_) | Is::Creating);
        if self.stage == Stage::Ending && self.containers.iter().all(over) {
            self.leave(tools);
        }
    }

    /// Does something with each container, if it has any of their things already.
    fn each(&mut self, tools: &mut Tools, mut act: impl FnMut(&mut Container, &Within<'_>, &mut Tools)) {
        let Some(address) = self.address else { return };
        let own = self.object.value.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
        let within = Within {
            pod: &self.object.value,
            node: &self.node,
            address,
            volumes: &self.volumes,
            grace: self.grace.unwrap_or(Duration::from_secs(own.unwrap_or(30))),
            ends: self.stage != Stage::Running,
        };
        for container in &mut self.containers {
            act(container, &within, tools);
        }
    }

    /// Writes its status if that has changed.
    fn tell(&mut self, state: &mut State, tools: &Tools) {
        let status = status::status(self, tools);
        let there = state.store.get(&self.place).is_some_and(|pod| pod.text("/metadata/uid") == self.uid);
        if status == self.told || !there {
            return;
        }
        let time = tools.time(tools.now);
        change(state, &self.place, "status", |pod| status::lay_over(pod, &status, &time));
        self.told = status;
    }
}
