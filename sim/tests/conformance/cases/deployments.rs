//! Deployments and how they go over from one template to the next.

use http::Method;
use serde_json::{Value, json};

use super::{case, pods};
use crate::script::Script;

fn deployment(spec: Value) -> Value {
    let mut deployment = json!({ "metadata": { "name": "a" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } }, "template": pods::template("Always"),
    } });
    deployment["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    deployment
}

/// Another template.
fn image(number: u32) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": format!("some/image:{number}") }] } } } })
}

/// Waits for the set of a revision, and gives its path and its selector.
async fn revision(script: &mut Script, number: u32) -> (String, String) {
    let sets = script.at("apps/v1/replicasets");
    for _ in 0..600 {
        let list = script.look(&sets).await;
        let wanted = json!(number.to_string());
        let found = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == wanted);
        if let Some(found) = found {
            let hash = found["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned();
            script.hide(&hash, &format!("<hash {number}>"));
            return (format!("{sets}/a-{hash}"), format!("pod-template-hash%3D{hash}"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("there is no revision {number}")
}

/// Makes all pods of a selector ready.
async fn start(script: &mut Script, selector: &str, count: usize) {
    for pod in pods::some(script, selector, count).await {
        if pod["status"]["phase"] != "Running" {
            pods::start(script, &pod).await;
        }
    }
}

fn done(replicas: u32, generation: u32) -> impl Fn(u16, &Value) -> bool {
    move |_, deployment| {
        let status = &deployment["status"];
        let is = |field: &str| status[field] == replicas;
        is("replicas")
            && is("updatedReplicas")
            && is("availableReplicas")
            && status["observedGeneration"] == generation
            && status["terminatingReplicas"] == 0
            && pods::says(deployment, "Progressing", "True", "NewReplicaSetAvailable")
    }
}

fn waits(replicas: u32) -> impl Fn(u16, &Value) -> bool {
    move |_, deployment| {
        deployment["status"]["unavailableReplicas"] == replicas
            && deployment["status"]["updatedReplicas"] == replicas
            && pods::says(deployment, "Progressing", "True", "ReplicaSetUpdated")
    }
}

case!(what_is_wrong_with_a_deployment_is_refused, script => {
    let deployments = format!("{}?dryRun=All", script.at("apps/v1/deployments"));
    for spec in [
        json!({ "replicas": -1 }),
        json!({ "progressDeadlineSeconds": 5, "minReadySeconds": 5 }),
        json!({ "strategy": { "type": "Recreate", "rollingUpdate": { "maxSurge": 1 } } }),
    ] {
        script.post(&deployments, deployment(spec)).await;
    }
    for spec in [
        json!({ "strategy": { "type": "Other" } }),
        json!({ "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "0%" } } }),
        json!({ "strategy": { "rollingUpdate": { "maxUnavailable": "101%" } } }),
        json!({ "selector": {} }),
        json!({ "selector": { "matchLabels": { "a": "c" } } }),
        json!({ "template": pods::template("Never") }),
    ] {
        script.ask_roughly(Method::POST, &deployments, "application/json", deployment(spec)).await;
    }
    let deployments = script.at("apps/v1/deployments");
    script.prepare(Method::POST, &deployments, deployment(json!({ "replicas": 0 }))).await;
    let other = json!({ "spec": { "selector": { "matchLabels": { "c": "d" } }, "template": { "metadata": { "labels": { "c": "d" } } } } });
    script.ask_roughly(Method::PATCH, &format!("{deployments}/a"), "application/merge-patch+json", other).await;
});

case!(a_deployment_makes_a_set_and_waits_for_its_pods, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    script.post(&deployments, deployment(json!({ "replicas": 2 }))).await;
    let (set, selector) = revision(script, 1).await;
    script.until(&path, waits(2)).await;
    script.get(&path).await;
    script.get(&set).await;
    let made = pods::some(script, &selector, 2).await;
    script.keep_of(0, &made[0], &["/metadata/generateName", "/metadata/labels"]);
    start(script, &selector, 2).await;
    script.until(&path, done(2, 1)).await;
    script.get(&path).await;
    script.get(&set).await;
    script.get(&format!("{path}/scale")).await;
});

case!(a_deployment_rolls_over_to_another_template, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    let spec = json!({ "replicas": 2, "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } });
    script.prepare(Method::POST, &deployments, deployment(spec)).await;
    let (old, selector) = revision(script, 1).await;
    start(script, &selector, 2).await;
    script.until(&path, done(2, 1)).await;
    script.lay_over(&path, image(2)).await;
    let (new, selector) = revision(script, 2).await;
    script.until(&path, |_, deployment| deployment["status"]["updatedReplicas"] == 1 && deployment["status"]["unavailableReplicas"] == 1).await;
    let half = script.look(&path).await;
    script.keep_of(0, &half, &["/status/replicas", "/status/updatedReplicas", "/status/readyReplicas", "/status/availableReplicas"]);
    start(script, &selector, 1).await;
    script.until(&old, |_, set| set["spec"]["replicas"] == 1 && set["status"]["replicas"] == 1).await;
    start(script, &selector, 2).await;
    script.until(&path, done(2, 2)).await;
    script.get(&path).await;
    script.get(&old).await;
    script.get(&new).await;
});

case!(a_deployment_that_recreates_has_no_old_and_new_pods, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    let spec = json!({ "strategy": { "type": "Recreate" } });
    script.post(&deployments, deployment(spec)).await;
    let (old, selector) = revision(script, 1).await;
    let held = json!({ "metadata": { "finalizers": ["x.dev/one"] } });
    let pod = pods::some(script, &selector, 1).await.remove(0);
    let pod = format!("{}/{}", script.at("v1/pods"), pod["metadata"]["name"].as_str().unwrap());
    start(script, &selector, 1).await;
    script.until(&path, done(1, 1)).await;
    script.lay_over(&pod, held).await;
    script.lay_over(&path, image(2)).await;
    script.until(&old, |_, set| set["status"]["replicas"] == 0 && set["status"]["terminatingReplicas"] == 1).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let sets = script.look(&script.at("apps/v1/replicasets")).await["items"].as_array().map(Vec::len);
    script.note("the sets while an old pod is there", &json!(sets));
    script.lay_over(&pod, json!({ "metadata": { "finalizers": null } })).await;
    let (new, selector) = revision(script, 2).await;
    start(script, &selector, 1).await;
    script.until(&path, done(1, 2)).await;
    script.get(&path).await;
    script.get(&old).await;
    script.get(&new).await;
});

case!(a_deployment_can_be_paused, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    script.prepare(Method::POST, &deployments, deployment(json!({ "paused": true }))).await;
    script.until(&path, |_, deployment| pods::says(deployment, "Progressing", "Unknown", "DeploymentPaused") && deployment["status"]["observedGeneration"] == 1).await;
    script.get(&path).await;
    script.lay_over(&path, json!({ "spec": { "paused": null } })).await;
    let (_, selector) = revision(script, 1).await;
    start(script, &selector, 1).await;
    script.until(&path, done(1, 2)).await;
    script.lay_over(&path, json!({ "spec": { "paused": true } })).await;
    script.lay_over(&path, image(2)).await;
    script.until(&path, |_, deployment| deployment["status"]["observedGeneration"] == 4).await;
    // It is scaled all the same.
    script.lay_over(&format!("{path}/scale"), json!({ "spec": { "replicas": 2 } })).await;
    pods::some(script, &selector, 2).await;
    script.until(&path, |_, deployment| deployment["status"]["observedGeneration"] == 5 && deployment["status"]["replicas"] == 2).await;
    script.get(&path).await;
});

case!(a_deployment_that_does_not_get_on_says_so, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    script.prepare(Method::POST, &deployments, deployment(json!({ "progressDeadlineSeconds": 2 }))).await;
    let (_, selector) = revision(script, 1).await;
    script.until(&path, |_, deployment| pods::says(deployment, "Progressing", "False", "ProgressDeadlineExceeded")).await;
    script.get(&path).await;
    start(script, &selector, 1).await;
    script.until(&path, done(1, 1)).await;
    script.get(&path).await;
});

case!(a_deployment_keeps_some_of_its_revisions, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    script.prepare(Method::POST, &deployments, deployment(json!({ "replicas": 0, "revisionHistoryLimit": 2 }))).await;
    let mut last = revision(script, 1).await.0;
    for number in 2..6 {
        script.until(&path, done_with_none(number - 1)).await;
        script.lay_over(&path, image(number)).await;
        last = revision(script, number).await.0;
    }
    script.until(&path, done_with_none(5)).await;
    let list = script.at("apps/v1/replicasets");
    script.until(&list, |_, list| list["items"].as_array().is_some_and(|sets| sets.len() == 3)).await;
    // One that was there before comes back as the newest.
    script.lay_over(&path, image(3)).await;
    let (back, _) = revision(script, 6).await;
    script.until(&path, done_with_none(6)).await;
    script.get(&back).await;
    script.get(&last).await;
    script.get(&path).await;
});

fn done_with_none(generation: u32) -> impl Fn(u16, &Value) -> bool {
    move |_, deployment| {
        deployment["status"]["observedGeneration"] == generation
            && deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                == json!(generation.to_string())
            && pods::says(deployment, "Progressing", "True", "NewReplicaSetAvailable")
    }
}

case!(annotations_and_patience_reach_the_set, script => {
    let deployments = script.at("apps/v1/deployments");
    let path = format!("{deployments}/a");
    let mut first = deployment(json!({ "minReadySeconds": 2 }));
    first["metadata"]["annotations"] = json!({ "c": "d" });
    script.prepare(Method::POST, &deployments, first).await;
    let (set, selector) = revision(script, 1).await;
    let pod = pods::some(script, &selector, 1).await.remove(0);
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": now });
    let name = pod["metadata"]["name"].as_str().unwrap();
    let status = format!("{}/{name}/status", script.at("v1/pods"));
    script.lay_over(&status, json!({ "status": { "phase": "Running", "conditions": [ready] } })).await;
    script.until(&set, |_, set| set["status"]["readyReplicas"] == 1 && set["status"]["availableReplicas"].is_null()).await;
    script.until(&path, done(1, 1)).await;
    script.lay_over(&path, json!({ "metadata": { "annotations": { "e": "f" } }, "spec": { "minReadySeconds": 0 } })).await;
    script.until(&set, |_, set| set["metadata"]["annotations"]["e"] == "f" && set["spec"]["minReadySeconds"].is_null()).await;
    script.until(&path, done(1, 2)).await;
    script.get(&path).await;
});
