//! Roll: replicas first, one at a time, each in sync before the next, then the
//! primary hands over and is a replica itself.

use super::case::Case;
use super::policy::Deletion;
use super::record::{Incarnation, Ordinal};
use super::rules::{Rule, holds};
use super::step::Report;

/// The pod to delete next, or why none is.
pub(super) fn next(case: &Case<'_>) -> (Option<Deletion>, Option<Report>) {
    let Some((primary, _)) = case.primary() else { return (None, None) };
    // One that is broken goes first: what is deleted must leave the others in sync.
    let broken = |pod: &Ordinal| case.in_sync().all(|who| who.pod != *pod);
    let replica = outdated(case).filter(|pod| *pod != primary.who.pod).max_by_key(|pod| (broken(pod), *pod));
    if let Some(pod) = replica {
        let others = case.policy.replicas.saturating_sub(1);
        return match holds(Rule::RollSync, is_whole(case, pod, others)) {
            true => (delete(case, pod), None),
            false => (None, Some(blocked(case, pod))),
        };
    }
    let pod = primary.who.pod;
    if !outdated(case).any(|outdated| outdated == pod) {
        return (None, None);
    }
    let alone = case.policy.replicas == 0 && case.record.followers.is_empty();
    if case.policy.pause_before_primary {
        return (None, Some(Report::UpdateBlocked { pod, awaited: Vec::new() }));
    }
    match alone {
        true if case.pod_of(&primary.who).is_some_and(|pod| pod.terminating) => (None, None),
        true => (delete(case, pod), None),
        false => (None, super::switchover::failed(case).or_else(|| Some(blocked(case, pod)))),
    }
}

/// Who must be there and in sync before this pod goes.
fn blocked(case: &Case<'_>, pod: Ordinal) -> Report {
    let primary = case.record.primary.as_ref().map(|primary| primary.who.pod);
    let others = (0..case.policy.pods()).filter(|other| *other != pod && Some(*other) != primary);
    let awaited = others.filter(|other| case.in_sync().all(|who| who.pod != *other));
    let leaving = case.facts.pods.iter().filter(|(other, it)| it.terminating || case.is_leaving(**other));
    let mut awaited: Vec<Ordinal> = awaited.chain(leaving.map(|(other, _)| *other)).collect();
    awaited.sort_unstable();
    awaited.dedup();
    Report::UpdateBlocked { pod, awaited }
}

/// Whether only the primary is left to be updated, and another can take over.
pub(super) fn wants_switchover(case: &Case<'_>) -> bool {
    let Some((primary, _)) = case.primary() else { return false };
    let only = outdated(case).eq([primary.who.pod]);
    only && !case.policy.pause_before_primary && is_whole(case, primary.who.pod, case.policy.replicas)
}

fn outdated(case: &Case<'_>) -> impl Iterator<Item = Ordinal> {
    let pods = case.facts.pods.iter();
    pods.filter(|(pod, it)| !it.updated && **pod < case.policy.pods()).map(|(pod, _)| *pod)
}

/// Nothing is on its way, and so many others than this one are in sync.
fn is_whole(case: &Case<'_>, going: Ordinal, others: u8) -> bool {
    let carried = case.record.primary.as_ref().is_some_and(|primary| primary.carried);
    let still = case.facts.pods.values().all(|pod| !pod.terminating)
        && case.facts.pods.len() == usize::from(case.policy.pods());
    let in_sync: Vec<Incarnation> = case.in_sync().filter(|who| who.pod != going).collect();
    let members = case.record.followers.keys().filter(|who| who.pod != going).count();
    carried && still && in_sync.len() == usize::from(others) && members == in_sync.len()
}

fn delete(case: &Case<'_>, pod: Ordinal) -> Option<Deletion> {
    let uid = case.facts.pods.get(&pod)?.uid;
    Some(Deletion { pod, uid })
}
