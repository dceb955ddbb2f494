//! Zombie: an unexpected primary is demoted, never adopted.

use super::case::Case;
use super::facts::Role;
use super::record::Phase;
use super::rules::{Rule, holds};
use super::step::{Order, Step};

/// Sends every unexpected primary to the dead address.
pub(super) fn demote(case: &Case<'_>) -> Option<Step> {
    if holds(Rule::Zombie, false) {
        return None;
    }
    let failover = case.record.failover.as_ref();
    let promoted = failover.filter(|failover| failover.phase == Phase::Promote);
    let target = promoted.and_then(|failover| failover.to.as_ref()).map(|target| target.who);
    // The primary before is one too, once somebody else is to be promoted.
    let primary = case.record.primary.as_ref().map(|primary| primary.who).filter(|_| promoted.is_none());
    let zombies = case.processes().filter(|(who, answer)| {
        answer.role == Role::Primary && Some(*who) != target && Some(*who) != primary
    });
    let epoch = case.record.epoch;
    case.do_once(zombies.map(|(who, answer)| case.act(who, answer, Order::ToDead(epoch))))
}
