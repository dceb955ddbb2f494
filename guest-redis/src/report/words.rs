//! What is waited for, for whom, and what a person can do.

use super::Report as Case;
use crate::{
    names::{ACCEPT_LOSS_ANNOTATION, FENCED_ANNOTATION},
    protocol::{
        record::{Incarnation, Ordinal},
        step::Report,
    },
    recorded::uuid,
};

impl Case<'_> {
    /// A reason in one word, and the words for a person.
    pub(super) fn words(&self, report: &Report) -> (&'static str, String) {
        match report {
            Report::CutOff(primary) if self.facts.strangers.contains(&primary.pod) => (
                "OperatorRefused",
                format!(
                    "{} serves clients as before and refuses the operator, so there is no failover: the Secret {}, or \
                     the certificate, is not what it was started with. Restore it; if it is lost, restart each container",
                    self.pod(primary),
                    self.instance.names.operator
                ),
            ),
            Report::CutOff(primary) => (
                "OperatorCutOff",
                format!(
                    "{} does not answer the operator and is alive: nothing is changed. Check the network between the \
                     host and the pod",
                    self.pod(primary)
                ),
            ),
            Report::Unfenced { primary, reachable } => (
                "PrimaryNotFenced",
                format!(
                    "{} is silent and might still take writes: it is not known to be dead, and {} could confirm them. \
                     It goes on when the pod's container is known to have ended, when the pod answers, or when its \
                     replicas have been cut off for long enough. If you know that it is off for good: {}",
                    self.pod(primary),
                    self.pods(reachable),
                    self.vouch(primary)
                ),
            ),
            Report::TooFew { candidates, needed, missing } => (
                "TooFewReplicas",
                format!(
                    "{candidates} replicas answer with the last primary's data and {needed} are needed to know every \
                     confirmed write; waiting for {}. {}",
                    self.pods(missing),
                    self.accept()
                ),
            ),
            Report::NotProvenDead(those) => (
                "NotProvenDead",
                format!(
                    "nobody who answers has the last primary's data in memory, and {} may still have it: waiting for \
                     them to answer or to be known to have ended. {}",
                    self.pods(those),
                    self.accept()
                ),
            ),
            Report::ClaimLost(pod) => (
                "DataLost",
                format!(
                    "the data of {}, the last primary, is gone while others hold data: restore its volume. {}",
                    self.instance.names.pod(*pod),
                    self.accept()
                ),
            ),
            Report::DataUnknown(pods) => (
                "DataUnknown",
                format!(
                    "{} hold data, and nothing on record says whose is right: remove what should not be there, or \
                     restore the status",
                    self.ordinals(pods)
                ),
            ),
            Report::Awaited(pods) => {
                ("WaitingForPods", format!("waiting for {} to answer; see kubectl describe pod", self.ordinals(pods)))
            }
            Report::ManyPrimaries(pods) => (
                "ManyPrimaries",
                format!(
                    "{} all say that they are primary, and nothing is on record: make all but one of them replicas",
                    self.ordinals(pods)
                ),
            ),
            Report::TargetSilent(target) => (
                "TargetSilent",
                format!(
                    "{} may have become the primary and does not answer: it goes on when it answers or is known to \
                     have ended. If you know that it is off for good: {}",
                    self.pod(target),
                    self.vouch(target)
                ),
            ),
            Report::Opening(missing) => (
                "WaitingForReplicas",
                format!("{missing} more replicas must follow the new primary before it is opened for writes"),
            ),
            Report::Unopened(missing) => (
                "ReplicasMissing",
                format!(
                    "{missing} more replicas must follow the new primary before it is opened for writes, and have not \
                     for long: see why their pods do not start or follow, or lower spec.replication.minReplicasToWrite"
                ),
            ),
            Report::NeverElected(who) => (
                "NeverElected",
                format!("{} has the latest writes and a replica-priority of 0: set another", self.pod(who)),
            ),
            Report::UpdateBlocked { pod, awaited } if awaited.is_empty() => (
                "PausedBeforePrimary",
                format!(
                    "only {} is left to be replaced, and spec.update.strategy leaves it: ask for a switchover",
                    self.instance.names.pod(*pod)
                ),
            ),
            Report::UpdateBlocked { pod, awaited } => (
                "WaitingForReplicas",
                format!(
                    "{} is to be replaced next, once {} are there and in sync",
                    self.instance.names.pod(*pod),
                    self.ordinals(awaited)
                ),
            ),
            Report::SwitchoverAwaits(target) => (
                "SwitchoverWaiting",
                format!(
                    "{} is to take over and cannot yet: it must have been ready once, follow the primary in sync, and \
                     not be about to go. See status.members, and kubectl describe pod",
                    target.map_or_else(|| "a replica".to_owned(), |pod| self.instance.names.pod(pod))
                ),
            ),
            Report::SwitchoverFailed { times } => (
                "SwitchoverFailed",
                format!(
                    "{times} hand-overs failed one after the other: no replica had all of the primary's writes in time. \
                     See that replicas keep up, or raise spec.update.switchoverTimeoutSeconds"
                ),
            ),
            Report::DataLossPossible => (
                "WentOnWithoutProof",
                "it went on without a proof or without all data: writes may be lost".to_owned(),
            ),
            Report::Hibernated => ("Hibernated", "there are no pods; the data is on the volumes".to_owned()),
            Report::CannotHibernate => (
                "NeedsStorage",
                "spec.hibernated needs spec.storage and a persistence other than None: without them the data would be \
                 lost"
                    .to_owned(),
            ),
        }
    }

    fn accept(&self) -> String {
        let id = self.record.failover.as_ref().map_or(0, |failover| failover.id);
        let command = self.annotate();
        format!("To go on without the writes that only they have: {command} {ACCEPT_LOSS_ANNOTATION}={id}")
    }

    /// A word is taken once, when the annotation comes to name a uid. So other uids may
    /// go from it, and one that is named already has to go before it is named again. Both
    /// at once could be seen as no change, so the second command is told after the first.
    fn vouch(&self, who: &Incarnation) -> String {
        let command = self.annotate();
        if self.record.vouched.contains(&who.uid) {
            return format!(
                "your word of before was about another process of the pod or was given while it answered: take it back \
                 ({command} {FENCED_ANNOTATION}-), and then give it again as this message says then"
            );
        }
        format!("{command} {FENCED_ANNOTATION}={}", uuid(&who.uid))
    }

    fn annotate(&self) -> String {
        let names = self.instance.names;
        format!("kubectl -n {} annotate redis {} --overwrite", names.namespace, names.redis)
    }

    fn pod(&self, who: &Incarnation) -> String {
        self.instance.names.pod(who.pod)
    }

    fn pods(&self, those: &[Incarnation]) -> String {
        let ordinals: Vec<Ordinal> = those.iter().map(|who| who.pod).collect();
        self.ordinals(&ordinals)
    }

    fn ordinals(&self, pods: &[Ordinal]) -> String {
        let mut names: Vec<String> = pods.iter().map(|pod| self.instance.names.pod(*pod)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() { "nobody else".to_owned() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use operlet_sdk::{ConditionStatus, Operator as _, Outcome, testing};

    use super::*;
    use crate::{
        RedisOperlet,
        build::Instance,
        facts,
        names::Names,
        observed::Observed,
        protocol::{
            facts::Facts,
            record::{Cause, Doubtful, Failover, Phase, Record, RunId, Uid},
            step::Settlement,
        },
        report::Summary,
        spec::RedisSpec,
        upkeep::Upkeep,
    };

    const FIRST: Incarnation = Incarnation { pod: 0, uid: Uid([1; 16]), run: RunId([1; 20]) };
    const SECOND: Incarnation = Incarnation { pod: 1, uid: Uid([2; 16]), run: RunId([2; 20]) };
    const VOUCH: &str = "kubectl -n shop annotate redis sample --overwrite redis.operlet.dev/fenced=01010101-0101-0101-0101-010101010101";
    const TAKE_BACK: &str = "kubectl -n shop annotate redis sample --overwrite redis.operlet.dev/fenced-";
    const ACCEPT: &str = "kubectl -n shop annotate redis sample --overwrite redis.operlet.dev/accept-loss=7";

    /// What the conditions say while this is waited for, after a person has vouched for
    /// these.
    fn conditions(report: Report, vouched: &[Uid]) -> BTreeMap<String, (ConditionStatus, String, String)> {
        let names = Names::new("sample", "shop");
        let spec: RedisSpec = serde_json::from_str("{}").unwrap();
        let instance = Instance::new(&names, &spec, "redis", 0);
        let observation = testing::observation(&()).with_kinds_of(&RedisOperlet::describe());
        let failover = Failover {
            id: 7,
            request: None,
            phase: Phase::Fence,
            cause: Cause::Lost,
            from: Some(FIRST),
            to: None,
            doubtful: Doubtful::new(),
            claim: None,
            started_at: 0,
        };
        let case = Case {
            instance: &instance,
            observed: &Observed::read(&observation, &names).unwrap(),
            policy: &facts::policy(&spec, &names, &Record::default()),
            facts: &Facts { strangers: [SECOND.pod].into(), ..Facts::default() },
            record: &Record {
                epoch: 8,
                failover: Some(failover),
                vouched: vouched.iter().copied().collect(),
                ..Record::default()
            },
            upkeep: &Upkeep::default(),
            invalid: None,
            settlement: &Settlement { report: Some(report), ..Settlement::default() },
            version: "8.0",
        };
        let summary = Summary {
            members: vec![],
            ready: 0,
            in_sync: 0,
            serving: None,
            outdated: vec![],
            configured: true,
            phase: "Degraded",
        };
        let mut outcome = Outcome::new();
        case.push_conditions(&summary, 0, &mut outcome);
        let all = outcome.conditions.into_iter();
        all.map(|one| (one.type_, (one.status, one.reason, one.message))).collect()
    }

    /// Checks that a person is told why there is no primary, by these words, and that
    /// exactly these conditions beside it are raised.
    #[track_caller]
    fn check(report: Report, reason: &str, words: &[&str], raised: &[&str]) {
        let conditions = conditions(report, &[]);
        let (available, why, message) = &conditions["PrimaryAvailable"];
        assert_eq!((*available, why.as_str()), (ConditionStatus::False, reason));
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
        for name in ["FailoverBlocked", "UpdateBlocked"] {
            let (status, why, text) = &conditions[name];
            assert_eq!(*status, raised.contains(&name).into(), "{name}");
            assert_eq!(
                (why == reason, text == message),
                (raised.contains(&name), raised.contains(&name)),
                "{name}"
            );
        }
    }

    #[test]
    fn whatever_is_waited_for_is_named_with_what_can_be_done() {
        let blocked = ["FailoverBlocked"];
        check(Report::CutOff(FIRST), "OperatorCutOff", &["sample-0", "Check the network"], &[]);
        let restore = ["sample-1 serves", "the Secret sample-operator", "Restore it", "restart each"];
        check(Report::CutOff(SECOND), "OperatorRefused", &restore, &[]);
        let unfenced = Report::Unfenced { primary: FIRST, reachable: vec![SECOND] };
        check(unfenced, "PrimaryNotFenced", &["sample-0 is silent", "and sample-1 could", VOUCH], &blocked);
        let alone = Report::Unfenced { primary: FIRST, reachable: vec![] };
        check(alone, "PrimaryNotFenced", &["sample-0 is silent", VOUCH], &blocked);
        let too_few = Report::TooFew { candidates: 1, needed: 2, missing: vec![FIRST, SECOND, SECOND] };
        check(
            too_few,
            "TooFewReplicas",
            &["1 replicas", "2 are needed", "for sample-0, sample-1. ", ACCEPT],
            &blocked,
        );
        check(Report::NotProvenDead(vec![SECOND]), "NotProvenDead", &["sample-1", ACCEPT], &blocked);
        check(
            Report::ClaimLost(0),
            "DataLost",
            &["data of sample-0", "restore its volume", ACCEPT],
            &blocked,
        );
        let unknown = Report::DataUnknown(vec![1, 2]);
        check(
            unknown,
            "DataUnknown",
            &["sample-1, sample-2 hold data", "remove what", "restore the status"],
            &blocked,
        );
        check(Report::Awaited(vec![2]), "WaitingForPods", &["sample-2", "kubectl"], &blocked);
        let many = Report::ManyPrimaries(vec![0, 1]);
        check(many, "ManyPrimaries", &["sample-0, sample-1", "make all but one"], &blocked);
        check(Report::TargetSilent(FIRST), "TargetSilent", &["sample-0", VOUCH], &blocked);
        check(Report::Opening(1), "WaitingForReplicas", &["1 more"], &[]);
        let paused = Report::UpdateBlocked { pod: 0, awaited: vec![] };
        check(paused, "PausedBeforePrimary", &["sample-0", "ask for a switchover"], &["UpdateBlocked"]);
        let in_turn = Report::UpdateBlocked { pod: 2, awaited: vec![1] };
        check(in_turn, "WaitingForReplicas", &["sample-2", "once sample-1"], &[]);
        let awaits = Report::SwitchoverAwaits(Some(2));
        check(awaits, "SwitchoverWaiting", &["sample-2 is to take over", "in sync"], &[]);
        check(Report::SwitchoverAwaits(None), "SwitchoverWaiting", &["a replica is to"], &[]);
        let failed = Report::SwitchoverFailed { times: 3 };
        check(failed, "SwitchoverFailed", &["3 hand-overs", "switchoverTimeoutSeconds"], &["UpdateBlocked"]);
        check(Report::DataLossPossible, "WentOnWithoutProof", &["writes may be lost"], &[]);
        check(Report::Hibernated, "Hibernated", &["the data is on the volumes"], &[]);
        let needs = ["spec.hibernated", "spec.storage", "persistence"];
        check(Report::CannotHibernate, "NeedsStorage", &needs, &["UpdateBlocked"]);
    }
    #[test]
    fn a_word_that_was_given_before_is_taken_back_first() {
        let told =
            |report: Report, vouched: &[Uid]| conditions(report, vouched)["PrimaryAvailable"].2.clone();
        let unfenced = || Report::Unfenced { primary: FIRST, reachable: vec![SECOND] };
        for report in [unfenced(), Report::TargetSilent(FIRST)] {
            let message = told(report, &[FIRST.uid]);
            assert!(message.contains(&format!("({TAKE_BACK})")), "{message:?}");
            assert!(!message.contains(VOUCH), "it changes nothing: {message:?}");
        }
        let message = told(unfenced(), &[SECOND.uid]);
        assert!(message.ends_with(VOUCH), "the word about another is taken: {message:?}");
    }
}
