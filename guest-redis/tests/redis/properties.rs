//! What holds for every spec.

use std::collections::BTreeMap;

use operlet_redis::RedisOperlet;
use operlet_sdk::{Intent, Observation, Operator, testing};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cluster::{named, settle, settled};

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

fn observations() -> impl Strategy<Value = Observation> {
    (names(), specs(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(name, spec, entropy, running)| {
        let fresh = Observation { entropy: entropy.to_vec(), ..named(&name, spec) };
        if running { settled(fresh) } else { fresh }
    })
}

/// A label as RFC 1123 has it, which every name here must be.
fn is_label(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63 && name.chars().all(allowed) && !name.starts_with('-') && !name.ends_with('-')
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_same_observation_gives_the_same_decision(observation in observations()) {
        prop_assert_eq!(RedisOperlet::reconcile(&observation), RedisOperlet::reconcile(&observation));
    }

    #[test]
    fn the_password_is_in_the_secret_and_nowhere_else(observation in observations()) {
        let outcome = settle(&observation);
        let secret = outcome.intents.iter().find_map(|intent| match intent {
            Intent::Create(create) => Some(&create.object),
            _ => None,
        });
        if let Some(secret) = secret {
            let secret: Value = serde_json::from_str(secret).unwrap();
            let password = secret["stringData"]["password"].as_str().unwrap().to_owned();
            let mut rest = outcome;
            rest.intents.retain(|intent| !matches!(intent, Intent::Create(_)));
            let rest = format!("{rest:?}");
            prop_assert!(!rest.contains(&password));
        }
    }

    #[test]
    fn every_object_has_a_valid_name_and_is_named_once(observation in observations()) {
        let outcome = settle(&observation);
        let objects: BTreeMap<String, &str> = testing::objects(&outcome);
        prop_assert_eq!(objects.len(), outcome.intents.len());
        for key in objects.keys() {
            let name = key.split_once('/').unwrap().1;
            prop_assert!(is_label(name), "{}", key);
        }
    }

    #[test]
    fn chance_changes_nothing_but_the_password(observation in observations()) {
        let other = Observation { entropy: vec![7; 32], ..observation.clone() };
        let without_secret = |observation: &Observation| {
            let mut outcome = settle(observation);
            outcome.intents.retain(|intent| !matches!(intent, Intent::Create(_)));
            outcome
        };
        prop_assert_eq!(without_secret(&observation), without_secret(&other));
    }
}
