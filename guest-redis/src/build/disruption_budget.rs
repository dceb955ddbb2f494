use super::Instance;
use crate::kubernetes::{LabelSelector, PodDisruptionBudget, PodDisruptionBudgetSpec};

/// Lets a drain take one pod at a time.
pub(super) fn disruption_budget<'a>(instance: &'a Instance<'a>) -> PodDisruptionBudget<'a> {
    PodDisruptionBudget {
        api_version: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: instance.metadata(instance.names.redis),
        spec: PodDisruptionBudgetSpec {
            max_unavailable: 1,
            // A pod that does not serve protects nobody, and would keep its node.
            unhealthy_pod_eviction_policy: "AlwaysAllow",
            selector: LabelSelector { match_labels: instance.names.selector() },
        },
    }
}
