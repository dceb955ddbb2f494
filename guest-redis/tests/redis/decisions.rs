//! What is decided, beyond the shape of objects.

use operlet_sdk::{ConditionStatus, Failure, Intent, Outcome, kinds, testing};
use serde_json::{Value, json};

use crate::cluster::{failure, fresh, pod, settle, settled, with_status};

fn condition<'a>(outcome: &'a Outcome, name: &str) -> (ConditionStatus, &'a str) {
    let condition = outcome.conditions.iter().find(|condition| condition.type_ == name).unwrap();
    (condition.status, &condition.reason)
}

fn status(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.status.as_deref().unwrap()).unwrap()
}

fn image(outcome: &Outcome) -> String {
    let objects = testing::objects(outcome);
    let set: Value = serde_json::from_str(objects["StatefulSet/sample"]).unwrap();
    set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn a_running_redis_is_ready_and_says_so_once() {
    let outcome = settle(&settled(fresh(json!({}))));
    assert_eq!(condition(&outcome, "Ready"), (ConditionStatus::True, "Running"));
    assert_eq!(status(&outcome)["ready"], "3/3");
    assert_eq!(outcome.events.len(), 1);

    let again = settle(&settled(with_status("sample", json!({}), json!({"phase": "Running"}))));
    assert!(again.events.is_empty());
    assert_eq!(again.intents, outcome.intents, "a fixpoint is asked for in the same words");
}

#[test]
fn a_replica_that_fails_degrades_a_redis_that_ran() {
    let spec = json!({"replicas": 1});
    let running = with_status("sample", spec, json!({"phase": "Running"}));
    let observation = settled(running);
    let outcome = settle(&observation);
    let hash = json!({"redis.operlet.dev/config-hash": status(&outcome)["config"]["applied"]});
    let broken = observation
        .with_observed(&kinds::POD, [pod("sample", 0, &hash, true), pod("sample", 1, &hash, false)]);
    let outcome = settle(&broken);
    assert_eq!(condition(&outcome, "Ready"), (ConditionStatus::False, "Degraded"));
    assert_eq!(condition(&outcome, "PrimaryAvailable"), (ConditionStatus::True, "Ready"));
    assert_eq!(condition(&outcome, "ReplicationHealthy"), (ConditionStatus::False, "NotFollowing"));
}

#[test]
fn a_changed_configuration_is_applied_when_every_pod_runs_with_it() {
    let before = settled(with_status("sample", json!({}), json!({"phase": "Running"})));
    let mut changed: Value = serde_json::from_str(&before.resource).unwrap();
    changed["spec"]["config"] = json!({"maxclients": "7"});
    let observation = operlet_sdk::Observation { resource: changed.to_string(), ..before };
    let outcome = settle(&observation);
    assert_eq!(condition(&outcome, "ConfigApplied").0, ConditionStatus::False);
    assert_eq!(status(&outcome)["phase"], "Updating");
}

#[test]
fn a_password_is_generated_once() {
    let creates = |outcome: &Outcome| {
        outcome.intents.iter().filter(|intent| matches!(intent, Intent::Create(_))).count()
    };
    assert_eq!(creates(&settle(&fresh(json!({})))), 1);
    assert_eq!(creates(&settle(&settled(fresh(json!({}))))), 0);
    assert_eq!(creates(&settle(&fresh(json!({"auth": {"secretRef": {"name": "own"}}})))), 0);
}

#[test]
fn claim_templates_are_given_back_verbatim() {
    // With the spacing of nobody, to see that not a byte changes.
    let templates = r#"[ {"metadata":{"name":"data"},  "spec":{"x":1.50}} ]"#;
    let set = format!(r#"{{"metadata":{{"name":"sample"}},"spec":{{"volumeClaimTemplates":{templates}}}}}"#);
    let mut observation = settled(fresh(json!({"storage": {"size": "1Gi"}})));
    for entry in &mut observation.observed {
        if entry.kind.kind == "StatefulSet" {
            entry.objects = vec![set.clone()];
        }
    }
    let outcome = settle(&observation);
    assert!(testing::objects(&outcome)["StatefulSet/sample"].contains(templates));
}

#[test]
fn a_new_default_version_never_upgrades_a_redis() {
    let old = with_status("sample", json!({}), json!({"version": "7.0"}));
    assert_eq!(image(&settle(&old)), "docker.io/library/redis:7.0");
    assert_eq!(image(&settle(&fresh(json!({})))), "docker.io/library/redis:8.0");
}

#[test]
fn images_come_from_the_settings() {
    let settings = json!({"images": {"8.0": "registry.example/redis:8"}});
    assert_eq!(image(&settle(&fresh(json!({})).with_settings(&settings))), "registry.example/redis:8");
}

#[test]
fn a_paused_redis_is_left_alone() {
    let mut observation = settled(fresh(json!({})));
    let mut changed: Value = serde_json::from_str(&observation.resource).unwrap();
    changed["spec"] = json!({"paused": true, "replicas": 8});
    observation.resource = changed.to_string();
    let outcome = settle(&observation);
    assert!(outcome.intents.len() >= 5, "everything is named, so nothing is pruned");
    assert!(outcome.intents.iter().all(|intent| matches!(intent, operlet_sdk::Intent::Keep(_))));
    assert!(outcome.status.is_none());
}

#[test]
fn storage_cannot_be_added_to_a_redis_without() {
    let observation = settled(fresh(json!({})));
    let mut changed: Value = serde_json::from_str(&observation.resource).unwrap();
    changed["spec"]["storage"] = json!({"size": "1Gi"});
    let observation = operlet_sdk::Observation { resource: changed.to_string(), ..observation };
    assert!(
        matches!(failure(&observation), Failure::Invalid(message) if message.starts_with("spec.storage:"))
    );
}

#[test]
fn what_does_not_fit_the_type_is_named_with_its_path() {
    let message = failure(&fresh(json!({"storage": {"size": 5}}))).message().to_owned();
    assert_eq!(message, "spec.storage.size: invalid type: integer `5`, expected a string");
}
