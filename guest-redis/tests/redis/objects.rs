//! Every object in every shape, compared with files that a person has read.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use operlet_sdk::{kinds, testing};
use serde_json::{Value, json};

use crate::cluster::{Cluster, fresh, settled};

const COMMAND: &str = "OPERLET_BLESS=1 cargo test --package operlet-redis objects";

/// Compares what is decided with the files in `golden/<case>/`, one an object.
fn check(case: &str, mut cluster: Cluster, kinds: &[&str]) {
    let outcome = cluster.reconcile();
    let mut actual: BTreeMap<String, Value> = testing::objects(&outcome)
        .into_iter()
        .map(|(key, text)| (key, serde_json::from_str(text).unwrap()))
        .filter(|(key, _)| kinds.is_empty() || kinds.iter().any(|kind| key.starts_with(&format!("{kind}/"))))
        .collect();
    if kinds.is_empty() {
        let mut status: Value = serde_json::from_str(outcome.status.as_deref().unwrap()).unwrap();
        // It changes with each release.
        status["operletVersion"] = json!("VERSION");
        actual.insert("status".to_owned(), status);
    }
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "redis", "golden", case].iter().collect();
    for (key, object) in actual {
        let path = folder.join(format!("{}.json", key.replace('/', "-")));
        let text = format!("{}\n", serde_json::to_string_pretty(&object).unwrap());
        if env::var_os("OPERLET_BLESS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, text).unwrap();
            continue;
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == text,
            "{case}: {key} differs from {}:\n{text}\nIf that is as it should be, run\n  {COMMAND}",
            path.display()
        );
    }
}

#[test]
fn a_fresh_redis_with_nothing_but_defaults() {
    check("fresh", fresh(json!({})), &[]);
}

#[test]
fn a_running_redis() {
    check("running", settled(json!({})), &[]);
}

#[test]
fn a_redis_with_storage() {
    let spec = json!({
        "replicas": 1,
        "storage": {"size": "5Gi", "storageClassName": "fast", "retention": {"whenScaled": "Delete"}},
        "persistence": {"mode": "Both", "fsync": "always", "save": [{"seconds": 60, "changes": 5}]},
    });
    check("storage", fresh(spec.clone()), &["StatefulSet", "ConfigMap"]);
    let mut grown = spec;
    grown["storage"]["size"] = json!("10Gi");
    let mut cluster = settled(grown);
    let claim = cluster.object_mut(&kinds::PERSISTENT_VOLUME_CLAIM, "data-sample-0");
    claim["spec"]["resources"]["requests"]["storage"] = json!("5Gi");
    check("storage-grown", cluster, &["PersistentVolumeClaim"]);
}

#[test]
fn a_lone_primary() {
    check("lone", fresh(json!({"replicas": 0})), &["StatefulSet", "PodDisruptionBudget"]);
}

#[test]
fn a_redis_with_everything_else_set() {
    let spec = json!({
        "image": "registry.example/redis:7.2.4",
        "replicas": 8,
        "config": {"maxclients": "100", "notify-keyspace-events": ""},
        "memory": {"maxmemoryPercent": 50, "policy": "allkeys-lru"},
        "auth": {"secretRef": {"name": "our-own"}},
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}},
        "scheduling": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "redis", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}},
            ]}},
            "priorityClassName": "high",
        },
        "services": {"primary": {"type": "LoadBalancer", "annotations": {"a": "b"}}, "replica": {"type": "NodePort"}},
    });
    check("everything", fresh(spec), &["StatefulSet", "ConfigMap", "Service", "Secret"]);
}
