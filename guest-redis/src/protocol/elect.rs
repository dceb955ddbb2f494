//! Elect: who has every write that was confirmed.

use std::cmp::Reverse;

use super::case::{Case, checkpoint};
use super::facts::Answer;
use super::fence::{Fenced, may_lose};
use super::record::{Incarnation, Phase, Target};
use super::rules::{Rule, holds};
use super::step::{Report, Step};

/// The outcome of an election.
pub(super) enum Choice {
    /// This one, perhaps without all that was confirmed.
    Elected(Target, bool),
    /// There are candidates, and too few to know.
    Blocked(Report),
    /// Nobody carries the current id.
    Nobody,
}

/// Chooses from the answers to the last look only.
pub(super) fn choose(case: &Case<'_>, fenced: Fenced) -> Choice {
    let Some(primary) = &case.record.primary else { return Choice::Nobody };
    let old = case.answer_of(&primary.who).filter(|answer| {
        fenced == Fenced::Told && answer.is_at_dead(case.record.epoch) && carries_current(case, answer)
    });
    // All of them witness what was confirmed, whoever of them may be chosen.
    let members: Vec<(Incarnation, &Answer)> = candidates(case).collect();
    if let Some(answer) = old
        && let Some(target) = level_with(case, (primary.who, answer), &members)
    {
        return Choice::Elected(target, false);
    }
    let latest = members.iter().copied().max_by_key(|(_, answer)| answer.offset);
    let Some((latest, has)) = latest else {
        return promoted_before(case).map_or(Choice::Nobody, |target| Choice::Elected(target, false));
    };

    let counted = case.record.followers.iter();
    let counted =
        counted.filter(|(_, follower)| follower.dead.is_none() || !holds(Rule::ElectDeadCount, false));
    let needed = (counted.count() + 1).saturating_sub(case.record.quorum());
    let lossy = may_lose(case, case.policy.fence_timeout_ms);
    let enough = holds(Rule::ElectCount, members.len() >= needed);
    let best = best(case, members.iter().copied());
    let best = best.filter(|best| lossy || holds(Rule::ElectOffset, best.offset >= has.offset));
    if let Some(best) = best.filter(|_| enough || lossy) {
        let whole = enough && best.offset >= has.offset;
        return Choice::Elected(best, !whole);
    }
    if let Some(target) = promoted_before(case) {
        return Choice::Elected(target, false);
    }
    if enough {
        return Choice::Blocked(Report::NeverElected(latest));
    }
    let missing = case.record.followers.keys().filter(|who| members.iter().all(|(one, _)| one != *who));
    let missing = missing.copied().collect();
    Choice::Blocked(Report::TooFew { candidates: members.len(), needed, missing })
}

/// A target of an earlier epoch that was promoted without a witness and answers now:
/// it was elected by this very record, so it has every confirmed write.
fn promoted_before(case: &Case<'_>) -> Option<Target> {
    let primary = case.record.primary.as_ref()?;
    let doubtful = case.record.failover.as_ref().map(|failover| &failover.doubtful)?;
    let answers = doubtful.iter().filter_map(|(who, doubt)| Some((*who, doubt, case.answer_of(who)?)));
    let shifted = answers.filter(|(_, doubt, answer)| {
        // Chosen again it may have been promoted again, or not.
        let again = doubt.replid != primary.replid && answer.replid == doubt.replid;
        let is_it = answer.replid2 == doubt.replid || again;
        answer.is_at_dead(case.record.epoch) && !answer.loading && is_it
    });
    best(case, shifted.map(|(who, _, answer)| (who, answer)))
}

/// Puts the chosen one on record, to be promoted.
pub(super) fn put_on_record(case: &Case<'_>, target: Target, lossy: bool) -> Step {
    let mut record = case.record.clone();
    if lossy {
        record.lossy = Some(record.epoch);
    }
    if let Some(failover) = &mut record.failover {
        failover.phase = Phase::Promote;
        failover.to = Some(target);
    }
    checkpoint(record)
}

/// After the old primary was told: itself, or whoever has exactly its offset.
fn level_with(
    case: &Case<'_>,
    old: (Incarnation, &Answer),
    members: &[(Incarnation, &Answer)],
) -> Option<Target> {
    let wanted = case.record.failover.as_ref().and_then(|failover| failover.to.as_ref());
    let level = |one: &&(Incarnation, &Answer)| holds(Rule::SwitchOffset, one.1.offset == old.1.offset);
    let wanted = members.iter().filter(level).find(|(who, _)| wanted.is_some_and(|it| it.who == *who));
    if let Some((who, answer)) = wanted {
        return Some(target(*who, answer));
    }
    let stays =
        |who: &Incarnation| case.pod_of(who).is_some_and(|pod| !pod.terminating) && !case.is_leaving(who.pod);
    // Itself, if it stays: nobody has to sync anew.
    if stays(&old.0) {
        return Some(target(old.0, old.1));
    }
    let others = members.iter().filter(level).copied().filter(|(who, _)| stays(who));
    best(case, others).or_else(|| Some(target(old.0, old.1)))
}

fn candidates<'a>(case: &Case<'a>) -> impl Iterator<Item = (Incarnation, &'a Answer)> {
    let case = *case;
    case.processes().filter(move |(who, answer)| {
        let primary = case.record.primary.as_ref().is_some_and(|primary| primary.who == *who);
        !primary
            && holds(Rule::ElectMember, case.record.followers.contains_key(who))
            && holds(Rule::ElectEpoch, answer.is_at_dead(case.record.epoch))
            && holds(Rule::ElectReady, case.pod_of(who).is_some_and(|pod| pod.ready_once))
            && carries_current(&case, answer)
    })
}

/// Loaded, and of the reign on record.
fn carries_current(case: &Case<'_>, answer: &Answer) -> bool {
    let primary = case.record.primary.as_ref();
    let current = primary.is_some_and(|primary| primary.replid == answer.replid);
    let began = primary.is_some_and(|primary| answer.offset >= primary.began);
    holds(Rule::ElectLoaded, !answer.loading)
        && holds(Rule::ElectCurrent, current)
        && holds(Rule::ElectBegan, began)
}

/// Highest offset, then priority (0 is never chosen), then updated, then ordinal.
fn best<'a>(case: &Case<'_>, candidates: impl Iterator<Item = (Incarnation, &'a Answer)>) -> Option<Target> {
    let ranked = candidates.filter_map(|(who, answer)| {
        let pod = case.pod_of(&who).filter(|pod| pod.priority > 0)?;
        let offset = if holds(Rule::ElectOffset, false) { 0 } else { answer.offset };
        // Redis prefers the lowest priority; a pod that goes comes last among equals.
        let rank = (offset, !pod.terminating, Reverse(pod.priority), pod.updated, Reverse(who.pod));
        Some((rank, who, answer))
    });
    ranked.max_by_key(|(rank, _, _)| *rank).map(|(_, who, answer)| target(who, answer))
}

fn target(who: Incarnation, answer: &Answer) -> Target {
    Target { who, replid: answer.replid, offset: answer.offset }
}
