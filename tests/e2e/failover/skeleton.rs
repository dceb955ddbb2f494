//! A Redis that the first releases made, before there was a failover.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use operlet::model::{APPLIED_BY_ANNOTATION, GroupVersionKind, OWNER_LABEL, ObjectKey, Owner};
use serde_json::{Value, json};

use super::trial::{NAME, Setup, Trial, check, sure};
use crate::{
    cluster::{Cluster, root},
    outage::{
        subject::Subject,
        wait::{PATIENCE, until},
    },
};

const OBJECTS: &str = "tests/e2e/manifests/skeleton-redis.yaml";

/// Whom the API server knows the operlet's writes from.
const MANAGER: &str = "--field-manager=operlet/redis";

#[test]
fn a_redis_of_the_first_releases_is_taken_over_while_clients_write() {
    let setup = Setup { spec: json!({ "paused": true }), made_by: Some(skeleton), ..Setup::default() };
    check("skeleton", &setup, |trial| {
        let uids = |trial: &Trial| -> Result<BTreeSet<String>> {
            Ok(trial.subject.pods()?.into_iter().map(|pod| pod.uid).collect())
        };
        // Whoever is replaced hands over before.
        trial.may_lose = false;
        let before = sure(uids(trial));
        sure(trial.subject.patch(&json!({ "paused": false })));
        sure(until("its pods are made anew", 2 * PATIENCE, || {
            trial.subject.is_well(trial.pods)?;
            let left = uids(trial)?.intersection(&before).count();
            ensure!(left == 0, "{left} pods are as they were");
            let redis = trial.subject.object("redises", NAME)?;
            ensure!(redis["status"]["epoch"].is_u64(), "nothing is on record: {}", redis["status"]);
            let set = trial.subject.object("statefulsets", NAME)?;
            let updated = set["status"]["updatedReplicas"] == trial.pods;
            ensure!(updated, "some are not of the new template: {}", set["status"]);
            Ok(())
        }));
    });
}

/// Makes the objects as the host and the component made them then.
fn skeleton(cluster: &Cluster, subject: &Subject, spec: &Value) -> Result<()> {
    let text = std::fs::read_to_string(root().join(OBJECTS)).with_context(|| OBJECTS)?;
    let mut list: Value = serde_saphyr::from_str(&text)?;
    let redis = subject.object("redises", NAME)?;
    let items = list["items"].as_array_mut().context("it is a list")?;
    let status = items.pop().context("the last is the status")?;
    for item in items {
        belong(item, &redis, spec);
    }
    let apply = ["apply", "--server-side", "--force-conflicts", "-n", &subject.namespace, MANAGER, "-f", "-"];
    let feed = |more: &[&str], manifest: &Value| -> Result<()> {
        let fed = cluster.kubectl.try_feed(&[&apply[..], more].concat(), &manifest.to_string());
        fed.map(drop).map_err(anyhow::Error::msg)
    };
    feed(&[], &list)?;
    let rollout = ["rollout", "status", "-n", &subject.namespace, "statefulset", NAME, "--timeout=120s"];
    cluster.kubectl.try_run(&rollout).map_err(anyhow::Error::msg)?;
    feed(&["--subresource=status"], &status)
}

/// What the host adds to an object of the resource, and the spec to its pods.
fn belong(object: &mut Value, redis: &Value, spec: &Value) {
    let metadata = &redis["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = ("redis.operlet.dev/v1", "Redis");
    let key = ObjectKey {
        kind: GroupVersionKind::from_type(api_version, kind).into(),
        namespace: Some(text("namespace")),
        name: text("name"),
    };
    let labels = json!({
        OWNER_LABEL: Owner::label_value(&key),
        "app.kubernetes.io/instance": key.name,
        "app.kubernetes.io/managed-by": "operlet",
        "app.kubernetes.io/name": "redis",
        "redis.operlet.dev/name": key.name,
    });
    object["metadata"]["labels"] = labels.clone();
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": api_version, "kind": kind, "name": key.name, "uid": text("uid"),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    if object["kind"] != "Secret" {
        object["metadata"]["annotations"] = json!({ APPLIED_BY_ANNOTATION: "redis" });
    }
    if object["kind"] == "StatefulSet" {
        let template = &mut object["spec"]["template"];
        template["metadata"]["labels"] = labels;
        template["spec"]["affinity"] = spec["scheduling"]["affinity"].clone();
    }
}
