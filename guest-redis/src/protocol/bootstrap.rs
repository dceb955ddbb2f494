//! The first primary.

use super::case::{Case, SOON_MS, add_followers, checkpoint, fence_anew};
use super::facts::{Link, Role};
use super::record::{Cause, Doubtful, Epoch, Failover, Incarnation, Ordinal, Phase, Primary, Record, Target};
use super::rules::{Rule, holds};
use super::step::{Report, Settlement, Step};

/// Before the first epoch is on record.
pub(super) fn step(case: &Case<'_>) -> Step {
    let claims = case.facts.claims.iter().map(|(pod, epoch)| (*epoch, *pod));
    let past = claims.filter(|(epoch, _)| *epoch > 0).max_by_key(|(epoch, pod)| (*epoch, u8::MAX - pod));
    let primaries: Vec<Incarnation> =
        case.processes().filter(|(_, answer)| answer.role == Role::Primary).map(|(who, _)| who).collect();
    let awaited = case.awaited();
    // A silent pod may be a replica that holds what nobody else does.
    let all = holds(Rule::AdoptAll, awaited.is_empty() || !case.is_safe());
    // Marks may be old; a primary that every pod follows is not.
    let followed = primaries.first().is_some_and(|primary| strangers(case, primary, true).is_empty());
    let adopts = all && past.is_none() || awaited.is_empty() && !holds(Rule::AdoptMarked, !followed);
    if let ([primary], true) = (primaries.as_slice(), adopts) {
        let strangers = strangers(case, primary, false);
        if !holds(Rule::AdoptFollowed, strangers.is_empty()) {
            return case.wait(Report::DataUnknown(strangers));
        }
        return adopt(case, *primary, past.map_or(0, |(epoch, _)| epoch));
    }
    if !holds(Rule::BootstrapAll, awaited.is_empty()) {
        return grow(case, Report::Awaited(awaited));
    }
    match past {
        Some((epoch, pod)) if !holds(Rule::BootstrapClaims, false) => restore(case, epoch, pod),
        _ if primaries.is_empty() => begin(case),
        _ => case.wait(Report::ManyPrimaries(primaries.iter().map(|who| who.pod).collect())),
    }
}

/// Nobody has ever been primary: the first pod is, if nobody holds data.
fn begin(case: &Case<'_>) -> Step {
    let full = case.processes().filter(|(_, answer)| answer.data > 0 || answer.loading);
    let full: Vec<Ordinal> = full.map(|(who, _)| who.pod).collect();
    if !holds(Rule::BootstrapEmpty, full.is_empty()) {
        return case.wait(Report::DataUnknown(full));
    }
    let Some((who, answer)) = case.process(0) else {
        return grow(case, Report::Awaited(vec![0]));
    };
    let mut record = fence_anew(&fresh(case, BEFORE_FIRST), Cause::Bootstrap, case.facts.now);
    if let Some(failover) = &mut record.failover {
        failover.phase = Phase::Promote;
        failover.to = Some(Target { who, replid: answer.replid, offset: answer.offset });
    }
    checkpoint(record)
}

/// The first epoch follows this one, which is the dead address that pods boot with.
const BEFORE_FIRST: Epoch = super::record::BOOT;

/// The record was lost, the claims were not: the latest primary's data decides.
fn restore(case: &Case<'_>, epoch: Epoch, pod: Ordinal) -> Step {
    let mut record = fence_anew(&fresh(case, epoch.max(BEFORE_FIRST)), Cause::Bootstrap, case.facts.now);
    if let Some(failover) = &mut record.failover {
        failover.claim = Some(pod);
    }
    checkpoint(record)
}

/// Pods that do not follow this primary; of those without data only if they are asked
/// for as well. The first releases told pods the primary's name: whoever is linked and
/// has its id follows it, or one that does.
fn strangers(case: &Case<'_>, primary: &Incarnation, empty: bool) -> Vec<Ordinal> {
    let replid = case.answer_of(primary).map(|answer| answer.replid);
    let others = case.processes().filter(|(who, answer)| {
        let follows = matches!((answer.role, answer.link), (Role::Replica(_), Link::Up { .. }))
            && Some(answer.replid) == replid;
        let counts = empty || answer.data > 0 || answer.loading;
        who != primary && counts && (!follows || answer.loading)
    });
    others.map(|(who, _)| who.pod).collect()
}

/// A Redis that was made without this protocol: its one primary stays, and all pods
/// may hold its writes. W is taken to be 0 until it is in force.
fn adopt(case: &Case<'_>, who: Incarnation, past: Epoch) -> Step {
    let Some(answer) = case.answer_of(&who) else { return Step::Look };
    let mut record = fresh(case, past.max(BEFORE_FIRST).saturating_add(1));
    record.effective.min_replicas = answer.min_replicas.min(record.effective.min_replicas);
    record.effective.max_lag_s = answer.max_lag_s.max(record.effective.max_lag_s);
    record.proven = 0;
    record.primary = Some(Primary { who, replid: answer.replid, began: 0, carried: false, dead: None });
    let others = case.processes().map(|(other, _)| other).filter(|other| *other != who);
    add_followers(&mut record.followers, others);
    record.failover = Some(Failover {
        id: record.epoch,
        phase: Phase::Open,
        cause: Cause::Bootstrap,
        from: None,
        to: None,
        doubtful: Doubtful::new(),
        claim: None,
        started_at: case.facts.now,
        request: None,
    });
    checkpoint(record)
}

fn fresh(case: &Case<'_>, epoch: Epoch) -> Record {
    Record {
        epoch,
        effective: case.policy.wanted,
        proven: case.policy.wanted.min_replicas,
        switched: case.policy.switchover.map(|request| request.id),
        ..Record::default()
    }
}

fn grow(case: &Case<'_>, report: Report) -> Step {
    Step::Settle(Settlement {
        pods: case.pods(),
        again_ms: Some(SOON_MS),
        report: Some(report),
        ..Settlement::default()
    })
}
