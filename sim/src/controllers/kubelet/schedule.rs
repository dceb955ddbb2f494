//! Gives pods nodes.

use serde_json::{Value, json};

use super::super::{all, change, is_deleted, pods::is_ready};
use crate::api::{Place, State};

/// The scheduler that gives out nodes here.
const SCHEDULER: &str = "default-scheduler";

/// Gives each pod that has none the ready node with the fewest pods.
pub(super) fn step(state: &mut State) {
    for (place, pod) in all(state, "", "pods") {
        let waits = pod.text("/spec/nodeName").is_empty() && pod.text("/spec/schedulerName") == SCHEDULER;
        if waits && !is_deleted(&pod) {
            schedule(state, &place);
        }
    }
}

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
