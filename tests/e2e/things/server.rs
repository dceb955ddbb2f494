//! A server that a Thing brings about, to have exchanges with.

use serde_json::{Value, json};

use super::Thing;
use crate::kubectl::{check, eventually};

/// A StatefulSet of one Redis, which passes the restricted pod security standard.
pub(super) fn stateful_set(name: &str, arguments: &[&str], secret: Option<&str>) -> Value {
    let mut all = vec!["--save", "", "--appendonly", "no", "--dir", "/tmp"];
    all.extend(arguments);
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    if let Some(secret) = secret {
        volumes.push(json!({ "name": "tls", "secret": { "secretName": secret, "defaultMode": 288 } }));
        mounts.push(json!({ "name": "tls", "mountPath": "/tls", "readOnly": true }));
    }
    let container = json!({
        "name": "redis", "image": "docker.io/library/redis:8.0", "imagePullPolicy": "IfNotPresent", "args": all,
        "readinessProbe": { "tcpSocket": { "port": 6379 }, "periodSeconds": 1, "failureThreshold": 1 },
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        "volumeMounts": mounts,
    });
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name },
        "spec": {
            "replicas": 1, "serviceName": name, "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "fsGroup": 999,
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                    "containers": [container], "volumes": volumes,
                },
            },
        },
    })
}

/// An exchange with the pod of such a StatefulSet.
pub(super) fn exchange(server: &str, steps: Value) -> Value {
    json!({ "pod": format!("{server}-0"), "port": 6379, "steps": steps })
}

/// A question for an exchange.
pub(super) fn ask(id: &str, exchange: Value) -> Value {
    json!({ "id": id, "exchange": exchange })
}

impl Thing<'_> {
    /// Waits until a pod is Ready.
    #[track_caller]
    pub(super) fn pod_is_ready(&self, pod: &str) {
        eventually(&format!("the pod {pod} is ready"), || {
            let found = self.child("pods", pod).ok_or("it is not there")?;
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().any(|found| found["type"] == "Ready" && found["status"] == "True");
            check(ready, found["status"].to_string())
        });
    }

    /// Runs a command of Redis in a pod.
    #[track_caller]
    pub(super) fn redis(&self, pod: &str, command: &[&str]) -> String {
        self.redis_on(pod, "6379", command)
    }

    /// As [`Thing::redis`], where it listens on another port.
    #[track_caller]
    pub(super) fn redis_on(&self, pod: &str, port: &str, command: &[&str]) -> String {
        let exec = ["exec", "-n", &self.namespace.name, pod, "-c", "redis", "--", "redis-cli", "-p", port];
        self.kubectl().run(&[&exec[..], command].concat()).trim().to_owned()
    }
}
