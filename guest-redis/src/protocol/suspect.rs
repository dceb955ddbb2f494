//! Suspect: whether the primary is lost.

use super::case::{Case, SOON_MS, checkpoint, fence_anew};
use super::facts::{Link, Role, Upstream};
use super::record::{Cause, Primary};
use super::rules::{Rule, holds};
use super::step::{Report, Selection, Settlement, Step};

/// A second: younger than two of these is fresh, with a ping each second.
const FRESH_S: u32 = 2;

/// Begins a failover if the primary is lost; waits while it may be.
pub(super) fn step(case: &Case<'_>) -> Option<Step> {
    let primary = case.record.primary.as_ref()?;
    if let Some(answer) = case.answer_of(&primary.who) {
        return (answer.role != Role::Primary).then(|| begin(case));
    }
    if primary.dead.is_some() {
        return Some(begin(case));
    }
    let is_stranger = case.pod_of(&primary.who).is_some() && case.facts.strangers.contains(&primary.who.pod);
    if is_stranger || !holds(Rule::SuspectFresh, !is_heard(case, primary)) {
        return Some(cut_off(case, primary));
    }
    let going = case.pod_of(&primary.who).is_none_or(|pod| pod.terminating);
    let left = case.policy.detect_ms.saturating_sub(case.facts.silent_ms);
    // If nobody answers at all, nobody can take over, and it may be the operator that is
    // cut off from everybody: clients are left alone.
    let nobody = case.processes().next().is_none();
    if going || left == 0 {
        return Some(if nobody { case.wait(Report::Awaited(case.awaited())) } else { begin(case) });
    }
    // Nobody listens there and no replica hears it: clients lose nothing when they are
    // refused at once. kube-proxy lets a second pass between two changes of a Service
    // (`minSyncPeriod`), which is over when there is another primary.
    let is_gone = !nobody && case.facts.refusing.contains(&primary.who.pod);
    Some(Step::Settle(Settlement {
        service: if is_gone { Selection::Close } else { Selection::Keep },
        pods: case.pods(),
        again_ms: Some(left.clamp(1, SOON_MS)),
        ..Settlement::default()
    }))
}

/// It is the operator that is cut off. A Service that was closed too early opens again.
fn cut_off(case: &Case<'_>, primary: &Primary) -> Step {
    let pod = primary.who.pod;
    let closed = case.record.failover.is_none()
        && case.unmarked().is_none()
        && case.pod_of(&primary.who).is_some()
        && case.facts.service.selects != Some(pod);
    Step::Settle(Settlement {
        service: if closed { Selection::Select(pod) } else { Selection::Keep },
        pods: case.pods(),
        again_ms: Some(SOON_MS),
        report: Some(Report::CutOff(primary.who)),
        ..Settlement::default()
    })
}

/// Puts on record that the primary is to be fenced.
pub(super) fn begin(case: &Case<'_>) -> Step {
    checkpoint(fence_anew(case.record, Cause::Lost, case.facts.now))
}

/// Whether a replica's link to the primary is fresh: then it is the operator that is
/// cut off.
fn is_heard(case: &Case<'_>, primary: &Primary) -> bool {
    let Some(address) = case.pod_of(&primary.who).and_then(|pod| pod.address) else { return false };
    case.processes().any(|(who, answer)| {
        who.pod != primary.who.pod
            && answer.role == Role::Replica(Upstream::Address(address))
            && matches!(answer.link, Link::Up { io_age_s } if io_age_s < FRESH_S)
    })
}
