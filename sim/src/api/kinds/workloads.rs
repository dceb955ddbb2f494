//! StatefulSets, Deployments and jobs.

use serde_json::{Value, json};

use super::{child, claims, immutable, items, pods, set};
use crate::api::{error::Cause, selector::LabelSelector};

fn default_template(spec: &mut Value) {
    if let Some(spec) = child(spec, "template").and_then(|template| child(template, "spec")) {
        pods::default_spec(spec);
    }
}

pub(super) fn default_stateful_set(set_: &mut Value) {
    let Some(spec) = child(set_, "spec") else { return };
    default_template(spec);
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    if let Some(strategy) = child(spec, "updateStrategy") {
        set(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate"))
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            set(rolling, "partition", json!(0));
            set(rolling, "maxUnavailable", json!(1));
        }
    }
    if let Some(policy) = child(spec, "persistentVolumeClaimRetentionPolicy") {
        set(policy, "whenDeleted", json!("Retain"));
        set(policy, "whenScaled", json!("Retain"));
    }
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    for claim in items(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        claims::default(claim);
    }
    if let Some(status) = child(set_, "status") {
        set(status, "replicas", json!(0));
        set(status, "availableReplicas", json!(0));
    }
}

/// What of a StatefulSet may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "ordinals",
];

pub(super) fn check_stateful_set(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = matching(new);
    let single = immutable(new, old, &["/spec/serviceName", "/spec/podManagementPolicy"]);
    if !single.is_empty() {
        causes.extend(single);
        return causes;
    }
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|field, _| !MUTABLE.contains(&field.as_str()));
        }
        spec
    };
    if old.is_some_and(|old| fixed(old) != fixed(new)) {
        let problem = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        causes.push(Cause::forbidden("spec", problem));
    }
    causes
}

pub(super) fn default_deployment(deployment: &mut Value) {
    let Some(spec) = child(deployment, "spec") else { return };
    default_template(spec);
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
    if let Some(strategy) = child(spec, "strategy") {
        set(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate"))
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            set(rolling, "maxUnavailable", json!("25%"));
            set(rolling, "maxSurge", json!("25%"));
        }
    }
}

pub(super) fn check_selector(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = matching(new);
    causes.extend(immutable(new, old, &["/spec/selector"]));
    causes
}

/// What is wrong if the pods that are made would not be selected.
fn matching(new: &Value) -> Vec<Cause> {
    let Some(selector) = new.pointer("/spec/selector") else {
        return vec![Cause::required("spec.selector", "")];
    };
    let template = new.pointer("/spec/template").cloned().unwrap_or_default();
    if LabelSelector::from_object(selector).matches(&template) {
        return Vec::new();
    }
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let problem = "`selector` does not match template `labels`";
    vec![Cause::invalid("spec.template.metadata.labels", &json!(labels.to_string()), problem)]
}

pub(super) fn default_job(job: &mut Value) {
    let Some(spec) = child(job, "spec") else { return };
    default_job_spec(spec);
}

fn default_job_spec(spec: &mut Value) {
    default_template(spec);
    set(spec, "completions", json!(1));
    set(spec, "parallelism", json!(1));
    set(spec, "backoffLimit", json!(6));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "manualSelector", json!(false));
    set(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
}

pub(super) fn check_job(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    immutable(new, old, &["/spec/template", "/spec/selector", "/spec/completions"])
}

pub(super) fn default_cron_job(job: &mut Value) {
    let Some(spec) = child(job, "spec") else { return };
    set(spec, "concurrencyPolicy", json!("Allow"));
    set(spec, "suspend", json!(false));
    set(spec, "successfulJobsHistoryLimit", json!(3));
    set(spec, "failedJobsHistoryLimit", json!(1));
    if let Some(spec) = child(spec, "jobTemplate").and_then(|template| child(template, "spec")) {
        default_template(spec);
    }
}
