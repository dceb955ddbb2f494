//! Attach: on record, then the user at the primary, then REPLICAOF.

use std::collections::BTreeSet;

use super::case::{Case, add_followers, checkpoint};
use super::facts::{Answer, Role, Upstream};
use super::record::{Incarnation, RunId};
use super::rules::{Rule, holds};
use super::step::{Order, Step};

/// Attaches all that wait.
pub(super) fn step(case: &Case<'_>) -> Option<Step> {
    let (primary, at_primary) = case.primary()?;
    let pod = case.pod_of(&primary.who)?;
    let address = pod.address?;
    let followers = &case.record.followers;
    let right = Role::Replica(Upstream::Address(address));
    let replicas = || case.processes().filter(|(who, answer)| may_follow(case, who, answer));

    let unrecorded: Vec<Incarnation> =
        replicas().map(|(who, _)| who).filter(|who| !followers.contains_key(who)).collect();
    if !holds(Rule::AttachRecorded, unrecorded.is_empty()) {
        let mut record = case.record.clone();
        add_followers(&mut record.followers, unrecorded);
        return Some(checkpoint(record));
    }

    let set: BTreeSet<RunId> =
        replicas().map(|(who, _)| who.run).filter(|run| !at_primary.users.contains(run)).collect();
    // A user that nobody on record has came late: its replica would not be counted.
    let recorded = |run: &RunId| followers.keys().any(|who| who.run == *run);
    let drop: BTreeSet<RunId> = at_primary.users.iter().copied().filter(|run| !recorded(run)).collect();
    if !set.is_empty() || !holds(Rule::AttachStrays, drop.is_empty()) {
        let order = Order::Users { set, drop };
        if let Some(step) = case.do_once([case.act(primary.who, at_primary, order)]) {
            return Some(step);
        }
    }
    let waiting = replicas().filter(|(_, answer)| answer.role != right);
    case.do_once(waiting.map(|(who, answer)| case.act(who, answer, Order::Attach(address))))
}

/// A process that is to follow the primary.
pub(super) fn may_follow(case: &Case<'_>, who: &Incarnation, answer: &Answer) -> bool {
    matches!(answer.role, Role::Replica(_))
        && !case.is_leaving(who.pod)
        && case.pod_of(who).is_some_and(|pod| !pod.terminating)
        && (!answer.loading || case.record.followers.contains_key(who))
}
