//! Full restart: nobody carries the current id, so what is on disk decides.

use super::case::Case;
use super::elect;
use super::facts::Answer;
use super::fence::may_lose;
use super::record::{Followers, Incarnation, Ordinal, Target};
use super::rules::{Rule, holds};
use super::step::{Report, Step};

/// In the phase `Fence`, once nobody accepts writes.
pub(super) fn step(case: &Case<'_>) -> Step {
    match choose(case) {
        Ok(target) => put_on_record(case, target, false),
        Err(report) => match largest(case) {
            Some(target) if may_lose(case, case.policy.recovery_timeout_ms) => {
                put_on_record(case, target, true)
            }
            _ => case.wait(report),
        },
    }
}

/// What comes back empty, or in place of what should have, may have lost data.
fn put_on_record(case: &Case<'_>, target: Target, lossy: bool) -> Step {
    let empty = case.answer_of(&target.who).is_some_and(|answer| answer.data == 0);
    elect::put_on_record(case, target, lossy || (empty && case.record.primary.is_some()))
}

fn choose(case: &Case<'_>) -> Result<Target, Report> {
    let record = case.record;
    if case.is_safe() && !case.accepts_loss() {
        let primary = record.primary.iter().filter(|primary| primary.dead.is_none());
        let mut alive: Vec<Incarnation> = primary.map(|primary| primary.who).collect();
        if !holds(Rule::RestartMembers, false) {
            let members = living(&record.followers);
            alive.extend(members.into_iter().filter(|who| !lacks_this_reign(case, who)));
        }
        let carried = record.primary.as_ref().is_some_and(|primary| primary.carried);
        if !carried && !holds(Rule::RestartFormer, false) {
            let former = living(&record.former).into_iter().filter(|who| !alive.contains(who));
            let former: Vec<Incarnation> = former.collect();
            alive.extend(former);
        }
        if !alive.is_empty() {
            return Err(Report::NotProvenDead(alive));
        }
    }
    let before = record.primary.as_ref().map(|primary| primary.who.pod);
    let claim = before.or_else(|| record.failover.as_ref().and_then(|failover| failover.claim)).unwrap_or(0);
    if holds(Rule::RestartClaim, false)
        && let Some(first) = available(case).next()
    {
        return Ok(target(first));
    }
    let decides = available(case).find(|(who, _)| who.pod == claim);
    let Some((who, answer)) = decides else { return Err(Report::Awaited(vec![claim])) };
    if answer.data == 0 && !holds(Rule::RestartEmpty, false) {
        all_are_empty(case, claim)?;
    }
    Ok(target((who, answer)))
}

/// A member that answers without the current id, or is where the reign began, never had a write of this reign; until
/// the reign is carried only if it has no data, since the id may have changed unseen, and it may have what those
/// before it had. So a new Redis whose first process is restarted in its first second needs no person.
fn lacks_this_reign(case: &Case<'_>, who: &Incarnation) -> bool {
    let Some(primary) = &case.record.primary else { return false };
    case.answer_of(who).is_some_and(|answer| {
        let lacks = answer.replid != primary.replid || answer.offset < primary.began;
        // One that was promoted from this reign has another id, and its writes.
        let lacks = lacks && answer.replid2 != primary.replid;
        let known = holds(Rule::RestartData, primary.carried || answer.data == 0);
        answer.is_at_dead(case.record.epoch) && !answer.loading && lacks && known
    })
}

fn living(followers: &Followers) -> Vec<Incarnation> {
    let living = followers.iter().filter(|(_, follower)| follower.dead.is_none());
    living.map(|(who, _)| *who).collect()
}

/// An empty claim decides only where there is nothing else to lose.
fn all_are_empty(case: &Case<'_>, claim: Ordinal) -> Result<(), Report> {
    if case.processes().any(|(_, answer)| answer.data > 0) {
        return Err(Report::ClaimLost(claim));
    }
    let mut awaited = case.awaited();
    awaited.extend(case.processes().filter(|(_, answer)| answer.loading).map(|(who, _)| who.pod));
    if awaited.is_empty() { Ok(()) } else { Err(Report::Awaited(awaited)) }
}

/// The largest data set, for when data may be lost. What is still being loaded may be
/// larger, and so may one that was loading when it was told.
fn largest(case: &Case<'_>) -> Option<Target> {
    if !holds(Rule::RestartLoading, available(case).count() == case.processes().count()) {
        return None;
    }
    available(case).max_by_key(|(who, answer)| (answer.data, std::cmp::Reverse(who.pod))).map(target)
}

/// Processes at this epoch's dead address with their data loaded.
fn available<'a>(case: &Case<'a>) -> impl Iterator<Item = (Incarnation, &'a Answer)> + use<'a> {
    let epoch = case.record.epoch;
    case.processes().filter(move |(_, answer)| answer.is_at_dead(epoch) && !answer.loading)
}

fn target((who, answer): (Incarnation, &Answer)) -> Target {
    Target { who, replid: answer.replid, offset: answer.offset }
}
