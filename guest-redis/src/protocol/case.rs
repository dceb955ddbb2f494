//! What every rule looks at.

use std::collections::BTreeMap;

use super::facts::{Answer, Facts, Link, Pod, Role, Upstream};
use super::policy::{Mode, Policy};
use super::record::{
    Cause, Doubtful, Epoch, Failover, Followers, Incarnation, Millis, Ordinal, Phase, Primary, Record,
};
use super::rules::{Rule, holds};
use super::step::{Act, Order, Report, Selection, Settlement, Step};

/// How soon to look again while something is under way.
pub(super) const SOON_MS: Millis = 200;

/// One decision's facts, after a look.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a Facts,
    pub(super) record: &'a Record,
    pub(super) answers: &'a BTreeMap<Ordinal, Answer>,
}

impl<'a> Case<'a> {
    pub(super) fn is_safe(&self) -> bool {
        self.policy.mode == Mode::Safe
    }

    /// The pod that an incarnation lives in, if it is still that one.
    pub(super) fn pod_of(&self, who: &Incarnation) -> Option<&'a Pod> {
        self.facts.pods.get(&who.pod).filter(|pod| pod.uid == who.uid)
    }

    /// What this very process answered.
    pub(super) fn answer_of(&self, who: &Incarnation) -> Option<&'a Answer> {
        self.pod_of(who)?;
        self.answers.get(&who.pod).filter(|answer| answer.run == who.run)
    }

    /// Every process that answered.
    pub(super) fn processes(&self) -> impl Iterator<Item = (Incarnation, &'a Answer)> + use<'a> {
        let pods = &self.facts.pods;
        self.answers.iter().filter_map(|(ordinal, answer)| {
            let uid = pods.get(ordinal)?.uid;
            Some((Incarnation { pod: *ordinal, uid, run: answer.run }, answer))
        })
    }

    /// The process that answered in this pod.
    pub(super) fn process(&self, pod: Ordinal) -> Option<(Incarnation, &'a Answer)> {
        self.processes().find(|(who, _)| who.pod == pod)
    }

    /// The primary on record, if it answers as one.
    pub(super) fn primary(&self) -> Option<(&'a Primary, &'a Answer)> {
        let primary = self.record.primary.as_ref()?;
        let answer = self.answer_of(&primary.who)?;
        (answer.role == Role::Primary).then_some((primary, answer))
    }

    /// Whether a person accepts that this failover loses writes.
    pub(super) fn accepts_loss(&self) -> bool {
        let failover = self.record.failover.as_ref();
        failover.is_some_and(|failover| self.facts.accept_loss == Some(failover.id))
    }

    /// The pods that should be and do not answer.
    pub(super) fn awaited(&self) -> Vec<Ordinal> {
        (0..self.policy.pods()).filter(|pod| self.process(*pod).is_none()).collect()
    }

    /// A replica that follows the primary, seen from both ends.
    pub(super) fn carries(&self, who: &Incarnation) -> bool {
        let Some((primary, at_primary)) = self.primary() else { return false };
        let Some(answer) = self.answer_of(who) else { return false };
        let linked = matches!(answer.link, Link::Up { .. }) && !answer.loading;
        let Role::Replica(Upstream::Address(address)) = answer.role else { return false };
        linked
            && self.pod_of(&primary.who).is_some_and(|pod| pod.address == Some(address))
            && answer.replid == primary.replid
            && holds(Rule::ElectBegan, answer.offset >= primary.began)
            && at_primary.replid == primary.replid
            && at_primary.members.get(&who.run) == Some(&true)
    }

    /// Followers on record that follow the primary.
    pub(super) fn in_sync(&self) -> impl Iterator<Item = Incarnation> + use<'a> {
        let case = *self;
        self.record.followers.keys().copied().filter(move |who| case.carries(who))
    }

    /// Pods that leave with the next scale down.
    pub(super) fn is_leaving(&self, pod: Ordinal) -> bool {
        pod >= self.policy.pods()
    }

    /// An act tied to what was seen.
    pub(super) fn act(&self, who: Incarnation, answer: &Answer, order: Order) -> Act {
        Act { on: who, expect: answer.role, order }
    }

    /// The acts that were not tried in this reconcile, as a step.
    pub(super) fn do_once(&self, acts: impl IntoIterator<Item = Act>) -> Option<Step> {
        let acts: Vec<Act> =
            acts.into_iter().filter(|act| !self.facts.tried.contains(&act.tried())).collect();
        (!acts.is_empty()).then_some(Step::Act(acts))
    }

    /// How many pods must stay: a member that leaves stays until it is struck.
    pub(super) fn pods(&self) -> Option<Ordinal> {
        let held = self.record.followers.iter().filter(|(_, follower)| follower.dead.is_none());
        let held = held.map(|(who, _)| who.pod);
        let primary = self.record.primary.iter().map(|primary| primary.who.pod);
        let target = self.record.failover.iter().filter_map(|failover| failover.to.as_ref());
        let target = target.map(|target| target.who.pod);
        let highest = held.chain(primary).chain(target).max();
        let held = highest.map_or(0, |highest| highest.saturating_add(1));
        let exist = self.facts.pods.keys().next_back().map_or(0, |highest| highest.saturating_add(1));
        // The pod whose data decides must be there, whether it is to stay or not.
        let claim = self.record.failover.as_ref().and_then(|failover| failover.claim);
        let claim = claim.map_or(0, |claim| claim.saturating_add(1));
        Some(self.policy.pods().max(held.min(exist)).max(claim))
    }

    /// The primary's claim, if this epoch is not written on it yet.
    pub(super) fn unmarked(&self) -> Option<(Ordinal, Epoch)> {
        let pod = self.record.primary.as_ref()?.who.pod;
        let marked = self.facts.claims.get(&pod).copied().unwrap_or_default();
        (marked < self.record.epoch).then_some((pod, self.record.epoch))
    }

    /// Nothing more to do now; look again soon.
    pub(super) fn wait(&self, report: Report) -> Step {
        Step::Settle(Settlement {
            pods: self.pods(),
            again_ms: Some(SOON_MS),
            report: Some(report),
            ..Settlement::default()
        })
    }

    /// Closes the read-write Service and goes on at once.
    pub(super) fn close(&self) -> Step {
        Step::Settle(Settlement {
            service: Selection::Close,
            pods: self.pods(),
            again_ms: Some(0),
            ..Settlement::default()
        })
    }
}

