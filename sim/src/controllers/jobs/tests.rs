use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::{
    pods::condition,
    testing::{Cluster, template},
};

fn job(cluster: &Cluster, command: &[&str], spec: Value) {
    let policy = spec["policy"].as_str().unwrap_or("Never").to_owned();
    let mut job = json!({ "metadata": { "name": "a" }, "spec": { "template": template(&policy, command) } });
    job["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    cluster.create("batch", "jobs", job);
}

fn status(cluster: &Cluster, pointer: &str) -> Value {
    let job = cluster.get("batch", "jobs", "a").unwrap_or_default();
    job.pointer(&format!("/status/{pointer}")).cloned().unwrap_or_default()
}

fn is(cluster: &Cluster, kind: &str) -> bool {
    let job = cluster.get("batch", "jobs", "a").unwrap_or_default();
    condition(&job, kind).is_some_and(|condition| condition["status"] == "True")
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_its_pods_side_by_side_until_enough_have_succeeded() {
    let cluster = Cluster::new();
    job(&cluster, &["10", "0"], json!({ "completions": 5, "parallelism": 2, "ttlSecondsAfterFinished": 60 }));
    let mut most = 0;
    while !is(&cluster, "Complete") {
        most = most.max(status(&cluster, "active").as_i64().unwrap_or_default());
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((most, status(&cluster, "succeeded")), (2, json!(5)));
    assert!(is(&cluster, "SuccessCriteriaMet") && status(&cluster, "completionTime").is_string());
    assert_eq!(status(&cluster, "uncountedTerminatedPods"), json!({}));
    let pods = cluster.all("", "pods");
    assert!(pods.len() == 5 && pods.iter().all(|pod| pod["metadata"]["finalizers"][0].is_null()));
    sleep(Duration::from_secs(58)).await;
    assert!(is(&cluster, "Complete"));
    sleep(Duration::from_secs(5)).await;
    assert_eq!((cluster.all("batch", "jobs").len(), cluster.all("", "pods").len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_longer_after_each_failure_and_gives_up() {
    let cluster = Cluster::new();
    job(&cluster, &["1", "3"], json!({ "backoffLimit": 3 }));
    let mut begun = Vec::new();
    for count in 1..5 {
        begun.push(cluster.until(|cluster| cluster.all("", "pods").len() == count).await);
    }
    let waits: Vec<f64> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits.iter().zip([10.0, 20.0, 40.0]) {
        assert!((least..least + 4.0).contains(wait), "{waits:?}");
    }
    cluster.until(|cluster| is(cluster, "Failed")).await;
    assert_eq!(status(&cluster, "failed"), json!(4));
    assert_eq!(status(&cluster, "conditions/1/reason"), json!("BackoffLimitExceeded"));
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(cluster.all("", "pods").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn restarts_in_a_pod_are_failures_where_it_is_not_replaced() {
    let cluster = Cluster::new();
    job(&cluster, &["1", "3"], json!({ "policy": "OnFailure", "backoffLimit": 2 }));
    cluster.until(|cluster| is(cluster, "Failed")).await;
    cluster.until(|cluster| cluster.all("", "pods").is_empty()).await;
    assert_eq!(status(&cluster, "failed"), json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_too_slow_ends_its_pods_first() {
    let cluster = Cluster::new();
    job(&cluster, &["1000"], json!({ "activeDeadlineSeconds": 30, "parallelism": 2, "completions": 2 }));
    let decided = cluster.until(|cluster| is(cluster, "FailureTarget")).await;
    assert!((29.0..32.0).contains(&decided), "{decided}");
    assert!(!is(&cluster, "Failed"), "pods are still ending");
    cluster.until(|cluster| is(cluster, "Failed")).await;
    assert_eq!((status(&cluster, "failed"), status(&cluster, "active")), (json!(2), Value::Null));
    cluster.until(|cluster| cluster.all("", "pods").is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_job_has_no_pods_and_its_deadline_begins_anew() {
    let cluster = Cluster::new();
    job(&cluster, &["40"], json!({ "activeDeadlineSeconds": 60 }));
    cluster.until(|cluster| status(cluster, "ready") == 1).await;
    cluster.change("batch", "jobs", "a", json!({ "spec": { "suspend": true } }));
    cluster.until(|cluster| cluster.all("", "pods").is_empty()).await;
    assert!(is(&cluster, "Suspended") && status(&cluster, "startTime").is_null());
    sleep(Duration::from_secs(100)).await;
    cluster.change("batch", "jobs", "a", json!({ "spec": { "suspend": false } }));
    cluster.until(|cluster| is(cluster, "Complete")).await;
    assert_eq!((status(&cluster, "succeeded"), status(&cluster, "failed")), (json!(1), Value::Null));
}
