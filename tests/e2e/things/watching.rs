//! What the host does, seen from outside: its log, its metrics, and what it asks
//! of the API server.

use std::{thread::sleep, time::Duration};

use operlet_lab::{AuditEntry, AuditMark};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE},
    kubectl::{Kubectl, check, eventually},
};

const HOST_LABEL: &str = "app.kubernetes.io/name=operlet";

/// The user that the host is to the API server.
pub(super) const HOST_USER: &str = "system:serviceaccount:operlet-system:operlet";

/// The logs of all hosts that run.
pub(super) fn host_log(kubectl: &Kubectl) -> String {
    kubectl.run(&["logs", "-n", HOST_NAMESPACE, "-l", HOST_LABEL, "--tail=-1", "--max-log-requests=10"])
}

/// The hosts' pods.
fn host_pods(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.kubectl.list(HOST_NAMESPACE, "pods", HOST_LABEL);
    let running = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
    running.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// A counter of the hosts, summed over all its series with this label.
pub(super) fn counter(cluster: &Cluster, name: &str, label: &str) -> f64 {
    let mut sum = 0.0;
    for pod in host_pods(cluster) {
        let path = format!("/api/v1/namespaces/{HOST_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        let text = cluster.kubectl.run(&["get", "--raw", &path]);
        let of_name =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        let values = of_name.filter(|line| line.contains(label)).filter_map(|line| line.rsplit_once(' '));
        sum += values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum::<f64>();
    }
    sum
}

/// How often the hosts called the component of an operlet.
pub(super) fn guest_calls(cluster: &Cluster, operlet: &str) -> f64 {
    counter(cluster, "operlet_guest_calls_total", &format!("operlet=\"{operlet}\""))
}

/// Waits until the component of an operlet is not called for some seconds; how
/// often it was by then.
#[track_caller]
pub(super) fn is_quiet(cluster: &Cluster, operlet: &str) -> f64 {
    let mut before = guest_calls(cluster, operlet);
    assert!(
        before > 0.0,
        "the host counts no call of {operlet}: is operlet_guest_calls_total among its metrics?"
    );
    eventually(&format!("no more calls of {operlet}"), || {
        sleep(Duration::from_secs(3));
        let now = guest_calls(cluster, operlet);
        let new = now - before;
        before = now;
        check(new == 0.0, format!("{new} calls within 3 s"))?;
        Ok(now)
    })
}

/// What the host asked of the API server in a namespace since the mark.
pub(super) fn requests(mark: &AuditMark, namespace: &str) -> Vec<AuditEntry> {
    // The log is written when the answer is sent, or shortly after.
    sleep(Duration::from_millis(500));
    let entries = mark.entries().expect("the audit log can be read");
    entries.into_iter().filter(|entry| entry.user() == HOST_USER && entry.namespace() == namespace).collect()
}

/// What the host wrote in a namespace since the mark, as text.
pub(super) fn writes(mark: &AuditMark, namespace: &str) -> Vec<String> {
    let requests = requests(mark, namespace);
    requests.iter().filter(|entry| entry.is_write()).map(ToString::to_string).collect()
}

/// Ends every host and waits until a new one is ready.
pub(super) fn restart_host(cluster: &Cluster) {
    cluster.kubectl.run(&["rollout", "restart", "-n", HOST_NAMESPACE, "deployment/operlet"]);
    let rollout = ["rollout", "status", "-n", HOST_NAMESPACE, "deployment/operlet", "--timeout=120s"];
    cluster.kubectl.run(&rollout);
}
