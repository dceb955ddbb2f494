use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::{
    pods::{condition, is_ready},
    testing::{Cluster, template},
};

fn deployment(cluster: &Cluster, spec: Value) {
    let mut deployment = json!({ "metadata": { "name": "a" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } }, "template": template("Always", &[]),
    } });
    deployment["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    cluster.create("apps", "deployments", deployment);
}

fn get(cluster: &Cluster) -> Value {
    cluster.get("apps", "deployments", "a").unwrap()
}

fn reason(cluster: &Cluster) -> Value {
    condition(&get(cluster), "Progressing").map(|condition| condition["reason"].clone()).unwrap_or_default()
}

fn is_done(cluster: &Cluster, replicas: i64) -> bool {
    let deployment = get(cluster);
    let status = &deployment["status"];
    reason(cluster) == "NewReplicaSetAvailable"
        && status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|count| status[*count] == replicas)
}

fn change(cluster: &Cluster, spec: Value) {
    cluster.change("apps", "deployments", "a", json!({ "spec": spec }));
}

fn image(name: &str) -> Value {
    json!({ "template": { "spec": { "containers": [{ "name": "main", "image": name }] } } })
}

#[tokio::test(start_paused = true)]
async fn so_many_pods_are_there_and_ready_while_a_deployment_rolls() {
    let cluster = Cluster::new();
    let strategy = json!({ "rollingUpdate": { "maxSurge": 2, "maxUnavailable": 1 } });
    deployment(&cluster, json!({ "replicas": 5, "strategy": strategy }));
    cluster.until(|cluster| is_done(cluster, 5)).await;
    change(&cluster, image("server:2"));
    let (mut most, mut least) = (0, usize::MAX);
    while !is_done(&cluster, 5) || get(&cluster)["metadata"]["generation"] != 2 {
        let pods = cluster.all("", "pods");
        let there = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        most = most.max(there.clone().count());
        least = least.min(there.filter(|pod| is_ready(pod)).count());
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((most, least), (7, 4));
    let sets = cluster.all("apps", "replicasets");
    let mut sizes: Vec<i64> = sets.iter().filter_map(|set| set["spec"]["replicas"].as_i64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 5]);
    let version = cluster.api.state().store.version();
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(cluster.api.state().store.version(), version, "nothing more is to be done");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_recreates_never_has_old_and_new_pods() {
    let cluster = Cluster::new();
    deployment(&cluster, json!({ "replicas": 2, "strategy": { "type": "Recreate" } }));
    cluster.until(|cluster| is_done(cluster, 2)).await;
    change(&cluster, image("server:2"));
    while !is_done(&cluster, 2) || get(&cluster)["metadata"]["generation"] != 2 {
        // One that has ended by itself may still be there.
        let runs =
            |pod: &&Value| !["Succeeded", "Failed"].contains(&pod["status"]["phase"].as_str().unwrap());
        let pods = cluster.all("", "pods");
        let images = pods.iter().filter(runs).map(|pod| pod["spec"]["containers"][0]["image"].clone());
        let mut images: Vec<Value> = images.collect();
        images.sort_by_key(ToString::to_string);
        images.dedup();
        assert!(images.len() < 2, "{images:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_counts_after_it_has_been_ready_for_a_while_and_no_progress_is_told() {
    let cluster = Cluster::new();
    deployment(&cluster, json!({ "minReadySeconds": 30, "progressDeadlineSeconds": 60 }));
    let ready = cluster.until(|cluster| get(cluster)["status"]["readyReplicas"] == 1).await;
    let done = cluster.until(|cluster| is_done(cluster, 1)).await;
    assert!((28.0..31.5).contains(&(done - ready)), "{}", done - ready);
    change(&cluster, json!({ "template": { "spec": { "schedulerName": "nobody" } } }));
    let late = cluster.until(|cluster| reason(cluster) == "ProgressDeadlineExceeded").await;
    assert!((59.0..63.0).contains(&(late - done)), "{}", late - done);
    // The old pod stays, for no other one is ready.
    assert_eq!(get(&cluster)["status"]["availableReplicas"], 1);
    change(&cluster, json!({ "template": { "spec": { "schedulerName": null } } }));
    cluster.until(|cluster| is_done(cluster, 1)).await;
    assert_eq!(get(&cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
}

#[tokio::test(start_paused = true)]
async fn what_owns_pods_makes_lost_ones_again_and_takes_them_along() {
    let cluster = Cluster::new();
    deployment(&cluster, json!({ "replicas": 3 }));
    cluster.until(|cluster| is_done(cluster, 3)).await;
    let pod = cluster.all("", "pods").remove(0);
    let place = crate::api::Place {
        group: String::new(),
        plural: "pods".into(),
        namespace: "default".into(),
        name: pod["metadata"]["name"].as_str().unwrap().into(),
    };
    super::delete(&mut cluster.api.state(), &place, pod["metadata"]["uid"].as_str().unwrap());
    cluster.until(|cluster| !is_done(cluster, 3)).await;
    cluster.until(|cluster| is_done(cluster, 3)).await;
    let uid = get(&cluster)["metadata"]["uid"].as_str().unwrap().to_owned();
    let place =
        crate::api::Place { group: "apps".into(), plural: "deployments".into(), name: "a".into(), ..place };
    super::delete(&mut cluster.api.state(), &place, &uid);
    cluster.until(|cluster| cluster.all("", "pods").is_empty()).await;
    assert!(cluster.all("apps", "replicasets").is_empty());
}
