//! Switchover: the primary is paused, the target catches up, then fence (b).

use super::case::{Case, SOON_MS, checkpoint, fence_anew};
use super::record::{Cause, Doubtful, Failed, Failover, Incarnation, Millis, Ordinal, Phase, Record, Target};
use super::rules::{Rule, holds};
use super::step::{Order, Report, Settlement, Step};
use super::{roll, suspect};

/// Begins one if it was asked for, or if the primary has to go.
pub(super) fn begin(case: &Case<'_>) -> Option<Step> {
    let (primary, _) = case.primary()?;
    let from = primary.who;
    let request = case.policy.switchover.filter(|request| Some(request.id) != case.record.switched);
    let wanted = request.and_then(|request| request.target);
    let is_going = case.pod_of(&from).is_some_and(|pod| pod.terminating);
    let ends = is_going || case.is_leaving(from.pod);
    let rolls = roll::wants_switchover(case);
    let hibernates = case.policy.may_hibernate() && from.pod != 0;
    let asked = request.is_some() && wanted != Some(from.pod);
    if !ends && !rolls && !asked && !hibernates {
        // A request for what already is has been dealt with.
        return request
            .map(|request| checkpoint(Record { switched: Some(request.id), ..case.record.clone() }));
    }
    let wanted = if hibernates { Some(0) } else { wanted.filter(|_| !ends) };
    // Each attempt lets clients wait. One that is asked for anew is made at once.
    if request.is_none() && is_too_early(case) {
        return None;
    }
    let target = target(case, wanted)?;
    if is_going && case.facts.going_ms < PROXIES_MS {
        let again_ms = Some(PROXIES_MS - case.facts.going_ms);
        return Some(Step::Settle(Settlement { pods: case.pods(), again_ms, ..Settlement::default() }));
    }
    let mut record = case.record.clone();
    record.failover = Some(Failover {
        id: record.epoch.saturating_add(1),
        phase: Phase::HandOver,
        cause: Cause::Planned,
        from: Some(from),
        to: Some(Target { who: target, replid: primary.replid, offset: primary.began }),
        doubtful: Doubtful::new(),
        claim: None,
        started_at: case.facts.now,
        request: request.map(|request| request.id),
    });
    Some(checkpoint(record))
}

/// kube-proxy hears that a pod goes, and then of no other change for a second
/// (`minSyncPeriod`, by default): clients would look for the new primary in vain.
const PROXIES_MS: Millis = 1000;

/// An hour: a hand-over that cannot be made is tried so rarely that nobody notices.
const RETRY_MS_MAX: Millis = 3_600_000;

/// After each failure twice as long as before.
fn is_too_early(case: &Case<'_>) -> bool {
    case.record.failed.is_some_and(|failed| {
        let wait = case.policy.switchover_timeout_ms.saturating_mul(1 << failed.times.min(16));
        case.facts.now.saturating_sub(failed.at) < wait.min(RETRY_MS_MAX)
    })
}

/// One more failure.
pub(super) fn once_more(failed: Option<Failed>, now: Millis) -> Option<Failed> {
    let times = failed.map_or(0, |failed| failed.times);
    Some(Failed { at: now, times: times.saturating_add(1) })
}

/// Who cannot take over yet though a person asked for it.
pub(super) fn awaits(case: &Case<'_>) -> Option<Report> {
    let (primary, _) = case.primary()?;
    let request = case.policy.switchover.filter(|request| Some(request.id) != case.record.switched)?;
    let asked = request.target != Some(primary.who.pod);
    (asked && target(case, request.target).is_none()).then_some(Report::SwitchoverAwaits(request.target))
}

/// What a person should know of it.
pub(super) fn failed(case: &Case<'_>) -> Option<Report> {
    case.record.failed.map(|failed| Report::SwitchoverFailed { times: failed.times })
}

/// Who can take over: in sync, staying, the updated ones first.
fn target(case: &Case<'_>, wanted: Option<Ordinal>) -> Option<Incarnation> {
    let fit = case.in_sync().filter_map(|who| {
        let pod = case.pod_of(&who)?;
        let fits = pod.ready_once && !pod.terminating && pod.priority > 0 && !case.is_leaving(who.pod);
        let asked = wanted.is_none_or(|wanted| wanted == who.pod);
        (fits && asked).then_some((pod.updated, std::cmp::Reverse(who)))
    });
    fit.max().map(|(_, who)| who.0)
}

/// In the phase `HandOver`.
pub(super) fn step(case: &Case<'_>) -> Step {
    let Some(failover) = &case.record.failover else { return Step::Look };
    let Some((primary, answer)) = case.primary() else {
        return suspect::step(case).unwrap_or_else(|| suspect::begin(case));
    };
    let over = case.facts.now.saturating_sub(failover.started_at) >= case.policy.switchover_timeout_ms;
    let target = failover.to.as_ref().filter(|target| case.carries(&target.who) && !over);
    let Some(target) = target else {
        let unpause = case.act(primary.who, answer, Order::Unpause);
        let abandoned = || {
            checkpoint(Record {
                failover: None,
                switched: failover.request.or(case.record.switched),
                failed: once_more(case.record.failed, case.facts.now),
                ..case.record.clone()
            })
        };
        return case.do_once([unpause]).unwrap_or_else(abandoned);
    };
    let pause = case.act(primary.who, answer, Order::Pause(pause_ms(case, failover)));
    if let Some(step) = case.do_once([pause]) {
        return step;
    }
    let level = case.answer_of(&target.who).is_some_and(|one| one.offset == answer.offset);
    if !holds(Rule::SwitchOffset, level) {
        return Step::Settle(Settlement {
            pods: case.pods(),
            again_ms: Some(SOON_MS),
            ..Settlement::default()
        });
    }
    let mut record = fence_anew(case.record, Cause::Planned, case.facts.now);
    if let Some(fence) = &mut record.failover {
        fence.to = Some(target.clone());
        fence.started_at = failover.started_at;
        if holds(Rule::SwitchFence, false) {
            fence.phase = Phase::Promote;
        }
    }
    checkpoint(record)
}

/// What is left of the time that a hand-over may take.
fn pause_ms(case: &Case<'_>, failover: &Failover) -> Millis {
    let spent = case.facts.now.saturating_sub(failover.started_at);
    case.policy.switchover_timeout_ms.saturating_sub(spent)
}
