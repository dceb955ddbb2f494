//! The order of writes: what others refer to first, workloads after it, deletes
//! last. Equal ranks go by kind and name, so that a plan is the same each time.

use super::Write;
use crate::model::GroupVersionKind;

pub(super) fn sort(writes: &mut [Write]) {
    writes.sort_by(|left, right| {
        let order = |write: &Write| (matches!(write, Write::Delete { .. }), rank(&write.key().kind));
        order(left).cmp(&order(right)).then_with(|| left.key().cmp(right.key()))
    });
}

fn rank(kind: &GroupVersionKind) -> u8 {
    match kind.kind.as_str() {
        "Namespace" => 0,
        "ServiceAccount" | "ResourceQuota" | "LimitRange" => 1,
        "Role" | "ClusterRole" => 2,
        "RoleBinding" | "ClusterRoleBinding" => 3,
        "Secret" | "ConfigMap" | "PersistentVolumeClaim" => 4,
        "Service" | "NetworkPolicy" => 5,
        "StatefulSet" | "Deployment" | "DaemonSet" | "Job" | "CronJob" => 7,
        _ => 6,
    }
}
