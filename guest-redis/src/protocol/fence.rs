//! Fence: the old primary must be unable to accept writes before there is another.

use super::case::{Case, SOON_MS, checkpoint};
use super::facts::{Answer, Link};
use super::record::{Cause, Follower, Incarnation, Millis, Record};
use super::rules::{Rule, holds};
use super::step::{Order, Report, Settlement, Step};
use super::{elect, full_restart, hibernate, steady::renamed};

/// Beyond maxLag: the cached count, the ACK's way and the timer's drift.
const MARGIN_S: u32 = 4;

/// The longest that a reconcile takes. Its `now` is of its beginning, so what it puts
/// on record may have happened that much later.
const RECONCILE_S: u32 = 10;

/// How the old primary is known to accept no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fenced {
    /// It is dead, or cut off from too many.
    Off,
    /// It answers, at this epoch's dead address.
    Told,
    /// It is not known: Available goes on all the same.
    Unproven,
}

/// In the phase `Fence`.
pub(super) fn step(case: &Case<'_>) -> Step {
    let planned = case
        .record
        .failover
        .as_ref()
        .is_some_and(|failover| failover.cause == Cause::Planned && failover.to.is_some());
    let answers = case.record.primary.as_ref().is_some_and(|primary| case.answer_of(&primary.who).is_some());
    if case.facts.service.selects.is_some() && !(planned && answers) {
        return case.close();
    }
    if let Some(step) = recruit(case).or_else(|| renamed(case)) {
        return step;
    }
    let fenced = match fenced(case) {
        Ok(fenced) => fenced,
        Err(report) => match note_told(case) {
            Some(step) => return step,
            None if may_lose(case, case.policy.fence_timeout_ms) && has_recruited(case) => Fenced::Unproven,
            None => return wait(case, report),
        },
    };
    if fenced == Fenced::Unproven && case.record.lossy != Some(case.record.epoch) {
        return checkpoint(Record { lossy: Some(case.record.epoch), ..case.record.clone() });
    }
    if let Some(step) = hibernate::finish(case, fenced) {
        return step;
    }
    match elect::choose(case, fenced) {
        elect::Choice::Elected(target, lossy) => elect::put_on_record(case, target, lossy),
        elect::Choice::Blocked(report) => case.wait(report),
        elect::Choice::Nobody => full_restart::step(case),
    }
}

/// Whether writes may be given up: Available after a time, or a person says so.
pub(super) fn may_lose(case: &Case<'_>, timeout_ms: Millis) -> bool {
    let since = case.record.failover.as_ref().map_or(case.facts.now, |failover| failover.started_at);
    let waited = case.facts.now.saturating_sub(since);
    case.accepts_loss() || (!case.is_safe() && waited >= timeout_ms)
}

fn has_recruited(case: &Case<'_>) -> bool {
    // A person's word is about data; a proof it is not. Only Available has no need of one.
    !case.is_safe() && case.processes().any(|(_, answer)| answer.is_at_dead(case.record.epoch))
}

/// Sends every process that answers to this epoch's dead address, the old primary
/// too.
fn recruit(case: &Case<'_>) -> Option<Step> {
    let epoch = case.record.epoch;
    let others = case.processes().filter(|(_, answer)| !answer.is_at_dead(epoch));
    case.do_once(others.map(|(who, answer)| case.act(who, answer, Order::ToDead(epoch))))
}

/// What has just been told counts from the next reconcile, so that one is not far.
fn wait(case: &Case<'_>, report: Report) -> Step {
    let uncounted = |(who, follower): (&Incarnation, &Follower)| {
        follower.told.is_none()
            && case.answer_of(who).is_some_and(|it| it.is_at_dead(case.record.epoch) && !it.loading)
    };
    let again_ms = Some(if case.record.followers.iter().any(uncounted) { 0 } else { SOON_MS });
    Step::Settle(Settlement { pods: case.pods(), again_ms, report: Some(report), ..Settlement::default() })
}

