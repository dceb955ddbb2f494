//! Pods that a controller makes again: to delete one is to restart it.

use super::{Blocked, Context, Existing, Plan, Write};
use crate::model::{GroupVersionKind, ObjectKey};

/// Whether the deletion of this object is a restart: it is a pod of a workload.
pub(super) fn is_restart(key: &ObjectKey, existing: &Existing, context: &Context<'_>) -> bool {
    is_pod(&key.kind)
        && existing.controller.as_ref().is_some_and(|controller| controller.uid != context.owner.uid)
}

/// Lets one restart through, and none while a pod is on its way out already.
pub(super) fn one_at_a_time(context: &Context<'_>, plan: &mut Plan) {
    let mut leaving = context
        .existing
        .iter()
        .find(|(key, existing)| existing.deleting && is_restart(key, existing, context))
        .map(|(key, _)| key.clone());
    let mut held = Vec::new();
    // In the order of their names, whatever the order of the intents.
    order_by_name(&mut plan.writes);
    plan.writes.retain(|write| match (write, &leaving) {
        (Write::Delete { key, restart: true, .. }, Some(other)) => {
            held.push(Blocked::RestartUnderWay { key: key.clone(), other: other.clone() });
            false
        }
        (Write::Delete { key, restart: true, .. }, None) => {
            leaving = Some(key.clone());
            true
        }
        _ => true,
    });
    plan.blocked.append(&mut held);
}

fn order_by_name(writes: &mut [Write]) {
    writes.sort_by(|left, right| left.key().cmp(right.key()));
}

fn is_pod(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "Pod"
}
