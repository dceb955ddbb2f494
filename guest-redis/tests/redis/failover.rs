//! What becomes of objects, status and events while one pod takes over from another.

use operlet_sdk::{ConditionStatus, Decision, Intent, Observation, Outcome, kinds, testing};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, fresh, settled},
    decisions::{condition, message},
};

/// Twice what a replica waits for until its primary has fenced itself.
const LONG_MS: u64 = 20_000;

fn outcomes(cluster: &Cluster) -> impl Iterator<Item = &Outcome> {
    cluster.calls.iter().filter_map(|(_, decision)| testing::outcome(decision))
}

/// The pods that the read-write Service was to select, one after the other.
fn selected(cluster: &Cluster) -> Vec<String> {
    let mut pods: Vec<String> = outcomes(cluster)
        .map(|outcome| {
            let service: Value = serde_json::from_str(testing::objects(outcome)["Service/sample"]).unwrap();
            service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"].as_str().unwrap().to_owned()
        })
        .collect();
    pods.dedup();
    pods
}

/// The deletions that were asked for: pod and uid.
fn removed(cluster: &Cluster) -> Vec<(&str, &str)> {
    let intents = outcomes(cluster).flat_map(|outcome| &outcome.intents);
    let removed = intents.filter_map(|intent| match intent {
        Intent::Remove(remove) => Some((remove.key.name.as_str(), remove.uid.as_str())),
        _ => None,
    });
    removed.collect()
}

fn annotate(cluster: &mut Cluster, name: &str, value: &str) {
    cluster.resource["metadata"]["annotations"][format!("redis.operlet.dev/{name}")] = json!(value);
}