/// Remembers since when a member is at the dead address. `now` is when this reconcile
/// began, so one that was told in it counts from the next.
fn note_told(case: &Case<'_>) -> Option<Step> {
    let mut record = case.record.clone();
    for (who, follower) in &mut record.followers {
        let Some(answer) = case.answer_of(who) else { continue };
        let now = case.facts.tried.iter().any(|act| act.run == who.run);
        if !now && answer.is_at_dead(case.record.epoch) && !answer.loading && follower.told.is_none() {
            follower.told = Some(case.facts.now);
        }
    }
    (record != *case.record).then(|| checkpoint(record))
}

/// Whether nobody accepts writes, or what is waited for.
fn fenced(case: &Case<'_>) -> Result<Fenced, Report> {
    if let Some(report) = doubt(case) {
        return Err(report);
    }
    let Some(primary) = &case.record.primary else { return Ok(Fenced::Off) };
    let told = |answer: &Answer| holds(Rule::FenceEpoch, answer.is_at_dead(case.record.epoch));
    if case.answer_of(&primary.who).is_some_and(told) {
        return Ok(Fenced::Told);
    }
    if primary.dead.is_some() || is_cut_off(case) || holds(Rule::Fence, false) {
        return Ok(Fenced::Off);
    }
    let reachable = case.record.followers.iter().filter(|(who, follower)| !is_away(case, who, follower));
    Err(Report::Unfenced { primary: primary.who, reachable: reachable.map(|(who, _)| *who).collect() })
}

/// A target of an earlier epoch may have been promoted without a witness. It has no
/// replicas, so with W it accepts nothing; without it must be fenced as well.
fn doubt(case: &Case<'_>) -> Option<Report> {
    let failover = case.record.failover.as_ref()?;
    if holds(Rule::PromoteDoubt, case.record.min_replicas() > 0) {
        return None;
    }
    let at_dead =
        |who: &Incarnation| case.answer_of(who).is_some_and(|answer| answer.is_at_dead(case.record.epoch));
    let mut doubtful = failover.doubtful.iter();
    let open = doubtful.find(|(who, follower)| follower.dead.is_none() && !at_dead(who));
    open.map(|(who, _)| Report::TargetSilent(*who))
}

/// (c): the old primary reaches fewer than W, and has for long enough.
fn is_cut_off(case: &Case<'_>) -> bool {
    let followers = &case.record.followers;
    let away = followers.iter().filter(|(who, follower)| is_away(case, who, follower)).count();
    let members = if holds(Rule::FenceMembers, false) { away } else { followers.len() };
    let reached = members.saturating_sub(away);
    holds(Rule::FenceW, reached < case.record.min_replicas())
}

/// Whether a member has let the old primary down for longer than it counts lag.
fn is_away(case: &Case<'_>, who: &Incarnation, follower: &Follower) -> bool {
    let long_s = case.record.effective.max_lag_s.saturating_add(MARGIN_S);
    let is_long = |since: Millis, long_s: u32| {
        case.facts.now.saturating_sub(since) >= Millis::from(long_s).saturating_mul(1000)
    };
    if let Some(dead) = follower.dead {
        return holds(Rule::FenceDeadLong, is_long(dead, long_s.saturating_add(RECONCILE_S)));
    }
    let Some(answer) = case.answer_of(who) else { return false };
    // While it syncs anew a replica reports its last link, and its primary may count
    // it already: so both its own clock and that of the record.
    answer.is_at_dead(case.record.epoch)
        && holds(Rule::FenceLoading, !answer.loading)
        && holds(Rule::FenceTold, follower.told.is_some_and(|told| is_long(told, long_s)))
        && match answer.link {
            Link::Up { .. } => false,
            Link::Down { since_s } => holds(Rule::FenceDown, since_s.is_none_or(|since_s| since_s >= long_s)),
        }
}

/// The record with another fence begun, because the target will not do.
pub(super) fn again(case: &Case<'_>) -> Record {
    let cause = match case.record.failover.as_ref().map(|failover| failover.cause) {
        Some(Cause::Bootstrap) => Cause::Bootstrap,
        _ => Cause::Lost,
    };
    let mut record = super::case::fence_anew(case.record, cause, case.facts.now);
    if holds(Rule::PromoteEpoch, false) {
        record.epoch = case.record.epoch;
    }
    record
}
