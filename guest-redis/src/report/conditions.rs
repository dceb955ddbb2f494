use operlet_sdk::{ConditionStatus, Outcome};

use super::{Report, Summary};
use crate::protocol::{
    record::{Cause, Millis, Phase},
    step,
};

/// For how long a pod may be waited for before that is worth a word.
const ROLL_MS: Millis = 60_000;

impl Report<'_> {
    pub(super) fn push_conditions(&self, summary: &Summary, waited_ms: Millis, outcome: &mut Outcome) {
        let wanted = self.policy.pods();
        let counts = format!("{} of {wanted} pods are ready", summary.ready);
        let is = |phases: &[&str]| ConditionStatus::from(phases.contains(&summary.phase));
        outcome.condition("Ready", is(&["Running"]), summary.phase, &*counts);
        let progressing = is(&["Creating", "Updating", "FailingOver", "SwitchingOver"]);
        outcome.condition("Progressing", progressing, summary.phase, &*counts);
        outcome.condition("Degraded", is(&["Degraded", "FailingOver"]), summary.phase, &*counts);
        self.push_primary(summary, outcome);
        self.push_replication(summary, outcome);
        self.push_failover(outcome);
        self.push_update(summary, waited_ms, outcome);
    }

    fn push_primary(&self, summary: &Summary, outcome: &mut Outcome) {
        let names = self.instance.names;
        let (reason, message) = match (summary.serving, &self.settlement.report, self.record.phase()) {
            (Some(pod), ..) => ("Serving", format!("{} takes writes", names.pod(pod))),
            (None, Some(report), _) => self.words(report),
            (None, None, Some(phase)) => (phase_reason(phase), self.progress(phase)),
            (None, None, None) => match &self.record.primary {
                Some(primary) if self.answer(primary.who.pod).is_some_and(|it| it.run == primary.who.run) => {
                    (
                        "NotEnoughReplicas",
                        format!("{} refuses writes: too few replicas follow it", names.pod(primary.who.pod)),
                    )
                }
                Some(primary) => (
                    "Silent",
                    format!("{} does not answer; it is about to be replaced", names.pod(primary.who.pod)),
                ),
                None => ("NotChosen", "there has been no primary yet".to_owned()),
            },
        };
        outcome.condition("PrimaryAvailable", summary.serving.is_some().into(), reason, message);
    }

    fn push_replication(&self, summary: &Summary, outcome: &mut Outcome) {
        let replicas = usize::from(self.policy.replicas);
        let healthy = replicas > 0 && summary.in_sync >= replicas;
        let (reason, message) = match (replicas, healthy) {
            (0, _) => ("NoReplicas", "there are to be no replicas: the data has no second copy".to_owned()),
            (_, true) => ("InSync", format!("{replicas} of {replicas} replicas are in sync")),
            (_, false) => {
                let lacking = summary.members.iter().filter(|member| member.role != "primary");
                let lacking = lacking.filter(|member| member.sync.as_deref() != Some("inSync"));
                let names: Vec<&str> = lacking.map(|member| member.pod.as_str()).collect();
                let who =
                    if names.is_empty() { String::new() } else { format!("; not so: {}", names.join(", ")) };
                ("NotInSync", format!("{} of {replicas} replicas are in sync{who}", summary.in_sync))
            }
        };
        outcome.condition("ReplicationHealthy", healthy.into(), reason, message);
    }

    fn push_failover(&self, outcome: &mut Outcome) {
        let report = self.settlement.report.as_ref();
        // What has never had a primary has not failed over, and starts unless a person is needed.
        let needs_word = |report: &step::Report| {
            matches!(report, step::Report::DataUnknown(_) | step::Report::ManyPrimaries(_))
        };
        let blocked =
            report.filter(|report| report.is_blocked() && (self.record.epoch > 0 || needs_word(report)));
        let (reason, message) = match blocked {
            Some(report) => self.words(report),
            None => ("NotBlocked", "nothing stands in the way of a primary".to_owned()),
        };
        outcome.condition("FailoverBlocked", blocked.is_some().into(), reason, message);
        let reign = self.record.failover.as_ref().map_or(self.record.epoch, |it| it.id.saturating_sub(1));
        let lossy = self.record.lossy.filter(|epoch| *epoch >= reign);
        let (reason, message) = match lossy {
            Some(epoch) => (
                "WentOnWithoutProof",
                format!(
                    "epoch {epoch} began without a proof or without all data: writes before it may be lost"
                ),
            ),
            None => ("NoneKnown", "the primary's reign began with all confirmed writes".to_owned()),
        };
        outcome.condition("DataLossPossible", lossy.is_some().into(), reason, message);
    }

    fn push_update(&self, summary: &Summary, waited_ms: Millis, outcome: &mut Outcome) {
        let (reason, message) = self.configuration(summary);
        outcome.condition("ConfigApplied", summary.configured.into(), reason, message);
        let blocked = self.settlement.report.as_ref().filter(|report| match report {
            // One after the other takes its time.
            step::Report::UpdateBlocked { awaited, .. } => awaited.is_empty() || waited_ms >= ROLL_MS,
            step::Report::SwitchoverAwaits(_) => waited_ms >= ROLL_MS,
            step::Report::CannotHibernate | step::Report::SwitchoverFailed { .. } => true,
            _ => false,
        });
        let (reason, message) = match blocked {
            Some(report) => self.words(report),
            None => ("NotBlocked", "nothing stands in the way of an update".to_owned()),
        };
        outcome.condition("UpdateBlocked", blocked.is_some().into(), reason, message);
    }

    fn configuration(&self, summary: &Summary) -> (&'static str, String) {
        let names = self.instance.names;
        if let Some(why) = self.invalid {
            return ("InvalidSpec", format!("everything stays as it is but for failover: {why}"));
        }
        if let Some(missing) = &self.upkeep.missing {
            return ("SecretMissing", missing.clone());
        }
        if let Some((pod, words)) = self.upkeep.refused.first() {
            return (
                "Refused",
                format!("{} does not take the settings of the spec: {words}", names.pod(*pod)),
            );
        }
        if let Some(class) = self.upkeep.growth.refused() {
            return ("VolumesCannotGrow", self.cannot_grow(class));
        }
        if !summary.outdated.is_empty() {
            let pods = summary.outdated.join(", ");
            return ("RollingOut", format!("replaced one at a time to run as the spec says: {pods}"));
        }
        match summary.configured {
            true => ("Applied", "every pod runs with the configuration of the spec".to_owned()),
            false => {
                ("Applying", "waiting for every pod to run with the configuration of the spec".to_owned())
            }
        }
    }

    fn cannot_grow(&self, class: &str) -> String {
        let why = match class {
            "" => "they have no StorageClass".to_owned(),
            class => {
                format!("their StorageClass {class} is not there or does not have allowVolumeExpansion: true")
            }
        };
        format!("spec.storage.size: the claims are smaller and stay as they are, for {why}")
    }

    fn progress(&self, phase: Phase) -> String {
        let failover = self.record.failover.as_ref();
        let name = |who: Option<crate::protocol::record::Ordinal>| {
            who.map_or_else(|| "nobody".to_owned(), |pod| self.instance.names.pod(pod))
        };
        let from = name(failover.and_then(|failover| failover.from).map(|from| from.pod));
        let to = name(failover.and_then(|failover| failover.to.as_ref()).map(|to| to.who.pod));
        let planned = failover.is_some_and(|failover| failover.cause == Cause::Planned);
        match phase {
            Phase::HandOver => format!("{from} hands over to {to}"),
            Phase::Fence if planned => format!("{from} stops taking writes, for {to} to take over"),
            Phase::Fence => format!("making sure that {from} takes no more writes"),
            Phase::Promote => format!("{to} becomes the primary"),
            Phase::Open | Phase::Kick => "replicas attach to the new primary".to_owned(),
        }
    }
}

fn phase_reason(phase: Phase) -> &'static str {
    match phase {
        Phase::HandOver => "HandingOver",
        Phase::Fence => "Fencing",
        Phase::Promote => "Promoting",
        Phase::Open | Phase::Kick => "Opening",
    }
}
