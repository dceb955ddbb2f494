//! Scale down: the dead address and the strike come before the pod goes.

use super::case::Case;
use super::facts::{Role, Upstream};
use super::record::Incarnation;
use super::rules::{Rule, holds};
use super::step::{Order, Step};

/// Sends replicas that leave to the dead address, once W needs them no more.
pub(super) fn tell(case: &Case<'_>) -> Option<Step> {
    if case.record.failover.is_some() || !is_w_lowered(case) {
        return None;
    }
    let epoch = case.record.epoch;
    let primary = case.record.primary.as_ref().map(|primary| primary.who);
    let leaving = case.processes().filter(|(who, answer)| {
        let linked = matches!(answer.role, Role::Replica(Upstream::Address(_) | Upstream::Other));
        case.is_leaving(who.pod) && Some(*who) != primary && linked
    });
    case.do_once(leaving.map(|(who, answer)| case.act(who, answer, Order::ToDead(epoch))))
}

/// Whether a member that leaves is at a dead address, or silent, so that only its
/// user has to go.
pub(super) fn is_told(case: &Case<'_>, who: &Incarnation) -> bool {
    let answer = case.answer_of(who);
    let told = answer.is_none_or(|answer| matches!(answer.role, Role::Replica(Upstream::Dead(_))));
    case.is_leaving(who.pod) && is_w_lowered(case) && told
}

fn is_w_lowered(case: &Case<'_>) -> bool {
    let in_force = case.primary().map(|(_, answer)| answer.min_replicas);
    let lowered = in_force.is_some_and(|in_force| in_force <= case.policy.wanted.min_replicas);
    holds(Rule::ScaleW, lowered && case.record.effective.min_replicas <= case.policy.wanted.min_replicas)
}
