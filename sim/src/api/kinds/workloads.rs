//! StatefulSets, Deployments and ReplicaSets.

use serde_json::{Value, json};

use super::{child, claims, immutable, items, pods, set};
use crate::api::{error::Cause, selector::LabelSelector};

pub(super) fn default_template(spec: &mut Value) {
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
    drop_unsaid(spec);
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

/// What is as if it were not said Go does not write.
fn drop_unsaid(spec: &mut Value) {
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, value| match field.as_str() {
            "minReadySeconds" => *value != 0,
            "paused" => *value != false,
            _ => true,
        });
    }
}

pub(super) fn default_replica_set(set_: &mut Value) {
    let Some(spec) = child(set_, "spec") else { return };
    default_template(spec);
    drop_unsaid(spec);
    set(spec, "replicas", json!(1));
    if let Some(status) = child(set_, "status") {
        set(status, "replicas", json!(0));
    }
}

pub(super) fn check_replica_set(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = not_negative(new, &["replicas", "minReadySeconds"]);
    causes.extend(matching(new));
    causes.extend(endless(new));
    causes.extend(immutable(new, old, &["/spec/selector"]));
    causes
}

pub(super) fn check_deployment(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = not_negative(new, &["replicas"]);
    causes.extend(matching(new));
    causes.extend(endless(new));
    causes.extend(wrong_strategy(new));
    causes.extend(not_negative(new, &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]));
    let number = |field: &str| new.get("spec")?.get(field)?.as_i64();
    let deadline = number("progressDeadlineSeconds");
    if deadline.is_some_and(|deadline| deadline <= number("minReadySeconds").unwrap_or_default()) {
        let problem = "must be greater than minReadySeconds";
        causes.push(Cause::invalid("spec.progressDeadlineSeconds", &json!(deadline), problem));
    }
    causes.extend(immutable(new, old, &["/spec/selector"]));
    causes
}

/// What is wrong with how a Deployment goes over to new pods.
fn wrong_strategy(new: &Value) -> Vec<Cause> {
    let strategy = new.pointer("/spec/strategy").unwrap_or(&Value::Null);
    let rolling = strategy.get("rollingUpdate");
    match strategy.get("type").and_then(Value::as_str).unwrap_or_default() {
        "Recreate" if rolling.is_some_and(|rolling| !rolling.is_null()) => {
            let problem = "may not be specified when strategy `type` is 'Recreate'";
            vec![Cause::forbidden("spec.strategy.rollingUpdate", problem)]
        }
        "Recreate" => Vec::new(),
        "RollingUpdate" => {
            let part = |field: &str| rolling.and_then(|rolling| rolling.get(field)).unwrap_or(&Value::Null);
            let number = |part: &Value| match part.as_str() {
                Some(text) => text.trim_end_matches('%').parse().unwrap_or_default(),
                None => part.as_i64().unwrap_or_default(),
            };
            let missing = part("maxUnavailable");
            let field = "spec.strategy.rollingUpdate.maxUnavailable";
            let mut causes = Vec::new();
            if number(missing) == 0 && number(part("maxSurge")) == 0 {
                causes.push(Cause::invalid(field, missing, "may not be 0 when `maxSurge` is 0"));
            }
            if missing.is_string() && number(missing) > 100 {
                causes.push(Cause::invalid(field, missing, "must not be greater than 100%"));
            }
            causes
        }
        _ => {
            let allowed = [json!("Recreate"), json!("RollingUpdate")];
            vec![Cause::not_supported("spec.strategy", strategy, &allowed)]
        }
    }
}

/// What is wrong with pods that are not to run for ever.
fn endless(new: &Value) -> Vec<Cause> {
    let spec = new.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let mut causes = Vec::new();
    if let Some(policy) = spec.get("restartPolicy").filter(|policy| *policy != "Always") {
        let allowed = [json!("Always")];
        causes.push(Cause::not_supported("spec.template.spec.restartPolicy", policy, &allowed));
    }
    if spec.get("activeDeadlineSeconds").is_some() {
        let problem = "activeDeadlineSeconds in ReplicaSet is not Supported";
        causes.push(Cause::forbidden("spec.template.spec.activeDeadlineSeconds", problem));
    }
    causes
}

/// What is wrong with numbers of `spec` that are less than none.
pub(super) fn not_negative(new: &Value, fields: &[&str]) -> Vec<Cause> {
    let given = fields.iter().filter_map(|field| Some((field, new.get("spec")?.get(*field)?)));
    given
        .filter(|(_, value)| value.as_i64().is_some_and(|number| number < 0))
        .map(|(field, value)| {
            Cause::invalid(format!("spec.{field}"), value, "must be greater than or equal to 0")
        })
        .collect()
}

/// What is wrong if the pods that are made would not be selected.
fn matching(new: &Value) -> Vec<Cause> {
    let Some(selector) = new.pointer("/spec/selector") else {
        return vec![Cause::required("spec.selector", "")];
    };
    if *selector == json!({}) {
        let problem = "empty selector is invalid for deployment";
        return vec![Cause::invalid("spec.selector", &json!({}), problem)];
    }
    let template = new.pointer("/spec/template").cloned().unwrap_or_default();
    if LabelSelector::from_object(selector).matches(&template) {
        return Vec::new();
    }
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let problem = "`selector` does not match template `labels`";
    vec![Cause::invalid("spec.template.metadata.labels", &labels, problem)]
}
