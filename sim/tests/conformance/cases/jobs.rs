//! Jobs: what they are given, and how they end.

use http::Method;
use serde_json::{Value, json};

use super::{case, pods};

const OURS: &str = "batch.kubernetes.io%2Fjob-name%3Da";

fn job(spec: Value) -> Value {
    let mut template = pods::template("Never");
    template.as_object_mut().unwrap().remove("metadata");
    let mut job = json!({ "metadata": { "name": "a" }, "spec": { "template": template } });
    job["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    job
}

fn ended(kind: &str, reason: &str) -> impl Fn(u16, &Value) -> bool {
    move |_, job| pods::says(job, kind, "True", reason)
}

case!(jobs_get_what_is_not_said, script => {
    let jobs = format!("{}?dryRun=All", script.at("batch/v1/jobs"));
    script.post(&jobs, job(json!({}))).await;
    script.post(&jobs, job(json!({ "template": pods::template("OnFailure"), "parallelism": 2, "backoffLimit": 1 }))).await;
    let mut own = pods::template("Never");
    own["metadata"]["labels"] = json!({ "c": "d" });
    script.post(&jobs, job(json!({ "manualSelector": true, "selector": { "matchLabels": { "c": "d" } }, "template": own }))).await;
    let mut labelled = job(json!({ "completions": 3, "suspend": true }));
    labelled["metadata"]["labels"] = json!({ "e": "f" });
    script.post(&jobs, labelled).await;
});

case!(what_is_wrong_with_a_job_is_refused, script => {
    let jobs = format!("{}?dryRun=All", script.at("batch/v1/jobs"));
    script.post(&jobs, job(json!({ "template": pods::template("Always") }))).await;
    script.post(&jobs, job(json!({ "backoffLimit": -1 }))).await;
    for spec in [
        json!({ "selector": { "matchLabels": { "c": "d" } } }),
        json!({ "manualSelector": true }),
        json!({ "completionMode": "Other" }),
        json!({ "completionMode": "Indexed", "parallelism": 1 }),
        json!({ "ttlSecondsAfterFinished": -1 }),
    ] {
        script.ask_roughly(Method::POST, &jobs, "application/json", job(spec)).await;
    }
});

case!(most_of_a_job_stays, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "suspend": true, "completions": 2 }))).await;
    script.until(&path, |_, job| pods::says(job, "Suspended", "True", "JobSuspended")).await;
    script.merge(&path, json!({ "spec": { "completions": 3 } })).await;
    script.merge(&path, json!({ "spec": { "completionMode": "Indexed" } })).await;
    let patch = "application/merge-patch+json";
    for spec in [
        json!({ "template": { "spec": { "restartPolicy": "OnFailure" } } }),
        json!({ "selector": { "matchLabels": { "c": "d" } } }),
        json!({ "template": { "metadata": { "labels": { "c": "d" } } } }),
        json!({ "template": { "spec": { "containers": [{ "name": "main", "image": "some/image:1", "resources": { "requests": { "cpu": "1" } } }] } } }),
        json!({ "parallelism": 3, "backoffLimit": 2, "activeDeadlineSeconds": 100, "ttlSecondsAfterFinished": 5 }),
    ] {
        script.ask_roughly(Method::PATCH, &path, patch, json!({ "spec": spec })).await;
    }
});

case!(a_job_completes_when_its_pod_has_succeeded, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.post(&jobs, job(json!({}))).await;
    script.until(&path, |_, job| job["status"]["active"] == 1).await;
    script.get(&path).await;
    let pod = pods::some(script, OURS, 1).await.remove(0);
    script.note("the labels of its pod", &pod["metadata"]["labels"]);
    let parts = ["/metadata/generateName", "/metadata/finalizers", "/metadata/ownerReferences/0/kind", "/metadata/ownerReferences/0/controller"];
    script.keep_of(0, &pod, &parts);
    pods::start(script, &pod).await;
    script.until(&path, |_, job| job["status"]["ready"] == 1).await;
    pods::end(script, &pod, "Succeeded").await;
    script.until(&path, ended("Complete", "CompletionsReached")).await;
    script.get(&path).await;
    let pod = format!("{}/{}", script.at("v1/pods"), pod["metadata"]["name"].as_str().unwrap());
    let freed = script.look(&pod).await;
    script.keep_of(0, &freed, &["/metadata/finalizers", "/status/phase"]);
});

case!(a_job_runs_as_many_pods_as_it_needs, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "completions": 3, "parallelism": 2 }))).await;
    let first = pods::some(script, OURS, 2).await;
    pods::end(script, &first[0], "Succeeded").await;
    script.until(&path, |_, job| job["status"]["succeeded"] == 1 && job["status"]["active"] == 2).await;
    script.get(&path).await;
    script.lay_over(&path, json!({ "spec": { "parallelism": 1 } })).await;
    script.until(&path, |_, job| job["status"]["active"] == 1 && job["status"]["terminating"] == 0).await;
    for count in 2..4 {
        let found = pods::some(script, OURS, count).await;
        let runs = found.iter().find(|pod| pod["status"]["phase"] == "Pending").unwrap();
        pods::end(script, runs, "Succeeded").await;
        script.until(&path, |_, job| job["status"]["succeeded"] == count).await;
    }
    script.until(&path, ended("Complete", "CompletionsReached")).await;
    script.get(&path).await;
});