fn uid(cluster: &Cluster, pod: &str) -> String {
    cluster.object(&kinds::POD, pod)["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn a_lost_primary_is_told_of_step_by_step_and_each_step_once() {
    let mut cluster = settled(json!({}));
    cluster.told();
    cluster.kill(0);
    cluster.settle();
    assert_eq!(cluster.told(), ["FailoverStarted", "Fenced", "Promoted", "FailoverCompleted", "Running"]);
    assert_eq!(
        (&cluster.status()["primary"]["pod"], cluster.status()["epoch"].as_u64()),
        (&json!("sample-1"), Some(3))
    );
    assert_eq!(cluster.status()["failover"], Value::Null);
    assert_eq!(cluster.status()["members"][0]["sync"], "inSync", "the old one follows");
}

#[test]
fn the_service_is_closed_before_it_leads_to_another_pod() {
    let mut cluster = settled(json!({}));
    cluster.kill(0);
    cluster.settle();
    assert_eq!(selected(&cluster), ["none", "sample-0", "none", "sample-1"]);
    let of_service = |intent: &&Intent| matches!(intent, Intent::Ensure(ensure) if ensure.object.contains(r#""kind":"Service","metadata":{"name":"sample","#));
    let intents = outcomes(&cluster).map(|outcome| outcome.intents.iter().find(of_service).unwrap());
    let tied =
        intents.map(|intent| matches!(intent, Intent::Ensure(ensure) if ensure.if_unchanged.is_some()));
    let tied: Vec<bool> = tied.collect();
    assert!(
        !tied[0] && tied[1..].iter().all(|tied| *tied),
        "every write but the first is tied to what was seen"
    );
}

#[test]
fn a_planned_change_moves_the_service_by_one_write() {
    let mut cluster = settled(json!({}));
    cluster.told();
    cluster.change(json!({"switchover": {"target": "sample-2", "requestID": "one"}}));
    cluster.settle();
    assert_eq!(selected(&cluster), ["none", "sample-0", "sample-2"]);
    assert_eq!(cluster.told(), ["SwitchoverStarted", "Promoted", "SwitchoverCompleted", "Running"]);
    assert_eq!(cluster.status()["switchover"]["requestID"], "one");
    assert_eq!(cluster.status()["primary"]["pod"], "sample-2");
    cluster.run(2000);
    assert!(cluster.told().is_empty(), "it is made once");
}

#[test]
fn roles_change_after_the_service_has_moved() {
    let mut cluster = settled(json!({}));
    cluster.calls.clear();
    cluster.change(json!({"switchover": {"target": "sample-2", "requestID": "one"}}));
    cluster.settle();
    let role = |outcome: &Outcome, pod: &str| {
        let amended = outcome.intents.iter().filter_map(|intent| match intent {
            Intent::Amend(amend) => serde_json::from_str::<Value>(&amend.object).ok(),
            _ => None,
        });
        let pod =
            amended.into_iter().find(|object| object["kind"] == "Pod" && object["metadata"]["name"] == pod);
        pod.unwrap()["metadata"]["labels"]["redis.operlet.dev/role"].clone()
    };
    let mut seen: Vec<(Value, Value)> =
        outcomes(&cluster).map(|outcome| (role(outcome, "sample-0"), role(outcome, "sample-2"))).collect();
    seen.dedup();
    assert_eq!(seen, [(json!("primary"), json!("replica")), (json!("replica"), json!("primary"))]);
    let moved = outcomes(&cluster)
        .position(|outcome| testing::objects(outcome)["Service/sample"].contains("\"sample-2\""))
        .unwrap();
    let changed = outcomes(&cluster).position(|outcome| role(outcome, "sample-2") == "primary").unwrap();
    assert!(moved < changed, "{moved} {changed}");
}

#[test]
fn a_hand_over_that_takes_too_long_is_given_up_and_no_change_is_claimed() {
    let mut cluster = settled(json!({"replicas": 1}));
    cluster.told();
    cluster.change(json!({"switchover": {"requestID": "one"}}));
    // It never catches up.
    cluster.servers.0.get_mut(&1).unwrap().is_ahead = true;
    cluster.settle();
    assert_eq!(cluster.told(), ["SwitchoverStarted", "SwitchoverGivenUp", "Running"]);
    assert_eq!(cluster.selected(), "sample-0");
}

#[test]
fn a_new_redis_whose_pods_hold_data_waits_for_a_person() {
    let mut cluster = fresh(json!({}));
    cluster.reconcile();
    cluster.servers.0.get_mut(&1).unwrap().keys = 3;
    let outcome = cluster.run(1000);
    assert_eq!(condition(&outcome, "FailoverBlocked"), (ConditionStatus::True, "DataUnknown"));
}

#[test]
fn a_new_redis_claims_no_failover() {
    let mut cluster = settled(json!({}));
    assert_eq!(cluster.told(), ["Running"]);
    // Nor does one whose operator forgot what it told.
    cluster.carry.clear();
    cluster.settle();
    assert!(cluster.told().is_empty());
}

#[test]
fn a_silent_primary_is_waited_for_and_it_is_said_what_a_person_can_do() {
    let mut cluster = settled(json!({}));
    let primary = uid(&cluster, "sample-0");
    cluster.freeze(0, true);
    let outcome = cluster.run(5000);
    assert_eq!(condition(&outcome, "PrimaryAvailable"), (ConditionStatus::False, "PrimaryNotFenced"));
    assert_eq!(condition(&outcome, "FailoverBlocked"), (ConditionStatus::True, "PrimaryNotFenced"));
    let remedy =
        format!("kubectl -n shop annotate redis sample --overwrite redis.operlet.dev/fenced={primary}");
    let words = message(&outcome, "FailoverBlocked");
    assert!(words.starts_with("sample-0 is silent") && words.contains(&remedy), "{words}");
    assert_eq!((&cluster.status()["phase"], cluster.selected()), (&json!("FailingOver"), "none"));

    // Its replicas have been cut off for so long that it takes no more writes.
    let outcome = cluster.run(LONG_MS);
    assert_eq!(condition(&outcome, "FailoverBlocked").0, ConditionStatus::False);
    assert_eq!(cluster.selected(), "sample-1");
    cluster.freeze(0, false);
    cluster.settle();
    assert!(cluster.servers.0[&0].is_linked, "it was demoted and follows");
}

#[test]
fn the_word_of_a_person_counts_for_one_uid() {
    let mut cluster = settled(json!({"replicas": 1}));
    let primary = uid(&cluster, "sample-0");
    cluster.freeze(0, true);
    cluster.run(LONG_MS);
    assert_eq!(cluster.selected(), "none", "without W nothing fences it but a proof");
    let other = uid(&cluster, "sample-1");
    annotate(&mut cluster, "fenced", &other);
    cluster.run(LONG_MS);
    assert_eq!(cluster.selected(), "none");
    annotate(&mut cluster, "fenced", &format!("{other}, {primary}"));
    cluster.run(LONG_MS);
    assert_eq!(cluster.selected(), "sample-1");
}

#[test]
fn a_word_that_counts_no_more_is_taken_back_and_given_again() {
    let mut cluster = settled(json!({"replicas": 1}));
    let primary = uid(&cluster, "sample-0");
    annotate(&mut cluster, "fenced", &primary);
    cluster.settle();
    cluster.freeze(0, true);
    let told = |outcome: &Outcome| message(outcome, "FailoverBlocked").to_owned();
    let words = told(&cluster.run(LONG_MS));
    assert!(words.contains("redis.operlet.dev/fenced-)") && !words.contains(&primary), "{words}");
    cluster.resource["metadata"]["annotations"] = json!({});
    let words = told(&cluster.run(1000));
    assert!(words.ends_with(&format!("--overwrite redis.operlet.dev/fenced={primary}")), "{words}");
    annotate(&mut cluster, "fenced", &primary);
    cluster.run(1000);
    assert_eq!(cluster.selected(), "sample-1");
}

#[test]
fn silence_is_counted_from_the_probe_or_from_what_was_carried() {
    let suspected = |cluster: &Cluster| cluster.status()["failover"] != Value::Null;
    let mut by_probe = settled(json!({}));
    by_probe.freeze(0, true);
    by_probe.pass(3000);
    by_probe.reconcile();
    assert!(suspected(&by_probe), "the probe failed three seconds ago");

    let mut by_carry = settled(json!({}));
    by_carry.freeze(0, true);
    by_carry.reports.clear();
    by_carry.reconcile();
    assert!(!suspected(&by_carry), "it is silent for the first time");
    by_carry.pass(3000);
    by_carry.reports.clear();
    let mut forgetful = by_carry.clone();
    by_carry.reconcile();
    assert!(suspected(&by_carry), "it has been silent for three seconds");
    forgetful.carry.clear();
    forgetful.reconcile();
    assert!(!suspected(&forgetful), "without either it is waited for anew");
}

#[test]
fn a_primary_at_whose_address_nobody_listens_is_not_led_to() {
    let refuse = |cluster: &mut Cluster, pods: &[u8], refuses: bool| {
        for pod in pods {
            cluster.servers.0.get_mut(pod).unwrap().refuses = refuses;
        }
        cluster.reports.clear();
        cluster.reconcile();
    };
    let mut cluster = settled(json!({}));
    refuse(&mut cluster, &[0], true);
    assert_eq!(cluster.selected(), "sample-0", "the others hear it");
    cluster.servers.0.values_mut().for_each(|server| server.is_linked = false);
    refuse(&mut cluster, &[0], true);
    assert_eq!((cluster.selected(), &cluster.status()["failover"]), ("none", &Value::Null));
    refuse(&mut cluster, &[0], false);
    assert_eq!(cluster.selected(), "sample-0", "it is back");

    cluster.servers.0.values_mut().for_each(|server| server.is_linked = false);
    refuse(&mut cluster, &[0, 1, 2], true);
    cluster.pass(60_000);
    cluster.reconcile();
    assert_eq!(cluster.selected(), "sample-0", "it may be the operator that nobody lets in");
    let mut lone = settled(json!({"replicas": 0}));
    refuse(&mut lone, &[0], true);
    assert_eq!(lone.selected(), "sample-0", "nobody can take over");
}

#[test]
fn every_started_server_is_watched_also_while_it_is_silent() {
    let mut cluster = settled(json!({}));
    let watched =
        |outcome: &Outcome| -> Vec<String> { outcome.probes.iter().map(|probe| probe.id.clone()).collect() };
    let all = watched(&cluster.reconcile());
    assert_eq!(all, [0, 1, 2].map(|pod| format!("watch/{}", uid(&cluster, &format!("sample-{pod}")))));
    cluster.freeze(0, true);
    cluster.freeze(2, true);
    let silent = cluster.reconcile();
    assert_eq!(watched(&silent), all);
    let same =
        outcomes(&cluster).filter_map(|outcome| outcome.probes.iter().find(|probe| probe.id == all[0]));
    let same: Vec<_> = same.collect();
    assert!(same.windows(2).all(|two| two[0] == two[1]), "another one would begin a connection anew");
}

#[test]
fn a_server_that_stays_silent_is_waited_for_once_a_reconcile() {
    let mut cluster = settled(json!({"failover": {"mode": "Available"}}));
    cluster.freeze(0, true);
    cluster.run(LONG_MS);
    assert_eq!(cluster.selected(), "sample-1");
    let looks = |observation: &Observation, pod: &str| {
        let ids = observation.answers.iter().map(|answer| answer.id.as_str());
        ids.filter(|id| id.split_once('/').is_some_and(|(_, rest)| rest == format!("look/{pod}"))).count()
    };
    let asked: Vec<(usize, usize)> = cluster
        .calls
        .iter()
        .map(|(observation, _)| (looks(observation, "0"), looks(observation, "1")))
        .collect();
    let most = asked.iter().max_by_key(|(_, other)| *other).unwrap();
    assert!(most.1 > 2 && most.0 == 1, "the other one is looked at after each act: {most:?}");
}

#[test]
fn what_does_not_change_is_looked_at_less_often() {
    let mut cluster = settled(json!({"replicas": 1}));
    cluster.freeze(0, true);
    assert_eq!(cluster.run(5000).requeue_after_ms, Some(200));
    let later = cluster.run(40_000).requeue_after_ms;
    assert!(later > Some(500) && later < Some(1000), "{later:?}");
    assert_eq!(cluster.run(400_000).requeue_after_ms, Some(5000));
    let primary = uid(&cluster, "sample-0");
    annotate(&mut cluster, "fenced", &primary);
    assert_eq!(cluster.reconcile().requeue_after_ms, Some(200), "something happened");
}

#[test]
fn the_epoch_is_written_where_the_primarys_data_is() {
    let check = |spec: Value, on: &operlet_sdk::Kind, name: &str| {
        let mut cluster = settled(spec);
        let epoch = |cluster: &Cluster, pod: u8| {
            let name = format!("{name}-{pod}");
            cluster.object(on, &name)["metadata"]["annotations"]["redis.operlet.dev/epoch"].clone()
        };
        assert_eq!((epoch(&cluster, 0), epoch(&cluster, 1)), (json!("2"), Value::Null));
        cluster.kill(0);
        cluster.settle();
        assert_eq!(
            (epoch(&cluster, 0), epoch(&cluster, 1)),
            (json!("2"), json!("3")),
            "it is never taken away"
        );
    };
    check(json!({"storage": {"size": "1Gi"}}), &kinds::PERSISTENT_VOLUME_CLAIM, "data-sample");
    check(json!({}), &kinds::POD, "sample");
}

#[test]
fn an_update_deletes_one_pod_after_the_other_by_its_uid_and_the_primary_last() {
    let mut cluster = settled(json!({}));
    let before: Vec<String> = (0..3).map(|pod| uid(&cluster, &format!("sample-{pod}"))).collect();
    cluster.told();
    cluster.change(json!({"config": {"databases": "7"}}));
    cluster.settle();
    let expected = [("sample-2", before[2].as_str()), ("sample-1", &before[1]), ("sample-0", &before[0])];
    assert_eq!(removed(&cluster), expected);
    assert_ne!(cluster.selected(), "sample-0", "it handed over first");
    assert_eq!(selected(&cluster), ["none", "sample-0", cluster.selected()]);
    assert_eq!(cluster.told(), ["SwitchoverStarted", "Promoted", "SwitchoverCompleted", "Running"]);
}

#[test]
fn an_update_may_stop_before_the_primary() {
    let mut cluster = settled(json!({"update": {"strategy": "PauseBeforePrimary"}}));
    cluster.change(json!({"config": {"databases": "7"}}));
    let outcome = cluster.settle();
    assert_eq!(removed(&cluster).len(), 2);
    assert_eq!(cluster.selected(), "sample-0");
    assert_eq!(condition(&outcome, "ConfigApplied"), (ConditionStatus::False, "RollingOut"));
    cluster.change(json!({"switchover": {"requestID": "now"}}));
    cluster.settle();
    assert_eq!(removed(&cluster).len(), 3);
}

#[test]
fn a_redis_hibernates_and_wakes_with_its_data() {
    let mut cluster = settled(json!({"storage": {"size": "1Gi"}}));
    cluster.write(0);
    cluster.told();
    cluster.change(json!({"hibernated": true}));
    let outcome = cluster.settle();
    assert_eq!((&cluster.status()["phase"], cluster.selected()), (&json!("Hibernated"), "none"));
    assert_eq!(cluster.object(&kinds::STATEFUL_SET, "sample")["spec"]["replicas"], 0);
    assert_eq!(condition(&outcome, "PrimaryAvailable"), (ConditionStatus::False, "Hibernated"));
    assert_eq!(condition(&outcome, "FailoverBlocked").0, ConditionStatus::False);
    assert_eq!(cluster.told(), ["SwitchoverStarted", "Hibernated"], "nobody took over");
    assert_eq!(cluster.object(&kinds::PERSISTENT_VOLUME_CLAIM, "data-sample-0")["status"]["keys"], 1);
    cluster.change(json!({"hibernated": false}));
    cluster.settle();
    assert_eq!((&cluster.status()["phase"], cluster.selected()), (&json!("Running"), "sample-0"));
    assert!(cluster.servers.0.values().all(|server| server.keys == 1));
    cluster.told();
}

#[test]
fn without_storage_nobody_hibernates() {
    let mut cluster = settled(json!({}));
    cluster.change(json!({"hibernated": true}));
    let outcome = cluster.run(1000);
    assert_eq!(condition(&outcome, "UpdateBlocked"), (ConditionStatus::True, "NeedsStorage"));
    assert_eq!(cluster.selected(), "sample-0");
    assert!(cluster.status()["failover"].is_null());
}

#[test]
fn fewer_replicas_are_struck_before_their_pods_go() {
    let mut cluster = settled(json!({"replicas": 3}));
    cluster.change(json!({"replicas": 1}));
    cluster.settle();
    let mut followers = 3;
    for (observation, decision) in &cluster.calls {
        let resource: Value = serde_json::from_str(&observation.resource).unwrap();
        followers = resource["status"]["followers"].as_array().map_or(followers, Vec::len);
        if let Decision::Settle(outcome) = decision {
            let set: Value = serde_json::from_str(testing::objects(outcome)["StatefulSet/sample"]).unwrap();
            let pods = set["spec"]["replicas"].as_u64().unwrap();
            assert!(pods == 4 || followers == 1, "{pods} pods, {followers} followers");
        }
    }
    assert_eq!(cluster.servers.0.len(), 2);
    assert_eq!(cluster.status()["effective"]["minReplicasToWrite"], 0);
}

#[test]
fn a_primary_that_lost_its_data_with_its_pod_empties_nobody() {
    let mut cluster = settled(json!({}));
    cluster.write(0);
    cluster.remove_pod(0);
    cluster.settle();
    assert_ne!(cluster.selected(), "sample-0");
    assert!(cluster.servers.0.values().all(|server| server.keys == 1));
}

#[test]
fn a_status_that_was_lost_is_found_again_on_the_claims() {
    let mut cluster = settled(json!({"storage": {"size": "1Gi"}}));
    cluster.kill(0);
    cluster.settle();
    let (primary, epoch) = (cluster.selected().to_owned(), cluster.status()["epoch"].as_u64().unwrap());
    cluster.write(1);
    cluster.resource["status"] = Value::Null;
    for pod in 0..3 {
        cluster.kill(pod);
    }
    cluster.settle();
    assert_eq!(cluster.selected(), primary);
    assert!(cluster.status()["epoch"].as_u64().unwrap() > epoch);
}

#[test]
fn an_operator_whose_secret_is_deleted_makes_it_again_as_it_was() {
    let key = |cluster: &Cluster| cluster.object(&kinds::SECRET, "sample-operator").clone();
    let secret = || ("Secret".to_owned(), "sample-operator".to_owned());
    let mut cluster = settled(json!({}));
    let before = key(&cluster)["data"].clone();
    cluster.objects.remove(&secret());
    cluster.settle();
    assert_eq!(key(&cluster)["data"], before);
    assert_eq!(cluster.status()["phase"], "Running");

    // Also if it went while nothing was to be done.
    cluster.change(json!({"paused": true}));
    cluster.reconcile();
    cluster.objects.remove(&secret());
    cluster.reconcile();
    cluster.change(json!({"paused": false}));
    cluster.settle();
    assert_eq!(key(&cluster)["data"], before);

    // Whoever knows nothing of it makes another.
    cluster.objects.remove(&secret());
    cluster.carry.clear();
    cluster.reconcile();
    assert_ne!(key(&cluster)["data"], before);
}

#[test]
fn an_operator_without_its_secret_moves_no_pod() {
    let mut cluster = settled(json!({"storage": {"size": "1Gi"}, "hibernated": true}));
    assert_eq!(cluster.status()["phase"], "Hibernated");
    cluster.objects.remove(&("Secret".to_owned(), "sample-operator".to_owned()));
    cluster.reconcile();
    assert_eq!(cluster.object(&kinds::STATEFUL_SET, "sample")["spec"]["replicas"], 0);
    assert_eq!(cluster.settle().requeue_after_ms, None, "another is made, and it sleeps on");
}
