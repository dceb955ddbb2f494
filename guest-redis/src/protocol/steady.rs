//! A reign: its primary answers, or is suspected.

use super::case::{Case, SOON_MS, checkpoint};
use super::facts::Role;
use super::policy::Deletion;
use super::record::{Failover, Followers, Millis, Phase, ReplId};
use super::rules::{Rule, holds};
use super::step::{Order, Report, Selection, Settlement, Step};
use super::{attach, effective, hibernate, roll, scale, strike, suspect, switchover, zombie};

/// Outside of a failover, and at its end.
pub(super) fn step(case: &Case<'_>) -> Step {
    let opened = |case: &Case<'_>| match case.record.failover.as_ref() {
        Some(failover) if failover.phase == Phase::Open => open(case, failover),
        Some(failover) => kick(case, failover),
        None => None,
    };
    let change = suspect::step(case)
        .or_else(|| zombie::demote(case))
        .or_else(|| renamed(case))
        .or_else(|| attach::step(case))
        .or_else(|| carried(case))
        .or_else(|| effective::step(case))
        .or_else(|| opened(case))
        .or_else(|| scale::tell(case))
        .or_else(|| strike::step(case));
    if let Some(step) = change {
        return step;
    }
    if case.record.failover.is_some() {
        return settle(case, None, None);
    }
    if let Some(step) = hibernate::begin(case).or_else(|| switchover::begin(case)) {
        return step;
    }
    let (deletion, report) = roll::next(case);
    let cannot = case.policy.hibernated && !case.policy.may_hibernate();
    let report = report
        .or(cannot.then_some(Report::CannotHibernate))
        .or_else(|| switchover::awaits(case))
        .or_else(|| switchover::failed(case));
    settle(case, deletion, report)
}

/// A primary that had no backlog takes a new id when its first replica links, and no
/// second one: nobody has a write of this reign under the old one. It keeps the id at
/// a dead address. One that had replicas has lost its backlog, and its followers may
/// have writes under the old id: they are as those of a reign before.
pub(super) fn renamed(case: &Case<'_>) -> Option<Step> {
    let primary = case.record.primary.as_ref()?;
    let answer = case.answer_of(&primary.who)?;
    let own = answer.role == Role::Primary || answer.is_at_dead(case.record.epoch);
    let is_another = answer.replid != primary.replid && answer.replid2 == ReplId::default();
    if holds(Rule::Renamed, !(own && is_another)) {
        return None;
    }
    let mut record = case.record.clone();
    if primary.carried {
        record.former.clone_from(&record.followers);
    }
    if let Some(primary) = &mut record.primary {
        primary.replid = answer.replid;
        if primary.carried {
            (primary.carried, primary.began) = (false, answer.offset);
        }
    }
    Some(checkpoint(record))
}

/// The reign before is history once Q followers carry the new id.
fn carried(case: &Case<'_>) -> Option<Step> {
    let (primary, _) = case.primary()?;
    let is_carried = case.in_sync().count() >= case.record.quorum();
    if primary.carried || !is_carried {
        return None;
    }
    let mut record = case.record.clone();
    record.former = Followers::new();
    if let Some(primary) = &mut record.primary {
        primary.carried = true;
    }
    Some(checkpoint(record))
}

/// When W followers carry the new id the Service opens, by one write.
fn open(case: &Case<'_>, failover: &Failover) -> Option<Step> {
    let (primary, _) = case.primary()?;
    let missing = case.record.min_replicas().saturating_sub(case.in_sync().count());
    if !holds(Rule::PromoteOpen, missing == 0) {
        let waited = case.facts.now.saturating_sub(failover.started_at);
        let late = waited >= case.policy.recovery_timeout_ms;
        let report = if late { Report::Unopened(missing) } else { Report::Opening(missing) };
        // Marked meanwhile, so that nothing but a write of the Service is left then.
        return Some(Step::Settle(Settlement {
            pods: case.pods(),
            mark: case.unmarked(),
            again_ms: Some(SOON_MS),
            report: Some(report),
            ..Settlement::default()
        }));
    }
    if case.facts.service.selects != Some(primary.who.pod) {
        return Some(settle(case, None, None));
    }
    let mut record = case.record.clone();
    record.failover = match failover.from {
        Some(from) if from != primary.who && failover.cause == super::record::Cause::Planned => {
            Some(Failover { phase: Phase::Kick, ..failover.clone() })
        }
        _ => None,
    };
    Some(checkpoint(record))
}

/// Endpoints follow within seconds. Clients that are sent away before they do come
/// back too early, which is no reason to wait for ever.
const ENDPOINTS_MS: Millis = 30_000;

/// Clients that reached the old primary before the endpoints changed are sent away.
fn kick(case: &Case<'_>, failover: &Failover) -> Option<Step> {
    let (primary, _) = case.primary()?;
    let waited = case.facts.now.saturating_sub(failover.started_at);
    let overdue = waited >= case.policy.switchover_timeout_ms.saturating_add(ENDPOINTS_MS);
    if case.facts.service.endpoint != Some(primary.who.pod) && !overdue {
        return None;
    }
    let old = failover.from.and_then(|from| Some((from, case.answer_of(&from)?)));
    let old = old.filter(|(_, answer)| matches!(answer.role, Role::Replica(_)));
    let kicked = old.map(|(from, answer)| case.act(from, answer, Order::KickClients));
    Some(
        case.do_once(kicked)
            .unwrap_or_else(|| checkpoint(super::record::Record { failover: None, ..case.record.clone() })),
    )
}

fn settle(case: &Case<'_>, delete: Option<Deletion>, report: Option<Report>) -> Step {
    let primary = case.primary().map(|(primary, _)| primary.who.pod);
    let mark = primary.and_then(|_| case.unmarked());
    // A record that is lost is made again from the claims, so what is written behind
    // the Service is on a marked one.
    let is_marked = holds(Rule::OpenMarked, mark.is_none());
    let service = match primary {
        Some(pod) if case.facts.service.selects != Some(pod) && is_marked => Selection::Select(pod),
        _ => Selection::Keep,
    };
    let lossy = (case.record.lossy == Some(case.record.epoch)).then_some(Report::DataLossPossible);
    let report = report.or(lossy);
    let busy = case.record.failover.is_some()
        || case.record.quorum() != usize::from(case.record.effective.min_replicas.max(1))
        || case.record.followers.len() != usize::from(case.policy.replicas)
        || case.in_sync().count() != case.record.followers.len()
        || delete.is_some()
        || mark.is_some()
        || case.record.effective != case.policy.wanted;
    Step::Settle(Settlement {
        service,
        pods: case.pods(),
        delete,
        mark,
        again_ms: busy.then_some(SOON_MS),
        report,
    })
}
