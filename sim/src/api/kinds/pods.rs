//! Pods, and the templates that they are made from.

use serde_json::{Value, json};

use super::{child, items, set};
use crate::api::error::Cause;

/// Fields of a pod that may change while it runs.
const MUTABLE: &[&str] =
    &["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"];

pub(super) fn default(pod: &mut Value) {
    if let Some(spec) = child(pod, "spec") {
        default_spec(spec);
        for list in ["initContainers", "containers"] {
            items(spec, list).for_each(default_requests);
        }
        set(spec, "enableServiceLinks", json!(true));
        set(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
        set(spec, "priority", json!(0));
        set(spec, "serviceAccountName", json!("default"));
        let account = spec.get("serviceAccountName").cloned().unwrap_or_default();
        set(spec, "serviceAccount", account);
    }
    if let Some(status) = child(pod, "status") {
        set(status, "phase", json!("Pending"));
        set(status, "qosClass", json!("BestEffort"));
    }
}

/// The defaults of `spec` in a pod and in a template.
pub(super) fn default_spec(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "securityContext", json!({}));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        set(spec, "serviceAccount", account);
    }
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            default_container(container);
        }
    }
    for volume in items(spec, "volumes") {
        default_volume(volume);
    }
}

fn default_container(container: &mut Value) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    set(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));

    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            set(probe, "timeoutSeconds", json!(1));
            set(probe, "periodSeconds", json!(10));
            set(probe, "successThreshold", json!(1));
            set(probe, "failureThreshold", json!(3));
            if let Some(get) = probe.get_mut("httpGet") {
                set(get, "path", json!("/"));
                set(get, "scheme", json!("HTTP"));
            }
        }
    }
    for variable in items(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", json!("v1"));
        }
    }
}

/// What is limited and not requested is requested as far as it is limited.
fn default_requests(container: &mut Value) {
    let limits =
        container.pointer("/resources/limits").and_then(Value::as_object).cloned().unwrap_or_default();
    let Some(resources) = container.get_mut("resources").filter(|_| !limits.is_empty()) else { return };
    if let Some(requests) = child(resources, "requests") {
        for (name, limit) in limits {
            set(requests, &name, limit);
        }
    }
}

fn default_volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|volume| volume.len() == 1) {
        set(volume, "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            set(source, "defaultMode", json!(420));
        }
    }
}

pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let named = |pod: &Value| pod.pointer("/spec/containers").and_then(Value::as_array).map(Vec::len);
    if named(new).unwrap_or_default() == 0 {
        causes.push(Cause::required("spec.containers", ""));
    }
    let Some(old) = old else { return causes };
    if fixed(new) != fixed(old) {
        let problem = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(Cause::forbidden("spec", problem));
    }
    causes
}

/// The spec without what may change.
fn fixed(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !MUTABLE.contains(&field.as_str()));
    }
    for list in ["initContainers", "containers"] {
        for container in items(&mut spec, list) {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
            }
        }
    }
    // The scheduler puts it in once.
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
    }
    spec
}
