//! What Kubernetes' own kinds do beyond what their types say: defaults, and changes
//! that they refuse.
//!
//! It follows `pkg/apis/*/v1/defaults.go` and `pkg/apis/*/validation` of Kubernetes
//! 1.37, as far as operators and what they make meet it.

mod access;
mod claims;
mod jobs;
mod pods;
mod policies;
mod services;
mod settings;
mod workloads;

use serde_json::{Map, Value, json};

use super::error::Cause;

/// What is wrong with an object, in the place of an old one.
pub(crate) type Check = fn(&Value, Option<&Value>) -> Vec<Cause>;

/// What is special about a kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Whether changes of what is wanted are counted in `metadata.generation`.
    pub(crate) has_generation: bool,
    /// Whether it is given time to end after it is deleted.
    pub(crate) is_graceful: bool,
    /// Whether a deletion is answered with the object as it was, and not with a status.
    pub(crate) is_returned: bool,
    /// Fields that it can be selected by, beside its name.
    pub(crate) selectable: &'static [&'static str],
    /// Whether what it owns is left behind when it is deleted and nobody says otherwise.
    pub(crate) orphans: bool,
    /// Whether somebody who writes it as a whole has to say of which version it is.
    pub(crate) is_versioned: bool,
    /// Puts in what is the system's own, of one that is created.
    pub(crate) prepare: Option<fn(&mut Value)>,
    /// Puts in what stays of the old one although it is not said.
    pub(crate) keep: Option<fn(&mut Value, &Value)>,
    /// Puts in what is not said.
    pub(crate) default: Option<fn(&mut Value)>,
    /// What is wrong with an object, in the place of an old one.
    pub(crate) check: Option<Check>,
}

/// What is special about a kind of Kubernetes.
pub(crate) fn rules(group: &str, kind: &str) -> Rules {
    let plain = Rules::default();
    let counted = Rules { has_generation: true, ..plain };
    match (group, kind) {
        ("", "Pod") => Rules {
            is_graceful: true,
            is_returned: true,
            selectable: &["spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy"],
            default: Some(pods::default),
            check: Some(pods::check),
            ..counted
        },
        ("", "Service") => Rules {
            is_returned: true,
            keep: Some(services::keep),
            default: Some(services::default),
            check: Some(services::check),
            ..plain
        },
        ("", "ServiceAccount" | "PersistentVolume") => Rules { is_returned: true, ..plain },
        ("", "ConfigMap") => Rules { check: Some(settings::check_config_map), ..plain },
        ("", "Secret") => Rules {
            default: Some(settings::default_secret),
            check: Some(settings::check_secret),
            selectable: &["type"],
            ..plain
        },
        ("", "Namespace") => {
            Rules { default: Some(settings::default_namespace), selectable: &["status.phase"], ..plain }
        }
        ("", "PersistentVolumeClaim") => {
            Rules { is_returned: true, default: Some(claims::default), check: Some(claims::check), ..plain }
        }
        ("", "Event") => Rules {
            selectable: &[
                "involvedObject.name",
                "involvedObject.kind",
                "involvedObject.uid",
                "reason",
                "type",
            ],
            ..plain
        },
        ("apps", "StatefulSet") => Rules {
            default: Some(workloads::default_stateful_set),
            check: Some(workloads::check_stateful_set),
            ..counted
        },
        ("apps", "Deployment") => Rules {
            default: Some(workloads::default_deployment),
            check: Some(workloads::check_deployment),
            ..counted
        },
        ("apps", "ReplicaSet") => Rules {
            default: Some(workloads::default_replica_set),
            check: Some(workloads::check_replica_set),
            ..counted
        },
        ("batch", "Job") => Rules {
            orphans: true,
            prepare: Some(jobs::prepare),
            default: Some(jobs::default),
            check: Some(jobs::check),
            ..counted
        },
        ("coordination.k8s.io", "Lease") => Rules { is_versioned: true, ..plain },
        ("batch", "CronJob") => Rules { default: Some(jobs::default_cron_job), ..counted },
        ("policy", "PodDisruptionBudget") => {
            let plain = Rules { is_versioned: true, ..counted };
            Rules { default: Some(policies::default_budget), check: Some(policies::check_budget), ..plain }
        }
        ("networking.k8s.io", "NetworkPolicy") => {
            Rules { default: Some(policies::default_network), ..counted }
        }
        ("storage.k8s.io", "StorageClass") => {
            Rules { is_returned: true, default: Some(claims::default_class), ..plain }
        }
        ("rbac.authorization.k8s.io", _) => Rules { default: Some(access::default), ..plain },
        ("apiextensions.k8s.io", _) => Rules { default: Some(access::default_definition), ..counted },
        _ => plain,
    }
}

/// Puts a field in where there is none.
fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        let place = object.entry(field).or_insert(Value::Null);
        if place.is_null() {
            *place = value;
        }
    }
}

/// What is at a field; an object is put there if there is nothing.
fn child<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    set(object, field, Value::Object(Map::new()));
    object.get_mut(field)
}

/// What is at a field, if it is a list.
fn items<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// What is wrong if these fields differ: each is a JSON pointer.
fn immutable(new: &Value, old: Option<&Value>, pointers: &[&str]) -> Vec<Cause> {
    let Some(old) = old else { return Vec::new() };
    let changed = |pointer: &&&str| new.pointer(pointer) != old.pointer(pointer);
    let changed = pointers.iter().filter(changed);
    let cause = |pointer: &&str| {
        let value = new.pointer(pointer).cloned().unwrap_or(Value::Null);
        let field = pointer.trim_start_matches('/').replace('/', ".");
        let shown = if value.is_object() { json!(value.to_string()) } else { value };
        Cause::invalid(field, &shown, "field is immutable")
    };
    changed.map(cause).collect()
}
