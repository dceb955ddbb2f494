//! Evidence is kept: every proof of death goes on record in the reconcile that sees
//! it, since the object that shows it may be gone in the next.

use super::case::{Case, checkpoint};
use super::record::{Followers, Incarnation};
use super::rules::{Rule, holds};
use super::step::Step;

/// Puts new proofs of death on record, and the word of a person: it is about the
/// process that is on record and silent now, and is taken once.
pub(super) fn keep(case: &Case<'_>) -> Option<Step> {
    let now = case.facts.now;
    let mut record = case.record.clone();
    if let Some(primary) = &mut record.primary
        && primary.dead.is_none()
        && is_dead(case, &primary.who)
    {
        primary.dead = Some(now);
    }
    mark(case, &mut record.followers);
    mark(case, &mut record.former);
    if let Some(failover) = &mut record.failover {
        for (who, doubt) in &mut failover.doubtful {
            doubt.dead = doubt.dead.or_else(|| is_dead(case, who).then_some(now));
        }
    }
    record.vouched.clone_from(&case.facts.vouched);
    (record != *case.record).then(|| checkpoint(record))
}

fn mark(case: &Case<'_>, followers: &mut Followers) {
    for (who, follower) in followers.iter_mut() {
        if follower.dead.is_none() && is_dead(case, who) {
            follower.dead = Some(case.facts.now);
        }
    }
}

/// The same pod answers with another run id, or a container's termination message
/// holds the run id. Nothing else proves a death.
pub(super) fn is_dead(case: &Case<'_>, who: &Incarnation) -> bool {
    let replaced =
        case.pod_of(who).is_some() && case.answers.get(&who.pod).is_some_and(|answer| answer.run != who.run);
    let silent = || case.answer_of(who).is_none();
    let word = || case.facts.vouched.contains(&who.uid) && !case.record.vouched.contains(&who.uid);
    replaced
        || case.facts.ended.contains(&who.run)
        || (silent() && word())
        || (holds(Rule::FenceProof, false) && silent())
}
