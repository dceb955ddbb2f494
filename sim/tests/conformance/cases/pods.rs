//! Pods that no scheduler gives a node: what a kubelet would say of them the case says.

use serde_json::{Value, json};

use crate::script::Script;

/// A template of pods that run nowhere.
pub(super) fn template(policy: &str) -> Value {
    json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": {
            "schedulerName": "nobody", "restartPolicy": policy, "automountServiceAccountToken": false,
            "containers": [{ "name": "main", "image": "some/image:1" }],
        },
    })
}

/// The pods that are selected and are not being deleted.
pub(super) async fn alive(script: &mut Script, selector: &str) -> Vec<Value> {
    let path = format!("{}?labelSelector={selector}", script.at("v1/pods"));
    let list = script.look(&path).await;
    let alive = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    list["items"].as_array().into_iter().flatten().filter(alive).cloned().collect()
}

/// Waits until so many of them are there, and gives them.
pub(super) async fn some(script: &mut Script, selector: &str, count: usize) -> Vec<Value> {
    for _ in 0..600 {
        let found = alive(script, selector).await;
        if found.len() == count {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("there are not {count} pods of {selector}")
}

/// Says of a pod that it is ready.
pub(super) async fn start(script: &mut Script, pod: &Value) {
    let since = pod["metadata"]["creationTimestamp"].clone();
    let condition = json!({ "type": "Ready", "status": "True", "lastTransitionTime": since });
    tell(script, pod, json!({ "phase": "Running", "conditions": [condition] })).await;
}

/// Says of a pod that it has ended.
pub(super) async fn end(script: &mut Script, pod: &Value, phase: &str) {
    let code = i32::from(phase == "Failed");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ended =
        json!({ "exitCode": code, "startedAt": pod["metadata"]["creationTimestamp"], "finishedAt": now });
    let container = json!({
        "name": "main", "image": "some/image:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "terminated": ended },
    });
    tell(script, pod, json!({ "phase": phase, "containerStatuses": [container] })).await;
}

async fn tell(script: &mut Script, pod: &Value, status: Value) {
    let name = pod["metadata"]["name"].as_str().expect("a pod has a name");
    let path = format!("{}/{name}/status", script.at("v1/pods"));
    script.lay_over(&path, json!({ "status": status })).await;
}

/// Whether a condition has this status and reason.
pub(super) fn says(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == kind && condition["status"] == status && condition["reason"] == reason
    })
}
