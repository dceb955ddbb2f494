//! Evidence is kept: every proof of death goes on record in the reconcile that sees
//! it, since the object that shows it may be gone in the next. Only a person can be
//! wrong: a process that answers is taken off again.

use super::case::{Case, checkpoint};
use super::record::{Incarnation, Millis};
use super::rules::{Rule, holds};
use super::step::Step;

/// Puts new proofs of death on record, and the word of a person: it is about the
/// process that is on record and silent now, and is taken once.
pub(super) fn keep(case: &Case<'_>) -> Option<Step> {
    let mut record = case.record.clone();
    if let Some(primary) = &mut record.primary {
        judge(case, &primary.who, &mut primary.dead);
    }
    for (who, follower) in record.followers.iter_mut().chain(&mut record.former) {
        judge(case, who, &mut follower.dead);
    }
    for (who, doubt) in record.failover.iter_mut().flat_map(|failover| &mut failover.doubtful) {
        judge(case, who, &mut doubt.dead);
    }
    record.vouched.clone_from(&case.facts.vouched);
    (record != *case.record).then(|| checkpoint(record))
}

/// Since when a process is dead. A person says so of a pod, and may have meant the
/// process before; that this one answers is the proof.
fn judge(case: &Case<'_>, who: &Incarnation, dead: &mut Option<Millis>) {
    if case.answer_of(who).is_some() {
        *dead = None;
    } else if dead.is_none() && is_dead(case, who) {
        *dead = Some(case.facts.now);
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
