//! What holds for every spec.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use operlet_redis::{
    RedisOperlet,
    talk::users::{Operator, run_id},
};
use operlet_sdk::{Decision, Intent, Operator as _, Outcome, testing};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cluster::Cluster;

fn specs() -> impl Strategy<Value = Value> {
    let storage = proptest::option::of(("[1-9][0-9]{0,3}(Mi|Gi)", proptest::option::of("[a-z]{1,12}")));
    let config = proptest::collection::btree_map("zz-[a-z]{1,20}", "[ -~]{0,40}", 0..6);
    let mode = proptest::sample::select(vec!["AOF", "RDB", "Both", "None"]);
    let secret = proptest::option::of("[a-z]{1,20}");
    let limit = proptest::option::of("[1-9][0-9]{0,4}(Mi|Gi|M)");
    (0..=8, storage, config, mode, secret, limit, 1..=100).prop_map(
        |(replicas, storage, config, mode, secret, limit, percent)| {
            let mut spec = json!({
                "replicas": replicas,
                "config": config,
                "persistence": {"mode": mode},
                "memory": {"maxmemoryPercent": percent},
            });
            if let Some((size, class)) = storage {
                spec["storage"] = json!({"size": size, "storageClassName": class});
            }
            if let Some(name) = secret {
                spec["auth"] = json!({"secretRef": {"name": name}});
            }
            if let Some(limit) = limit {
                spec["resources"] = json!({"limits": {"memory": limit}});
            }
            spec
        },
    )
}

fn names() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,38}[a-z0-9])?"
}

/// A Redis that was brought up, lost its primary and got another.
fn clusters() -> impl Strategy<Value = Cluster> {
    (names(), specs(), any::<u64>()).prop_map(|(name, spec, seed)| {
        let mut cluster = Cluster::new(&name, spec);
        cluster.seed = seed;
        cluster.settle();
        cluster.kill(0);
        cluster.settle();
        cluster
    })
}

fn outcomes(cluster: &Cluster) -> impl Iterator<Item = &Outcome> {
    cluster.calls.iter().filter_map(|(_, decision)| testing::outcome(decision))
}

/// Everything that must not be found where people and programs may read.
fn secrets(cluster: &Cluster) -> Vec<String> {
    let entries = |name: &'static str| {
        let secrets =
            cluster.objects.iter().filter(move |((kind, of), _)| kind == "Secret" && of.ends_with(name));
        secrets.flat_map(|(_, secret)| secret["data"].as_object().unwrap().clone())
    };
    let text = |value: &Value| String::from_utf8(BASE64.decode(value.as_str().unwrap()).unwrap()).unwrap();
    let own = entries("-operator").map(|(_, value)| text(&value));
    let given = entries("-auth").filter(|(key, _)| key == "password").map(|(_, value)| text(&value));
    let mut secrets: Vec<String> = own.chain(given).collect();
    let key = entries("-operator").find(|(key, _)| key == "key").unwrap().1;
    let operator = Operator::from_key(text(&key).as_bytes()).unwrap();
    secrets
        .extend([&operator.password, &operator.probe_password, &operator.health_password].map(String::clone));
    let runs = cluster.servers.0.values().map(|server| run_id(&server.run).unwrap());
    secrets.extend(runs.map(|run| operator.replica_password(&run)));
    secrets
}

/// All of a decision that is kept or shown: not what is said to servers, nor the Secrets,
/// nor the one key that is handed over in case its Secret goes.
fn shown(decision: &Decision) -> String {
    match decision {
        Decision::Ask(questions) => questions.iter().map(|question| question.id.clone() + "\n").collect(),
        Decision::Checkpoint(checkpoint) => checkpoint.status.clone(),
        Decision::Settle(outcome) => {
            let mut outcome = outcome.clone();
            outcome.intents.retain(|intent| !matches!(intent, Intent::Create(_)));
            let mut carry: Value = serde_json::from_slice(&outcome.carry).unwrap();
            carry["operator_key"].take();
            outcome.carry.clear();
            let probes: String = outcome.probes.drain(..).map(|probe| probe.id + "\n").collect();
            format!("{outcome:?}{carry}{probes}")
        }
    }
}

/// A label as RFC 1123 has it, which every name here must be.
fn is_label(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63 && name.chars().all(allowed) && !name.starts_with('-') && !name.ends_with('-')
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_same_observation_gives_the_same_decision_in_every_round(cluster in clusters()) {
        for (observation, decision) in &cluster.calls {
            prop_assert_eq!(&RedisOperlet::reconcile(observation).unwrap(), decision);
        }
    }

    #[test]
    fn what_is_secret_is_in_the_secrets_and_nowhere_else(cluster in clusters()) {
        let secrets = secrets(&cluster);
        prop_assert!(secrets.len() >= 7 && secrets.iter().all(|secret| secret.len() >= 32));
        for (_, decision) in &cluster.calls {
            let shown = shown(decision);
            for secret in &secrets {
                prop_assert!(!shown.contains(secret.as_str()), "{}", shown);
            }
        }
    }

    #[test]
    fn every_object_has_a_valid_name_and_is_named_once(cluster in clusters()) {
        for outcome in outcomes(&cluster) {
            let objects: BTreeMap<String, &str> = testing::objects(outcome);
            prop_assert_eq!(objects.len(), outcome.intents.len());
            for key in objects.keys() {
                let name = key.split_once('/').unwrap().1;
                prop_assert!(is_label(name), "{}", key);
            }
        }
    }

    #[test]
    fn every_decision_keeps_to_what_the_host_allows(cluster in clusters()) {
        for (observation, decision) in &cluster.calls {
            // It ends a reconcile after 28 by itself, which nothing here comes near.
            prop_assert!(observation.round <= 20, "{}", observation.round);
            match decision {
                Decision::Ask(questions) => {
                    let ids: BTreeSet<&str> = questions.iter().map(|question| question.id.as_str()).collect();
                    prop_assert!(ids.len() == questions.len() && ids.iter().all(|id| id.len() <= 128));
                }
                Decision::Checkpoint(_) => {}
                Decision::Settle(outcome) => {
                    prop_assert!(outcome.events.len() <= 16 && outcome.probes.len() <= 32);
                    prop_assert!(outcome.carry.len() <= 1024);
                    prop_assert!(outcome.events.iter().all(|event| event.message.len() <= 1024));
                }
            }
        }
    }

    #[test]
    fn chance_changes_nothing_but_what_is_secret(cluster in clusters(), seed in any::<u64>()) {
        let name = cluster.resource["metadata"]["name"].as_str().unwrap();
        let mut other = Cluster::new(name, cluster.resource["spec"].clone());
        other.seed = seed;
        other.settle();
        other.kill(0);
        other.settle();
        let decisions = |cluster: &Cluster| -> Vec<String> {
            cluster.calls.iter().map(|(_, decision)| shown(decision)).collect()
        };
        prop_assert_eq!(decisions(&cluster), decisions(&other));
    }
}
