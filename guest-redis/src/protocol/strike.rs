//! Strike: who cannot hold this reign's writes any more is no longer counted.

use std::collections::BTreeSet;

use super::case::{Case, checkpoint};
use super::record::{Follower, Incarnation, RunId};
use super::rules::{Rule, holds};
use super::step::{Order, Step};

/// Strikes those that are off for good, once Q others have all they may hold.
pub(super) fn step(case: &Case<'_>) -> Option<Step> {
    let (primary, at_primary) = case.primary()?;
    let followers = case.record.followers.iter();
    let off: Vec<Incarnation> =
        followers.filter(|(who, follower)| is_off(case, who, follower)).map(|(who, _)| *who).collect();
    if off.is_empty() {
        return None;
    }
    let drop: BTreeSet<RunId> =
        off.iter().map(|who| who.run).filter(|run| at_primary.users.contains(run)).collect();
    if !holds(Rule::StrikeOff, drop.is_empty()) {
        let order = Order::Users { set: BTreeSet::new(), drop };
        return case.do_once([case.act(primary.who, at_primary, order)]);
    }
    let gone = |who: &&Incarnation| !at_primary.members.contains_key(&who.run);
    if !holds(Rule::StrikeGone, off.iter().all(|who| gone(&who))) {
        return None;
    }
    // Without replicas there is nobody who could acknowledge.
    let counted = case.policy.replicas > 0 || case.record.min_replicas() > 0;
    let quorum = case.record.quorum();
    match case.facts.proof.filter(|proof| proof.run == primary.who.run) {
        None if counted && !holds(Rule::StrikeProof, false) => {
            let acks = u8::try_from(quorum).unwrap_or(u8::MAX);
            Some(Step::Prove { on: primary.who, acks })
        }
        Some(proof) if counted && !holds(Rule::StrikeProof, usize::from(proof.acks) >= quorum) => None,
        _ => {
            let mut record = case.record.clone();
            record.followers.retain(|who, _| !off.contains(who));
            Some(checkpoint(record))
        }
    }
}

/// Proven dead, its pod gone, or about to leave and at a dead address or silent.
fn is_off(case: &Case<'_>, who: &Incarnation, follower: &Follower) -> bool {
    follower.dead.is_some() || case.pod_of(who).is_none() || super::scale::is_told(case, who)
}
