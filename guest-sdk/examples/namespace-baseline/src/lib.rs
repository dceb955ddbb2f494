//! Gives a namespace what a platform team wants in every one: a quota, defaults for
//! containers that name no resources, and a network that is closed to strangers.

use operlet_sdk::{
    ConditionStatus, Decision, Failure, Kind, Manifest, Object, Observation, Operator, Outcome, kinds,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const NAMESPACE_BASELINE: Kind =
    Kind::new("platform.operlet.dev", "v1alpha1", "NamespaceBaseline", "namespacebaselines", true);

/// What the team grants; the schema has the defaults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    cpu: String,
    memory: String,
    pods: u32,
    container_defaults: ContainerDefaults,
    isolate: bool,
}

#[derive(Deserialize, Serialize)]
struct ContainerDefaults {
    cpu: String,
    memory: String,
}

/// The part of a ResourceQuota that tells what is used.
#[derive(Deserialize, Default)]
struct Quota {
    #[serde(default)]
    status: QuotaStatus,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct QuotaStatus {
    hard: Map<String, Value>,
    used: Map<String, Value>,
}

struct NamespaceBaseline;
impl Operator for NamespaceBaseline {
    fn describe() -> Manifest {
        let version = option_env!("OPERLET_COMPONENT_VERSION").unwrap_or(env!("CARGO_PKG_VERSION"));
        Manifest::new("namespace-baseline", version, &NAMESPACE_BASELINE)
            .child(&kinds::RESOURCE_QUOTA)
            .child(&kinds::LIMIT_RANGE)
            .child(&kinds::NETWORK_POLICY)
    }

    fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
        let baseline: Object<Spec> = observation.resource_as()?;
        let (name, spec) = (&baseline.metadata.name, &baseline.spec);
        let mut quotas: Vec<Quota> = observation.observed_as(&kinds::RESOURCE_QUOTA)?;
        let quota = quotas.pop().unwrap_or_default();
        let counted = !quota.status.hard.is_empty();
        let mut outcome = Outcome::new();
        outcome.ensure(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
            "spec": {"hard": {"requests.cpu": spec.cpu, "requests.memory": spec.memory, "pods": spec.pods.to_string()}},
        }))?;
        outcome.ensure(&json!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name},
            "spec": {"limits": [{
                "type": "Container",
                "defaultRequest": spec.container_defaults,
                "default": {"memory": spec.container_defaults.memory},
            }]},
        }))?;
        if spec.isolate {
            outcome.ensure(&isolation(name))?;
        }
        outcome.with_status(&quota.status)?;
        let (reason, message) = match counted {
            true => ("Enforced", "quota and defaults are in force"),
            false => ("Counting", "waiting for the cluster to count what the namespace uses"),
        };
        outcome.condition("Ready", ConditionStatus::from(counted), reason, message);
        Ok(outcome.settle())
    }
}

/// Closes the namespace, but for traffic within it and for looking up names.
fn isolation(name: &str) -> Value {
    let same_namespace = json!([{"podSelector": {}}]);
    let dns = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": same_namespace}], "egress": [{"to": same_namespace}, {"ports": dns}],
        },
    })
}

operlet_sdk::export!(NamespaceBaseline);
