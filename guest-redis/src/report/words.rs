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
            Report::CutOff(primary) => (
                "OperatorCutOff",
                format!(
                    "{} does not answer the operator, but replicas hear it: nothing is changed. Check the network \
                     between the host and the pod",
                    self.pod(primary)
                ),
            ),
            Report::Unfenced { primary, reachable } => (
                "PrimaryNotFenced",
                format!(
                    "{} is silent and might still take writes: it is not known to be dead, and {} could confirm them. \
                     It goes on when the pod's container is known to have ended, when the pod answers, or when its \
                     replicas have been cut off for long enough. If you know that it is off for good: kubectl annotate \
                     redis {} {FENCED_ANNOTATION}={}",
                    self.pod(primary),
                    self.pods(reachable),
                    self.instance.names.redis,
                    uuid(&primary.uid)
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
                     have ended. If you know that it is off for good: kubectl annotate redis {} {FENCED_ANNOTATION}={}",
                    self.pod(target),
                    self.instance.names.redis,
                    uuid(&target.uid)
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
        format!(
            "To go on without the writes that only they have: kubectl annotate redis {} {ACCEPT_LOSS_ANNOTATION}={}",
            self.instance.names.redis,
            self.record.failover.as_ref().map_or(0, |failover| failover.id)
        )
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
