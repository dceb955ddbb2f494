//! Runs pods: a scheduler, and the kubelets of all nodes.
//!
//! A pod is given a node, its containers start, it becomes ready, and after it is
//! deleted it ends. Each takes a little time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{all, change, delete_now, is_deleted, seconds, stateful_sets::is_ready};
use crate::api::{Place, State, Stored};

/// The scheduler that gives out nodes here.
const SCHEDULER: &str = "default-scheduler";

/// How long containers take to start, and to be ready.
const START: Duration = Duration::from_millis(300);
const READY: Duration = Duration::from_millis(500);

/// How long containers take to end that are asked to.
const END: Duration = Duration::from_millis(200);

/// What all kubelets remember of their pods.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By uid: what a pod waits for, and until when.
    waiting: BTreeMap<String, (Stage, Instant)>,
    addresses: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Ready,
    End,
}

impl Pods {
    /// Does what is due, and says when there is more.
    pub(super) fn step(&mut self, state: &mut State) -> Option<Instant> {
        let now = Instant::now();
        let pods = all(state, "", "pods");
        self.waiting.retain(|uid, _| pods.iter().any(|(_, pod)| pod.text("/metadata/uid") == uid));
        for (place, pod) in pods {
            if pod.text("/spec/nodeName").is_empty() {
                if !is_deleted(&pod) && pod.text("/spec/schedulerName") == SCHEDULER {
                    schedule(state, &place);
                }
                continue;
            }
            let stage = match &pod {
                pod if is_deleted(pod) => Stage::End,
                pod if pod.text("/status/podIP").is_empty() => Stage::Start,
                pod if !is_ready(&pod.value) => Stage::Ready,
                _ => continue,
            };
            let uid = pod.text("/metadata/uid").to_owned();
            let known = self.waiting.get(&uid).filter(|(waits, _)| *waits == stage);
            let due = known.map_or_else(|| now + stage.takes(), |(_, due)| *due);
            if due > now {
                self.waiting.insert(uid, (stage, due));
            } else {
                self.waiting.remove(&uid);
                self.go_on(state, &place, &pod, stage);
            }
        }
        self.waiting.values().map(|(_, due)| *due).min()
    }

    fn go_on(&mut self, state: &mut State, place: &Place, pod: &Arc<Stored>, stage: Stage) {
        let time = seconds((state.clock)());
        match stage {
            Stage::Start => {
                self.addresses += 1;
                let [high, low] = self.addresses.to_be_bytes();
                let address = format!("10.244.{high}.{low}");
                let containers = pod.value.pointer("/spec/containers").and_then(Value::as_array);
                let running: Vec<Value> = containers
                    .into_iter()
                    .flatten()
                    .map(|container| {
                        json!({
                            "name": container.get("name"), "image": container.get("image"), "imageID": "",
                            "ready": false, "started": true, "restartCount": 0,
                            "containerID": format!("sim://{}", pod.text("/metadata/uid")),
                            "state": { "running": { "startedAt": time } }, "lastState": {},
                        })
                    })
                    .collect();
                report(state, place, |status| {
                    status.insert("phase".to_owned(), json!("Running"));
                    status.insert("podIP".to_owned(), json!(address));
                    status.insert("podIPs".to_owned(), json!([{ "ip": address }]));
                    status.insert("startTime".to_owned(), json!(time));
                    status.insert("containerStatuses".to_owned(), json!(running));
                    status.insert("conditions".to_owned(), conditions(false, &time));
                });
            }
            Stage::Ready => report(state, place, |status| {
                for container in
                    status.get_mut("containerStatuses").and_then(Value::as_array_mut).into_iter().flatten()
                {
                    if let Some(container) = container.as_object_mut() {
                        container.insert("ready".to_owned(), json!(true));
                    }
                }
                status.insert("conditions".to_owned(), conditions(true, &time));
            }),
            // What holds it is waited for; without, it goes.
            Stage::End => delete_now(state, place, pod.text("/metadata/uid")),
        }
    }
}

impl Stage {
    fn takes(self) -> Duration {
        match self {
            Self::Start => START,
            Self::Ready => READY,
            Self::End => END,
        }
    }
}

fn conditions(ready: bool, time: &str) -> Value {
    let condition = |kind: &str, is: bool| json!({ "type": kind, "status": if is { "True" } else { "False" }, "lastTransitionTime": time });
    json!([
        condition("PodScheduled", true),
        condition("Initialized", true),
        condition("ContainersReady", ready),
        condition("Ready", ready),
    ])
}

fn report(state: &mut State, place: &Place, write: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    change(state, place, "status", |pod| {
        if let Some(pod) = pod.as_object_mut() {
            let status = pod.entry("status").or_insert_with(|| json!({}));
            if let Some(status) = status.as_object_mut() {
                write(status);
            }
        }
    });
}

/// Gives a pod the ready node with the fewest pods.
fn schedule(state: &mut State, pod: &Place) {
    let nodes = all(state, "", "nodes");
    let pods = all(state, "", "pods");
    let load = |node: &str| pods.iter().filter(|(_, pod)| pod.text("/spec/nodeName") == node).count();
    let ready = nodes.iter().filter(|(_, node)| is_ready(&node.value) && !is_deleted(node));
    let Some((node, _)) = ready.min_by_key(|(node, _)| (load(&node.name), node.name.clone())) else { return };
    let name = node.name.clone();
    change(state, pod, "", |pod| {
        if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("nodeName".to_owned(), json!(name));
        }
    });
}
