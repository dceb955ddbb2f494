//! Promote: the one in `to`, once its settings are confirmed.

use super::attach::may_follow;
use super::case::{Case, SOON_MS, add_followers, checkpoint};
use super::facts::{Answer, Role, Upstream};
use super::record::{BOOT, Cause, Follower, Followers, Incarnation, Phase, Primary, Target};
use super::rules::{Rule, holds};
use super::step::{Order, Settlement, Step};
use super::{fence, switchover};

/// In the phase `Promote`.
pub(super) fn step(case: &Case<'_>) -> Step {
    let target = case.record.failover.as_ref().and_then(|failover| failover.to.as_ref());
    let Some(target) = target else { return checkpoint(fence::again(case)) };
    let Some(answer) = case.answer_of(&target.who) else { return checkpoint(fence::again(case)) };
    match answer.role {
        Role::Primary if answer.replid2 == target.replid && !holds(Rule::PromoteFinish, false) => {
            confirm(case, target, answer)
        }
        Role::Replica(upstream) if is_expected(case, upstream) && answer.replid == target.replid => {
            promote(case, target.who, answer)
        }
        _ => checkpoint(fence::again(case)),
    }
}

/// At this epoch's dead address, or just booted if there has never been a primary.
fn is_expected(case: &Case<'_>, upstream: Upstream) -> bool {
    upstream == Upstream::Dead(case.record.epoch)
        || (upstream == Upstream::Dead(BOOT) && case.record.primary.is_none())
}

fn promote(case: &Case<'_>, who: Incarnation, answer: &Answer) -> Step {
    case.do_once([case.act(who, answer, Order::Promote(case.record.effective))]).unwrap_or_else(|| {
        Step::Settle(Settlement { pods: case.pods(), again_ms: Some(SOON_MS), ..Settlement::default() })
    })
}

/// One checkpoint for id, run id and the first followers.
fn confirm(case: &Case<'_>, target: &Target, answer: &Answer) -> Step {
    let mut record = case.record.clone();
    let mut former = std::mem::take(&mut record.followers);
    if record.primary.as_ref().is_some_and(|before| !before.carried) {
        former.extend(std::mem::take(&mut record.former));
    }
    // It has all that was confirmed in its reign.
    if let Some(before) = &record.primary
        && !holds(Rule::FormerPrimary, false)
    {
        former.insert(before.who, Follower { dead: before.dead, told: None });
    }
    former.remove(&target.who);
    record.former = if holds(Rule::Carried, false) { Followers::new() } else { former };
    record.primary = Some(Primary {
        who: target.who,
        replid: answer.replid,
        began: target.offset,
        carried: false,
        dead: None,
    });
    let others = case.processes().filter(|(who, one)| *who != target.who && may_follow(case, who, one));
    if !holds(Rule::PromoteFollowers, false) {
        add_followers(&mut record.followers, others.map(|(who, _)| who));
    }
    if let Some(failover) = &mut record.failover {
        let stayed = failover.cause == Cause::Planned && failover.from == Some(target.who);
        record.failed = if stayed { switchover::once_more(record.failed, case.facts.now) } else { None };
        record.switched = failover.request.or(record.switched);
        failover.phase = Phase::Open;
        failover.doubtful.clear();
        failover.claim = None;
        if failover.cause == Cause::Hibernate {
            failover.cause = Cause::Lost;
        }
    }
    checkpoint(record)
}
