//! What is decided, beyond the shape of objects.

use operlet_redis::RedisOperlet;
use operlet_sdk::{
    ConditionStatus, Decision, Failure, Intent, Observation, Operator as _, Outcome, kinds, testing,
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, fresh, settled};

pub(crate) fn condition<'a>(outcome: &'a Outcome, name: &str) -> (ConditionStatus, &'a str) {
    let condition = outcome.conditions.iter().find(|condition| condition.type_ == name).unwrap();
    (condition.status, &condition.reason)
}

/// What a condition says to a person.
pub(crate) fn message<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    &outcome.conditions.iter().find(|condition| condition.type_ == name).unwrap().message
}

/// What the first call settles on, which it does as long as nobody can be spoken to.
fn first(cluster: &Cluster, settings: &Value) -> Outcome {
    match RedisOperlet::reconcile(&cluster.observation().with_settings(settings)) {
        Ok(Decision::Settle(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

fn failure(cluster: &mut Cluster) -> Failure {
    cluster.try_reconcile().unwrap_err()
}

fn creates(outcome: &Outcome) -> usize {
    outcome.intents.iter().filter(|intent| matches!(intent, Intent::Create(_))).count()
}

fn image(outcome: &Outcome) -> String {
    let objects = testing::objects(outcome);
    let set: Value = serde_json::from_str(objects["StatefulSet/sample"]).unwrap();
    set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn volumes_grow_where_their_class_allows_it_and_otherwise_nothing_waits_for_that() {
    let storage = |size: &str| json!({"storage": {"size": size, "storageClassName": "rigid"}});
    let mut cluster = settled(storage("1Gi"));
    cluster.expands = false;
    cluster.calls.clear();
    let mut larger = storage("2Gi");
    larger["config"] = json!({"databases": "17"});
    cluster.change(larger);
    cluster.run(120_000);
    let size = |cluster: &Cluster| {
        let claim = cluster.object(&kinds::PERSISTENT_VOLUME_CLAIM, "data-sample-1");
        claim["spec"]["resources"]["requests"]["storage"].clone()
    };
    assert_eq!(size(&cluster), "1Gi");
    let outcome = cluster.reconcile();
    assert_eq!(condition(&outcome, "ConfigApplied"), (ConditionStatus::False, "VolumesCannotGrow"));
    let message = message(&outcome, "ConfigApplied");
    assert!(message.contains("spec.storage.size") && message.contains("rigid"), "{message}");
    assert!(cluster.objects.values().filter(|object| object["kind"] == "Pod").all(|pod| {
        let set = cluster.object(&kinds::STATEFUL_SET, "sample");
        let hash = "redis.operlet.dev/config-hash";
        pod["metadata"]["annotations"][hash] == set["spec"]["template"]["metadata"]["annotations"][hash]
    }));
    cluster.expands = true;
    let claim = cluster.object_mut(&kinds::PERSISTENT_VOLUME_CLAIM, "data-sample-1");
    claim["status"]["phase"] = json!("Pending");
    cluster.settle();
    assert_eq!(size(&cluster), "1Gi", "nobody may change a claim that waits for its volume");
    let claim = cluster.object_mut(&kinds::PERSISTENT_VOLUME_CLAIM, "data-sample-1");
    claim["status"]["phase"] = json!("Bound");
    cluster.settle();
    assert_eq!(size(&cluster), "2Gi");
    assert_eq!(condition(&cluster.reconcile(), "ConfigApplied"), (ConditionStatus::True, "Applied"));
}

#[test]
fn a_running_redis_is_ready_and_says_so_once() {
    let mut cluster = settled(json!({}));
    assert_eq!(cluster.told(), ["Running"]);
    let outcome = cluster.reconcile();
    assert_eq!(condition(&outcome, "Ready"), (ConditionStatus::True, "Running"));
    assert_eq!(condition(&outcome, "PrimaryAvailable"), (ConditionStatus::True, "Serving"));
    assert_eq!(condition(&outcome, "ReplicationHealthy"), (ConditionStatus::True, "InSync"));
    assert_eq!(condition(&outcome, "FailoverBlocked").0, ConditionStatus::False);
    assert_eq!((&cluster.status()["ready"], &cluster.status()["phase"]), (&json!("3/3"), &json!("Running")));
    assert_eq!(cluster.status()["epoch"], 2, "1 is the dead address that pods boot with");
    assert!(outcome.events.is_empty());
    assert_eq!(outcome.requeue_after_ms, Some(crate::cluster::REST_MS));
    let again = cluster.reconcile();
    assert_eq!(again, outcome, "a fixpoint is asked for in the same words");
}

#[test]
fn a_redis_is_brought_up_in_rounds() {
    let cluster = settled(json!({}));
    let asked = cluster.calls.iter().filter_map(|(_, decision)| match decision {
        Decision::Ask(questions) => Some(questions.iter().map(|question| question.id.as_str())),
        _ => None,
    });
    let asked: Vec<&str> = asked.flatten().collect();
    for id in ["00/look/0", "00/look/1", "00/look/2"] {
        assert!(asked.contains(&id), "{id}: {asked:?}");
    }
    assert!(asked.iter().any(|id| id.split('/').nth(1) == Some("act")), "{asked:?}");
    assert!(asked.iter().all(|id| id.len() <= 128));
}

#[test]
fn a_replica_that_fails_degrades_a_redis_that_ran() {
    let mut cluster = settled(json!({"replicas": 1}));
    cluster.told();
    cluster.freeze(1, true);
    let outcome = cluster.run(1000);
    assert_eq!(condition(&outcome, "Ready"), (ConditionStatus::False, "Degraded"));
    assert_eq!(condition(&outcome, "PrimaryAvailable"), (ConditionStatus::True, "Serving"));
    assert_eq!(condition(&outcome, "ReplicationHealthy"), (ConditionStatus::False, "NotInSync"));
    assert!(message(&outcome, "ReplicationHealthy").contains("sample-1"));
    assert_eq!(cluster.told(), ["Degraded"]);
    cluster.freeze(1, false);
    cluster.settle();
    assert_eq!(cluster.told(), ["Running"]);
}

#[test]
fn a_changed_configuration_is_applied_when_every_pod_runs_with_it() {
    let mut cluster = settled(json!({}));
    let before = cluster.status()["config"]["applied"].clone();
    cluster.change(json!({"config": {"databases": "7"}}));
    let outcome = cluster.reconcile();
    assert_eq!(condition(&outcome, "ConfigApplied").0, ConditionStatus::False);
    assert_eq!(cluster.status()["config"]["applied"], Value::Null, "nobody runs with it yet");
    assert_eq!(cluster.run(100).conditions.len(), outcome.conditions.len());
    assert_eq!(cluster.status()["phase"], "Updating");
    let outcome = cluster.settle();
    assert_eq!(condition(&outcome, "ConfigApplied").0, ConditionStatus::True);
    let applied = cluster.status()["config"]["applied"].clone();
    assert_ne!(applied, before);
    let set = cluster.object(&kinds::STATEFUL_SET, "sample");
    let wanted = &set["spec"]["template"]["metadata"]["annotations"]["redis.operlet.dev/config-hash"];
    for pod in ["sample-0", "sample-1", "sample-2"] {
        let annotations = &cluster.object(&kinds::POD, pod)["metadata"]["annotations"];
        assert_eq!(&annotations["redis.operlet.dev/config-hash"], wanted, "{pod}");
    }
}

#[test]
fn passwords_and_keys_are_generated_once() {
    assert_eq!(creates(&first(&fresh(json!({})), &json!({}))), 2);
    let own = json!({"auth": {"secretRef": {"name": "own"}}});
    assert_eq!(creates(&first(&fresh(own), &json!({}))), 1, "the operator's own is always made");
    assert_eq!(creates(&settled(json!({})).reconcile()), 0);
}

#[test]
fn nobody_is_asked_before_there_is_a_key() {
    let mut cluster = fresh(json!({}));
    let outcome = cluster.reconcile();
    assert_eq!(cluster.calls.len(), 1);
    assert!(outcome.probes.is_empty());
    assert_eq!(cluster.selected(), "none");
    cluster.object_mut(&kinds::SECRET, "sample-operator")["data"]["key"] = json!("c2hvcnQ=");
    let failure = failure(&mut cluster);
    assert!(
        matches!(&failure, Failure::Invalid(message) if message.contains("sample-operator")),
        "{failure:?}"
    );
}

#[test]
fn claim_templates_are_given_back_verbatim() {
    // With the spacing of nobody, to see that not a byte changes.
    let templates = r#"[ {"metadata":{"name":"data"},  "spec":{"x":1.50}} ]"#;
    let set = format!(r#"{{"metadata":{{"name":"sample"}},"spec":{{"volumeClaimTemplates":{templates}}}}}"#);
    let mut observation = fresh(json!({"storage": {"size": "1Gi"}})).observation();
    for entry in &mut observation.observed {
        if entry.kind.kind == "StatefulSet" {
            entry.objects = vec![set.clone()];
        }
    }
    let Ok(Decision::Settle(outcome)) = RedisOperlet::reconcile(&observation) else { panic!() };
    assert!(testing::objects(&outcome)["StatefulSet/sample"].contains(templates));
}

#[test]
fn a_new_default_version_never_upgrades_a_redis() {
    let mut old = fresh(json!({}));
    old.resource["status"] = json!({"version": "7.0"});
    assert_eq!(image(&first(&old, &json!({}))), "docker.io/library/redis:7.0");
    assert_eq!(image(&first(&fresh(json!({})), &json!({}))), "docker.io/library/redis:8.0");
}

#[test]
fn images_come_from_the_settings() {
    let settings = json!({"images": {"8.0": "registry.example/redis:8"}});
    assert_eq!(image(&first(&fresh(json!({})), &settings)), "registry.example/redis:8");
}

#[test]
fn a_paused_redis_is_left_alone() {
    let mut cluster = settled(json!({}));
    cluster.change(json!({"paused": true, "replicas": 8}));
    cluster.kill(0);
    let calls = cluster.calls.len();
    let outcome = cluster.reconcile();
    assert_eq!(cluster.calls.len(), calls + 1, "nobody is asked or told anything");
    assert!(outcome.intents.len() >= 9, "everything is named, so nothing is pruned");
    assert!(outcome.intents.iter().all(|intent| matches!(intent, Intent::Keep(_))));
    assert!(outcome.status.is_none() && outcome.probes.is_empty());
    cluster.change(json!({"paused": false, "replicas": 2}));
    cluster.settle();
    assert_eq!(cluster.selected(), "sample-1", "what was put off is done");
}

#[test]
fn a_setting_that_can_change_while_servers_run_restarts_none() {
    let mut cluster = settled(json!({}));
    let pods = || {
        |cluster: &Cluster| -> Vec<String> {
            cluster.servers.0.values().map(|server| server.run.clone()).collect()
        }
    };
    let before = (pods()(&cluster), cluster.status()["config"]["applied"].clone());
    cluster.change(json!({"config": {"maxclients": "7"}}));
    let outcome = cluster.settle();
    assert_eq!(condition(&outcome, "ConfigApplied"), (ConditionStatus::True, "Applied"));
    assert_eq!(pods()(&cluster), before.0);
    assert_ne!(cluster.status()["config"]["applied"], before.1);
}

#[test]
fn storage_cannot_be_added_to_a_redis_without() {
    let mut cluster = settled(json!({}));
    cluster.change(json!({"storage": {"size": "1Gi"}}));
    let outcome = cluster.run(2000);
    assert_eq!(condition(&outcome, "ConfigApplied").0, ConditionStatus::False);
    assert!(message(&outcome, "ConfigApplied").contains("spec.storage:"), "{outcome:?}");
    let mut new = fresh(json!({"replicas": 99}));
    assert!(matches!(failure(&mut new), Failure::Invalid(message) if message.starts_with("spec.replicas:")));
}

#[test]
fn a_redis_whose_spec_is_wrong_fails_over_all_the_same() {
    let mut cluster = settled(json!({}));
    cluster.change(json!({"storage": {"size": "1Gi"}}));
    cluster.reconcile();
    cluster.kill(0);
    cluster.run(5000);
    assert_eq!(cluster.selected(), "sample-1");
}

#[test]
fn what_does_not_fit_the_type_is_named_with_its_path() {
    let message = failure(&mut fresh(json!({"storage": {"size": 5}}))).message().to_owned();
    assert_eq!(message, "spec.storage.size: invalid type: integer `5`, expected a string");
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_nothing_is_decided() {
    let check = |pointer: &str, value: Value, field: &str| {
        let mut cluster = settled(json!({}));
        *cluster.resource.pointer_mut(pointer).unwrap() = value;
        let calls = cluster.calls.len();
        let failure = failure(&mut cluster);
        assert_eq!(cluster.calls.len(), calls, "{pointer}: not even a question");
        let Failure::Invalid(message) = failure else { panic!("{pointer}: {failure:?}") };
        assert!(message.starts_with(&format!("{field}: ")), "{pointer}: {message}");
        assert!(message.contains("Restore the status"), "{pointer}: {message}");
    };
    check("/status/primary/uid", json!("pod-0"), "status.primary");
    check("/status/primary/runID", json!("abc"), "status.primary");
    check("/status/primary/pod", json!("other-0"), "status.primary");
    check("/status/primary/replid", json!(""), "status.primary.replid");
    check("/status/primary/began", json!(-1), "status.primary.began");
    check("/status/followers/1/runID", json!("x".repeat(40)), "status.followers");
}

#[test]
fn a_change_of_primary_that_cannot_be_read_is_named_as_well() {
    let mut cluster = settled(json!({}));
    let failover = json!({"id": 3, "phase": "Fence", "cause": "Lost", "startedAt": "2026-11-23T00:00:00Z"});
    for (name, value) in
        [("phase", "Later"), ("cause", "Boredom"), ("startedAt", "yesterday"), ("claim", "x")]
    {
        cluster.resource["status"]["failover"] = failover.clone();
        cluster.resource["status"]["failover"][name] = json!(value);
        let failure = failure(&mut cluster);
        assert!(failure.message().starts_with(&format!("status.failover.{name}: {value:?}")), "{failure:?}");
    }
}

#[test]
fn a_redis_that_goes_is_released() {
    let observation = Observation { deleting: true, ..settled(json!({})).observation() };
    let Ok(Decision::Settle(outcome)) = RedisOperlet::reconcile(&observation) else { panic!() };
    assert!(outcome.released && outcome.intents.is_empty());
}
