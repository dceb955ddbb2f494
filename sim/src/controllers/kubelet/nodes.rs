//! Nodes that have lost their power.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    super::{all, change, seconds},
    Tools,
};
use crate::api::{Place, State};

/// How long a node may say nothing until others say so of it.
const SILENCE: Duration = Duration::from_secs(40);

/// How long a node takes to start: at least, and at most.
const START: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

/// The nodes whose kubelets do not run, by name.
#[derive(Debug, Default)]
pub(super) struct Nodes(BTreeMap<String, Node>);

#[derive(Debug)]
struct Node {
    silent_since: Duration,
    /// Whether that was noticed.
    noticed: bool,
    /// When it is back.
    back: Option<Duration>,
}

impl Nodes {
    pub(super) fn cut_power(&mut self, name: &str, now: Duration) {
        let node = self.0.entry(name.to_owned());
        let node = node.or_insert(Node { silent_since: now, noticed: false, back: None });
        node.back = None;
    }

    pub(super) fn restore_power(&mut self, name: &str, tools: &mut Tools) {
        if let Some(node) = self.0.get_mut(name) {
            let [least, most] = START;
            node.back.get_or_insert(tools.now + tools.chance.between(least, most));
        }
    }

    /// Whether a node's kubelet runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        !self.0.contains_key(name)
    }

    pub(super) fn due(&self) -> Option<Duration> {
        let due = |node: &Node| node.back.or((!node.noticed).then_some(node.silent_since + SILENCE));
        self.0.values().filter_map(due).min()
    }

    /// Says which nodes are silent, and gives those that are back.
    pub(super) fn step(&mut self, state: &mut State, now: Duration) -> Vec<String> {
        let mut back = Vec::new();
        for (name, node) in &mut self.0 {
            if node.back.is_some_and(|back| back <= now) {
                back.push(name.clone());
                if node.noticed {
                    let ready = json!({ "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status" });
                    tell(state, &place("nodes", "", name), &ready);
                }
            } else if !node.noticed && node.silent_since + SILENCE <= now {
                node.noticed = true;
                let unknown = json!({ "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status." });
                tell(state, &place("nodes", "", name), &unknown);
                for (place, pod) in all(state, "", "pods") {
                    if pod.text("/spec/nodeName") == name {
                        tell(state, &place, &json!({ "status": "False" }));
                    }
                }
            }
        }
        self.0.retain(|name, _| !back.contains(name));
        back
    }
}

fn place(plural: &str, namespace: &str, name: &str) -> Place {
    Place {
        group: String::new(),
        plural: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// Changes what an object says of whether it is ready.
fn tell(state: &mut State, place: &Place, said: &Value) {
    let time = seconds((state.clock)());
    change(state, place, "status", |object| {
        let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        let mut conditions = conditions.into_iter().flatten();
        let ready = conditions.find(|condition| condition.get("type") == Some(&json!("Ready")));
        let Some(ready) = ready.and_then(Value::as_object_mut) else { return };
        if ready.get("status") != said.get("status") {
            ready.insert("lastTransitionTime".to_owned(), json!(time));
        }
        ready.extend(said.as_object().cloned().unwrap_or_default());
    });
}