case!(a_job_without_completions_ends_with_the_first_success, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "parallelism": 2 }))).await;
    let both = pods::some(script, OURS, 2).await;
    pods::end(script, &both[0], "Succeeded").await;
    script.until(&path, |_, job| job["status"]["succeeded"] == 1 && job["status"]["active"] == 1).await;
    pods::end(script, &both[1], "Failed").await;
    script.until(&path, ended("Complete", "CompletionsReached")).await;
    script.get(&path).await;
});

case!(a_job_fails_when_its_pods_fail_too_often, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "backoffLimit": 1 }))).await;
    let pod = pods::some(script, OURS, 1).await.remove(0);
    pods::end(script, &pod, "Failed").await;
    let begun = std::time::Instant::now();
    script.until(&path, |_, job| job["status"]["failed"] == 1 && job["status"]["active"].is_null()).await;
    script.get(&path).await;
    script.until(&path, |_, job| job["status"]["active"] == 1).await;
    let waited = begun.elapsed().as_secs_f64();
    script.note("the next pod came after ten seconds", &json!((8.5..14.0).contains(&waited)));
    let both = pods::some(script, OURS, 2).await;
    let runs = both.iter().find(|pod| pod["status"]["phase"] == "Pending").unwrap();
    pods::end(script, runs, "Failed").await;
    script.until(&path, ended("Failed", "BackoffLimitExceeded")).await;
    script.get(&path).await;
});

case!(a_job_that_fails_deletes_what_still_runs, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "backoffLimit": 0, "parallelism": 2, "completions": 2 }))).await;
    let both = pods::some(script, OURS, 2).await;
    pods::end(script, &both[0], "Failed").await;
    script.until(&path, ended("Failed", "BackoffLimitExceeded")).await;
    script.get(&path).await;
    let left = pods::alive(script, OURS).await.len();
    script.note("pods that are left", &json!(left));
});

case!(a_job_has_a_deadline, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "activeDeadlineSeconds": 2 }))).await;
    script.until(&path, ended("Failed", "DeadlineExceeded")).await;
    script.get(&path).await;
});

case!(a_job_can_be_suspended, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "suspend": true }))).await;
    script.until(&path, |_, job| pods::says(job, "Suspended", "True", "JobSuspended")).await;
    script.get(&path).await;
    script.lay_over(&path, json!({ "spec": { "suspend": false } })).await;
    script.until(&path, |_, job| job["status"]["active"] == 1 && pods::says(job, "Suspended", "False", "JobResumed")).await;
    script.get(&path).await;
    script.lay_over(&path, json!({ "spec": { "suspend": true } })).await;
    script.until(&path, |_, job| job["status"]["active"].is_null() && job["status"]["terminating"] == 0 && pods::says(job, "Suspended", "True", "JobSuspended")).await;
    script.get(&path).await;
    pods::some(script, OURS, 0).await;
});

case!(a_deleted_pod_of_a_job_has_failed, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "backoffLimit": 0 }))).await;
    let pod = pods::some(script, OURS, 1).await.remove(0);
    script.hide(pod["metadata"]["name"].as_str().unwrap(), "<pod>");
    let pod = format!("{}/{}", script.at("v1/pods"), pod["metadata"]["name"].as_str().unwrap());
    script.prepare(Method::DELETE, &pod, Value::Null).await;
    script.until(&pod, |code, _| code == 404).await;
    script.until(&path, ended("Failed", "BackoffLimitExceeded")).await;
    script.get(&path).await;
});

case!(a_finished_job_goes_with_its_pods, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({ "ttlSecondsAfterFinished": 1 }))).await;
    let pod = pods::some(script, OURS, 1).await.remove(0);
    pods::end(script, &pod, "Succeeded").await;
    script.until(&path, |code, _| code == 404).await;
    pods::some(script, OURS, 0).await;
});

case!(a_job_leaves_its_pods_behind_unless_told_otherwise, script => {
    let jobs = script.at("batch/v1/jobs");
    let path = format!("{jobs}/a");
    script.prepare(Method::POST, &jobs, job(json!({}))).await;
    let pod = pods::some(script, OURS, 1).await.remove(0);
    script.hide(pod["metadata"]["name"].as_str().unwrap(), "<pod>");
    script.ask_roughly(Method::DELETE, &path, "application/json", Value::Null).await;
    script.until(&path, |code, _| code == 404).await;
    let pod = format!("{}/{}", script.at("v1/pods"), pod["metadata"]["name"].as_str().unwrap());
    script.until(&pod, |_, pod| pod["metadata"]["finalizers"].is_null()).await;
    let (code, left) = script.ask_aside(Method::GET, &pod, Value::Null).await;
    script.keep_of(code, &left, &["/metadata/ownerReferences", "/metadata/deletionTimestamp", "/status/phase"]);
});
