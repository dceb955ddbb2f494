//! What a kubelet says of a pod.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Tools,
    container::{Container, Finished, State},
    pod::Pod,
};

/// The parts of a pod's status that its kubelet writes.
pub(super) fn status(pod: &Pod, tools: &Tools) -> Map<String, Value> {
    let containers: Vec<Value> =
        pod.containers.iter().map(|container| of_container(container, pod, tools)).collect();
    let unready: Vec<&Value> = containers
        .iter()
        .filter(|container| container.get("ready") != Some(&Value::Bool(true)))
        .filter_map(|container| container.get("name"))
        .collect();
    let mut status = Map::new();
    let mut put = |field: &str, value: Value| drop(status.insert(field.to_owned(), value));
    put("phase", json!(phase(pod)));
    put("startTime", json!(tools.time(pod.began)));
    if let Some(address) = pod.address {
        put("podIP", json!(address));
        put("podIPs", json!([{ "ip": address }]));
    }
    put("conditions", json!(conditions(&unready)));
    put("containerStatuses", json!(containers));
    status
}

/// Puts the status of a pod in place of what it said before. Conditions that stay keep
/// the time since when they are so.
pub(super) fn lay_over(pod: &mut Value, status: &Map<String, Value>, time: &str) {
    let before = pod.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(pod) = pod.as_object_mut() else { return };
    let Some(told) = pod.entry("status").or_insert_with(|| json!({})).as_object_mut() else { return };
    told.extend(status.clone());
    for condition in told.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = |field: &str, known: &Value| known.get(field) == condition.get(field);
        let known = before.iter().find(|known| same("type", known) && same("status", known));
        let since = known.and_then(|known| known.get("lastTransitionTime")).cloned();
        if let Some(condition) = condition.as_object_mut() {
            condition.insert("lastTransitionTime".to_owned(), since.unwrap_or_else(|| json!(time)));
        }
    }
}

fn phase(pod: &Pod) -> &'static str {
    let code = |container: &Container| match &container.state {
        State::Finished(finished) => Some(finished.code),
        _ => None,
    };
    let codes: Vec<i32> = pod.containers.iter().filter_map(code).collect();
    match codes.as_slice() {
        all if all.len() == pod.containers.len() && all.iter().all(|code| *code == 0) => "Succeeded",
        all if all.len() == pod.containers.len() => "Failed",
        _ if pod.address.is_none() => "Pending",
        _ => "Running",
    }
}

fn conditions(unready: &[&Value]) -> [Value; 4] {
    let names: Vec<&str> = unready.iter().filter_map(|name| name.as_str()).collect();
    let condition = |kind: &str, is: bool| {
        let mut condition = json!({ "type": kind, "status": if is { "True" } else { "False" } });
        if let Some(condition) = condition.as_object_mut().filter(|_| !is) {
            let message = format!("containers with unready status: [{}]", names.join(" "));
            condition.insert("reason".to_owned(), json!("ContainersNotReady"));
            condition.insert("message".to_owned(), json!(message));
        }
        condition
    };
    let ready = unready.is_empty();
    [
        condition("PodScheduled", true),
        condition("Initialized", true),
        condition("ContainersReady", ready),
        condition("Ready", ready),
    ]
}

fn of_container(container: &Container, pod: &Pod, tools: &Tools) -> Value {
    let last = || container.last.as_ref().map_or_else(|| json!({}), |last| terminated(last, tools));
    let (mut started, mut ready) = (false, false);
    let (id, state, last) = match &container.state {
        State::Creating => (None, json!({ "waiting": { "reason": "ContainerCreating" } }), json!({})),
        State::Running(run) | State::Lost(run) => {
            (started, ready) = (run.started, run.ready);
            (Some(&run.id), json!({ "running": { "startedAt": tools.time(run.since) } }), last())
        }
        State::Restarting { finished, waits: Some(waits), .. } => {
            (Some(&finished.id), waiting(*waits, &container.name, pod), terminated(finished, tools))
        }
        State::Restarting { finished, waits: None, .. } | State::Finished(finished) => {
            (Some(&finished.id), terminated(finished, tools), last())
        }
    };
    let spec = container.spec(&pod.object.value);
    let mut status = json!({
        "name": container.name, "image": spec.get("image"), "imageID": "",
        "ready": ready, "started": started, "restartCount": container.restarts,
        "state": state, "lastState": last,
    });
    if let (Some(status), Some(id)) = (status.as_object_mut(), id) {
        status.insert("containerID".to_owned(), json!(id));
    }
    status
}

fn waiting(waits: Duration, container: &str, pod: &Pod) -> Value {
    let (name, namespace, uid) = (&pod.place.name, &pod.place.namespace, &pod.uid);
    let wait = match waits.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format!("{}m{}s", seconds / 60, seconds % 60),
    };
    let message =
        format!("back-off {wait} restarting failed container={container} pod={name}_{namespace}({uid})");
    json!({ "waiting": { "reason": "CrashLoopBackOff", "message": message } })
}

fn terminated(finished: &Finished, tools: &Tools) -> Value {
    let [started, ended] = match finished.ran {
        Some(ran) => ran.map(|time| json!(tools.time(time))),
        None => [Value::Null, Value::Null],
    };
    let mut terminated = json!({
        "containerID": finished.id, "exitCode": finished.code, "reason": finished.reason,
        "startedAt": started, "finishedAt": ended,
    });
    if let (Some(terminated), Some(message)) = (terminated.as_object_mut(), &finished.message) {
        terminated.insert("message".to_owned(), json!(message));
    }
    json!({ "terminated": terminated })
}
