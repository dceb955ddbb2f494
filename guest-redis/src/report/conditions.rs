use operlet_sdk::{ConditionStatus, Outcome};

use super::{Report, Summary};
use crate::protocol::{
    record::{Cause, Phase},
    step,
};

impl Report<'_> {
    pub(super) fn push_conditions(&self, summary: &Summary, outcome: &mut Outcome) {
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
        self.push_update(summary, outcome);
    }

    fn push_primary(&self, summary: &Summary, outcome: &mut Outcome) {
        let names = self.instance.names;
        let (reason, message) = match (summary.serving, &self.settlement.report, self.record.phase()) {
            (Some(pod), ..) => ("Serving", format!("{} takes writes", names.pod(pod))),
            (None, Some(report), _) => self.words(report),
            (None, None, Some(phase)) => (phase_reason(phase), self.progress(phase)),
            (None, None, None) => match &self.record.primary {
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
        let blocked = report.filter(|report| report.is_blocked());
        let (reason, message) = match blocked {
            Some(report) => self.words(report),
            None => ("NotBlocked", "nothing stands in the way of a primary".to_owned()),
        };
        outcome.condition("FailoverBlocked", blocked.is_some().into(), reason, message);
        let lost = report.filter(|report| matches!(report, step::Report::DataLossPossible));
        let (reason, message) = match lost {
            Some(report) => self.words(report),
            None => ("NoneKnown", "no failover went on without a proof".to_owned()),
        };
        outcome.condition("DataLossPossible", lost.is_some().into(), reason, message);
    }

    fn push_update(&self, summary: &Summary, outcome: &mut Outcome) {
        let (reason, message) = match summary.updated {
            true => ("Applied", "every pod runs with the configuration of the spec"),
            false => ("RollingOut", "not every pod runs with the configuration of the spec yet"),
        };
        outcome.condition("ConfigApplied", summary.updated.into(), reason, message);
        let blocked =
            self.settlement.report.as_ref().filter(|report| {
                matches!(report, step::Report::UpdateBlocked | step::Report::CannotHibernate)
            });
        let (reason, message) = match blocked {
            Some(report) => self.words(report),
            None => ("NotBlocked", "nothing stands in the way of an update".to_owned()),
        };
        outcome.condition("UpdateBlocked", blocked.is_some().into(), reason, message);
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
