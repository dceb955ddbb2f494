//! Jobs and CronJobs.

use serde_json::{Map, Value, json};

use super::{
    child, immutable, set,
    workloads::{default_template, not_negative},
};
use crate::api::{error::Cause, selector::LabelSelector};

/// The labels of a Job's pods: its name, and its uid. The old ones have no prefix.
const NAMES: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const UIDS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

pub(super) fn default(job: &mut Value) {
    if let Some(spec) = child(job, "spec") {
        default_template(spec);
        default_spec(spec);
    }
    let labels = template_labels(job);
    let own = job.pointer("/metadata/labels").and_then(Value::as_object);
    if own.is_none_or(Map::is_empty)
        && !labels.is_empty()
        && let Some(metadata) = job.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
}

fn default_spec(spec: &mut Value) {
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(spec, "completions", json!(1));
    }
    set(spec, "parallelism", json!(1));
    let each = spec.get("backoffLimitPerIndex").is_some();
    set(spec, "backoffLimit", json!(if each { i32::MAX } else { 6 }));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "manualSelector", json!(false));
    let policy = if spec.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    set(spec, "podReplacementPolicy", json!(policy));
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

/// A Job selects the pods with its uid, unless it says that it has a selector of its
/// own.
pub(super) fn prepare(job: &mut Value) {
    if job.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let text = |field: &str| job.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    let (name, uid) = (text("name"), text("uid"));
    let before = template_labels(job);
    let own = job.pointer("/metadata/labels").and_then(Value::as_object);
    // Where a Job has the labels of its pods they are one and the same map in Go.
    let shared = own.is_none_or(|own| *own == before);
    let template = child(job, "spec").and_then(|spec| child(spec, "template"));
    let labels = template.and_then(|template| child(template, "metadata")).and_then(|it| child(it, "labels"));
    if let Some(labels) = labels {
        NAMES.iter().for_each(|label| set(labels, label, name.clone()));
        UIDS.iter().for_each(|label| set(labels, label, uid.clone()));
    }
    let selector = child(job, "spec").and_then(|spec| child(spec, "selector"));
    if let Some(labels) = selector.and_then(|selector| child(selector, "matchLabels")) {
        set(labels, UIDS[1], uid);
    }
    let labels = template_labels(job);
    if let Some(metadata) = job.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| shared) {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
}

fn template_labels(job: &Value) -> Map<String, Value> {
    job.pointer("/spec/template/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What of a Job never changes.
const FIXED: [&str; 6] = [
    "/spec/completionMode",
    "/spec/podFailurePolicy",
    "/spec/backoffLimitPerIndex",
    "/spec/managedBy",
    "/spec/successPolicy",
    "/spec/selector",
];

pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = if old.is_none() { not_generated(new) } else { Vec::new() };
    let counts = ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit"];
    causes.extend(not_negative(new, &counts));
    causes.extend(not_negative(new, &["ttlSecondsAfterFinished"]));
    causes.extend(wrong_mode(new));
    let policy = new.pointer("/spec/template/spec/restartPolicy").unwrap_or(&Value::Null);
    if *policy == "Always" {
        let problem = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required("spec.template.spec.restartPolicy", problem));
    }
    let selector = new.pointer("/spec/selector").unwrap_or(&Value::Null);
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    }
    let template = new.pointer("/spec/template").unwrap_or(&Value::Null);
    if !LabelSelector::from_object(selector).matches(template) {
        let labels = Value::Object(template_labels(new));
        let problem = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &labels, problem));
    }
    let Some(old) = old else { return causes };
    let indexed = new.pointer("/spec/completionMode").is_some_and(|mode| mode == "Indexed");
    if !indexed {
        causes.extend(immutable(new, Some(old), &["/spec/completions"]));
    }
    if fixed_template(new, old) != fixed_template(old, old) {
        causes.extend(immutable(new, Some(old), &["/spec/template"]));
    }
    causes.extend(immutable(new, Some(old), &FIXED));
    causes
}

/// What is wrong if labels or selector are not those that the system gives.
fn not_generated(job: &Value) -> Vec<Cause> {
    if job.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let labels = template_labels(job);
    let text = |field: &str| job.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    let (name, uid) = (text("name"), text("uid"));
    let wanted = [(UIDS[0], &uid), (NAMES[0], &name), (UIDS[1], &uid), (NAMES[1], &name)];
    let mut causes = Vec::new();
    for (label, value) in wanted {
        if labels.get(label) != Some(value) {
            let problem = format!("must be {:?}", value.as_str().unwrap_or_default());
            let given = labels.get(label).cloned().unwrap_or_default();
            causes.push(Cause::invalid("spec.template.metadata.labels", &given, &problem));
        }
    }
    let generated: Map<String, Value> =
        wanted.iter().map(|(label, value)| ((*label).to_owned(), (*value).clone())).collect();
    let selector = job.pointer("/spec/selector").unwrap_or(&Value::Null);
    let sample = json!({ "metadata": { "labels": generated } });
    if !LabelSelector::from_object(selector).matches(&sample) {
        causes.push(Cause::invalid("spec.selector", selector, "`selector` not auto-generated"));
    }
    causes
}

fn wrong_mode(job: &Value) -> Vec<Cause> {
    let mode = job.pointer("/spec/completionMode").unwrap_or(&Value::Null);
    let modes = [json!("NonIndexed"), json!("Indexed")];
    if !modes.contains(mode) {
        return vec![Cause::not_supported("spec.completionMode", mode, &modes)];
    }
    if *mode == "Indexed" && job.pointer("/spec/completions").is_none() {
        return vec![Cause::required("spec.completions", "when completion mode is Indexed")];
    }
    Vec::new()
}

/// The template without what may change of a Job that is suspended and has no pods.
fn fixed_template(job: &Value, old: &Value) -> Value {
    let mut template = job.pointer("/spec/template").cloned().unwrap_or_default();
    let conditions = old.pointer("/status/conditions").and_then(Value::as_array);
    let noted = conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Suspended")
            && condition.get("status").is_some_and(|status| status == "True")
    });
    let idle = old.pointer("/status/active").and_then(Value::as_i64).unwrap_or_default() == 0;
    let begun = old.pointer("/status/startTime").is_some();
    if old.pointer("/spec/suspend") != Some(&Value::Bool(true)) || begun && !noted || !idle {
        return template;
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !["labels", "annotations"].contains(&field.as_str()));
    }
    let Some(spec) = template.get_mut("spec") else { return template };
    for list in ["containers", "initContainers"] {
        for container in super::items(spec, list) {
            container.as_object_mut().map(|container| container.remove("resources"));
        }
    }
    if let Some(spec) = spec.as_object_mut() {
        let free = ["nodeSelector", "tolerations", "schedulingGates"];
        spec.retain(|field, _| !free.contains(&field.as_str()));
    }
    template
}
