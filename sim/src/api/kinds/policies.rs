//! Budgets for disruptions and rules for the network.

use serde_json::{Value, json};

use super::{child, set};
use crate::api::error::Cause;

pub(super) fn default_budget(budget: &mut Value) {
    let Some(status) = child(budget, "status") else { return };
    for count in ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"] {
        set(status, count, json!(0));
    }
}

pub(super) fn check_budget(new: &Value, _: Option<&Value>) -> Vec<Cause> {
    let given = |field: &str| new.pointer(&format!("/spec/{field}")).is_some();
    if given("minAvailable") && given("maxUnavailable") {
        let value = new.get("spec").cloned().unwrap_or_default();
        let problem = "minAvailable and maxUnavailable cannot be both set";
        return vec![Cause::invalid("spec", &json!(value.to_string()), problem)];
    }
    Vec::new()
}

pub(super) fn default_network(policy: &mut Value) {
    let Some(spec) = child(policy, "spec") else { return };
    let mut types = vec!["Ingress"];
    if spec.get("egress").is_some() {
        types.push("Egress");
    }
    set(spec, "policyTypes", json!(types));
    set(spec, "podSelector", json!({}));
    for ports in ["ingress", "egress"] {
        for rule in super::items(spec, ports) {
            for port in super::items(rule, "ports") {
                set(port, "protocol", json!("TCP"));
            }
        }
    }
}