/// A step that puts this on record.
pub(super) fn checkpoint(record: Record) -> Step {
    Step::Checkpoint(Box::new(record))
}

/// The record with a fence begun, in an epoch of its own. A target that may have
/// been promoted without a witness is remembered.
pub(super) fn fence_anew(record: &Record, cause: Cause, now: Millis) -> Record {
    let mut next = record.clone();
    next.epoch = record.epoch.saturating_add(1);
    let before = record.failover.as_ref();
    let promoted = before.filter(|failover| failover.phase == Phase::Promote);
    let target = promoted.and_then(|failover| failover.to.as_ref());
    let mut doubtful: Doubtful = before.map(|failover| failover.doubtful.clone()).unwrap_or_default();
    if let Some(target) = target {
        doubtful.entry(target.who).or_default().replid = target.replid;
    }
    let unfinished = before.filter(|failover| matches!(failover.phase, Phase::Fence | Phase::Promote));
    let same = before.filter(|failover| !matches!(failover.phase, Phase::Open | Phase::Kick));
    next.failover = Some(Failover {
        id: same.map_or(next.epoch, |failover| failover.id),
        phase: Phase::Fence,
        cause,
        from: record.primary.as_ref().map(|primary| primary.who),
        to: None,
        doubtful,
        claim: match &record.primary {
            Some(_) => None,
            None => {
                target.map(|target| target.who.pod).or_else(|| before.and_then(|failover| failover.claim))
            }
        },
        started_at: unfinished.map_or(now, |failover| failover.started_at),
        request: same.and_then(|failover| failover.request),
    });
    for follower in next.followers.values_mut() {
        follower.told = None;
    }
    next
}

/// The record with a follower's place kept, and nothing known of it.
pub(super) fn add_followers(followers: &mut Followers, those: impl IntoIterator<Item = Incarnation>) {
    for who in those {
        followers.entry(who).or_default();
    }
}
