//! Hibernate: everything stops in good order, and the record is the proof of it.

use super::case::{Case, SOON_MS, checkpoint, fence_anew};
use super::fence::Fenced;
use super::record::{Cause, Followers};
use super::rules::{Rule, holds};
use super::step::{Report, Selection, Settlement, Step};

/// Begins, once the first pod is the primary and all replicas are in sync.
pub(super) fn begin(case: &Case<'_>) -> Option<Step> {
    if !case.policy.may_hibernate() {
        return None;
    }
    let (primary, _) = case.primary()?;
    let whole = case.in_sync().count() == case.record.followers.len();
    (primary.who.pod == 0 && whole)
        .then(|| checkpoint(fence_anew(case.record, Cause::Hibernate, case.facts.now)))
}

/// In the phase `Fence`: when all are at the dead address, that is on record.
pub(super) fn finish(case: &Case<'_>, fenced: Fenced) -> Option<Step> {
    let failover = case.record.failover.as_ref()?;
    if failover.cause != Cause::Hibernate || !case.policy.hibernated || fenced != Fenced::Told {
        return None;
    }
    let at_dead = case.processes().all(|(_, answer)| answer.is_at_dead(case.record.epoch));
    let all = case.record.followers.iter();
    let all = all.clone().all(|(who, it)| it.dead.is_some() || case.answer_of(who).is_some());
    if !holds(Rule::HibernateAll, at_dead && all && case.awaited().is_empty()) {
        return Some(case.wait(Report::Awaited(case.awaited())));
    }
    let mut record = case.record.clone();
    record.hibernated = true;
    record.followers = Followers::new();
    record.former = Followers::new();
    record.failover = None;
    Some(checkpoint(record))
}

/// While hibernated there are no pods; waking is a full restart.
pub(super) fn asleep(case: &Case<'_>) -> Option<Step> {
    if !case.record.hibernated {
        return None;
    }
    if case.policy.hibernated {
        return Some(Step::Settle(Settlement {
            service: match case.facts.service.selects {
                Some(_) => Selection::Close,
                None => Selection::Keep,
            },
            pods: Some(0),
            mark: case.unmarked(),
            report: Some(Report::Hibernated),
            ..Settlement::default()
        }));
    }
    let primary = case.record.primary.as_ref()?;
    if case.process(primary.who.pod).is_none() {
        let again_ms = Some(SOON_MS);
        let awaited = Some(Report::Awaited(vec![primary.who.pod]));
        let pods = Some(case.policy.pods());
        return Some(Step::Settle(Settlement { pods, again_ms, report: awaited, ..Settlement::default() }));
    }
    let mut record = fence_anew(case.record, Cause::Lost, case.facts.now);
    record.hibernated = false;
    if let Some(primary) = &mut record.primary
        && case.answer_of(&primary.who).is_none()
    {
        // It was at the dead address when its pod went: nothing came after.
        primary.dead = primary.dead.or(Some(case.facts.now));
    }
    Some(checkpoint(record))
}
