//! What the status, the conditions and the events say.

mod conditions;
mod events;
mod members;
mod words;

use std::time::Duration;

use operlet_sdk::{Failure, Observation, Outcome};

use crate::{
    VERSION,
    build::Instance,
    carried::{self, Carried},
    names::{NAME_LABEL, PORT, ROLE_LABEL},
    observed::Observed,
    protocol::{
        facts::{Answer, Facts, Role},
        policy::Policy,
        record::{Cause, Incarnation, Millis, Ordinal, Phase, Record},
        step::{Selection, Settlement},
    },
    recorded,
    status::{AppliedConfig, Member, RedisStatus},
    upkeep::Upkeep,
};

/// All that there is to tell of.
pub(crate) struct Report<'a> {
    pub(crate) instance: &'a Instance<'a>,
    pub(crate) observed: &'a Observed<'a>,
    pub(crate) policy: &'a Policy,
    pub(crate) facts: &'a Facts,
    pub(crate) record: &'a Record,
    pub(crate) settlement: &'a Settlement,
    pub(crate) upkeep: &'a Upkeep<'a>,
    pub(crate) version: &'a str,
    /// Why the spec is not carried out, if it is not.
    pub(crate) invalid: Option<&'a str>,
}

/// How often servers are asked how they are while nothing happens: a link between two of
/// them may be lost without a word.
const REST_MS: Millis = 10_000;

/// What a person sees first.
#[derive(Debug)]
struct Summary {
    members: Vec<Member>,
    ready: usize,
    /// Replicas that have what the primary has.
    in_sync: usize,
    /// The pod that takes writes through the Service.
    serving: Option<Ordinal>,
    /// Pods that are not made from the present template.
    outdated: Vec<String>,
    /// Whether every wanted pod is there, made from the present template, and runs with
    /// the present settings.
    configured: bool,
    phase: &'static str,
}

impl Report<'_> {
    /// Tells, and says when to look again.
    pub(crate) fn tell(
        &self,
        before: &RedisStatus,
        config: AppliedConfig,
        carried: &mut Carried,
        observation: &Observation,
        outcome: &mut Outcome,
    ) -> Result<Option<Duration>, Failure> {
        let summary = self.summarise(before.phase.as_deref());
        let primary = self.record.primary.as_ref().map(|primary| primary.who);
        let answers = |who: &Incarnation| self.answer(who.pod).is_some_and(|it| it.run == who.run);
        let silent = primary.is_some_and(|primary| !answers(&primary));
        carried.note_silence(primary.as_ref(), silent, observation);
        let going = primary.and_then(|primary| self.observed.pods.get(&primary.pod));
        let going = going.filter(|pod| pod.is_terminating()).map(|pod| &*pod.metadata.uid);
        carried.note_going(going, observation.now_ms);
        let mute = self.observed.pods.iter().filter(|(pod, _)| self.answer(**pod).is_none());
        carried.note_mute(mute.map(|(_, pod)| pod.metadata.uid.to_string()));
        let (epoch, phase, report) = (self.record.epoch, self.record.phase(), &self.settlement.report);
        let now = observation.now_ms;
        let what = format!("{epoch} {phase:?} {report:?} {silent}");
        let waited_ms = carried.wait(self.settlement.again_ms.map(|_| what.as_str()), now);
        let again = self.settlement.again_ms.map(|again_ms| carried::pace(again_ms, waited_ms));
        self.push_conditions(&summary, waited_ms, outcome);
        self.push_events(&summary, before.phase.as_deref(), carried, outcome);
        let rest = self.record.primary.as_ref().filter(|_| !self.record.hibernated).map(|_| REST_MS);
        let again = again.or(rest).into_iter().chain(self.upkeep.again_ms).min();
        outcome.with_status(&self.status(before, config, summary))?;
        Ok(again.map(Duration::from_millis))
    }

    fn answer(&self, pod: Ordinal) -> Option<&Answer> {
        self.facts.answers.as_ref()?.get(&pod)
    }

    fn summarise(&self, before: Option<&str>) -> Summary {
        let in_sync = crate::protocol::in_sync(self.policy, self.facts, self.record);
        let members = self.members(&in_sync);
        let ready = self.observed.pods.values().filter(|pod| pod.is_ready()).count();
        let serving = self.serving();
        let wanted = usize::from(self.policy.pods());
        let updated = self.facts.pods.len() == wanted && self.is_updated();
        let outdated = self.facts.pods.iter().filter(|(_, pod)| !pod.updated);
        let outdated: Vec<String> = outdated.map(|(pod, _)| self.instance.names.pod(*pod)).collect();
        let kept = self.upkeep.behind.is_empty() && self.upkeep.missing.is_none();
        let kept = kept && self.upkeep.growth.refused().is_none();
        let as_told = updated && kept && self.record.primary.is_some();
        let configured = as_told && self.invalid.is_none();
        let complete =
            ready == wanted && serving.is_some() && in_sync.len() == usize::from(self.policy.replicas);
        let cause = self.record.failover.as_ref().map(|failover| failover.cause);
        let phase = match cause {
            _ if self.record.hibernated => "Hibernated",
            Some(Cause::Lost) => "FailingOver",
            Some(Cause::Planned | Cause::Hibernate) => "SwitchingOver",
            None if as_told && complete => "Running",
            _ if matches!(before, None | Some("" | "Creating")) => "Creating",
            _ if !as_told || self.settlement.delete.is_some() => "Updating",
            // The pod that was replaced last still has to come up and follow.
            _ if before == Some("Updating") => "Updating",
            _ => "Degraded",
        };
        Summary { members, ready, in_sync: in_sync.len(), serving, outdated, configured, phase }
    }

    /// Whether every pod is made from the present template, as far as is known: one that
    /// was just changed has no revision yet, or is not even written.
    fn is_updated(&self) -> bool {
        let hash = Some(self.instance.config_hash.as_str());
        let set = self.observed.stateful_set.as_ref();
        set.and_then(|set| set.update_revision()).is_some()
            && self.facts.pods.values().all(|pod| pod.updated)
            && self.observed.pods.values().all(|pod| pod.config_hash() == hash)
    }

    /// The primary that is confirmed, answers, and is where the Service leads.
    fn serving(&self) -> Option<Ordinal> {
        let who = self.record.primary.as_ref()?.who;
        let answer = self.answer(who.pod).filter(|answer| answer.run == who.run)?;
        let selected = match self.settlement.service {
            Selection::Keep => self.facts.service.selects,
            Selection::Close => None,
            Selection::Select(pod) => Some(pod),
        };
        let paused = self.record.phase() == Some(Phase::Fence);
        let good = answer.members.values().filter(|is_good| **is_good).count();
        let enough = good >= usize::from(answer.min_replicas);
        (answer.role == Role::Primary && enough && selected == Some(who.pod) && !paused).then_some(who.pod)
    }

    fn status(&self, before: &RedisStatus, config: AppliedConfig, summary: Summary) -> RedisStatus {
        let names = self.instance.names;
        let followers = summary.members.iter().filter(|member| member.role == "replica").count();
        let asked = self.instance.spec.switchover.as_ref().map(|asked| asked.request_id.as_str());
        let mut status = RedisStatus {
            operlet_version: Some(VERSION.to_owned()),
            phase: Some(summary.phase.to_owned()),
            version: Some(self.version.to_owned()),
            ready: Some(format!("{}/{}", summary.ready, self.policy.pods())),
            replicas: i32::try_from(followers).ok(),
            selector: Some(format!("{NAME_LABEL}={},{ROLE_LABEL}=replica", names.redis)),
            members: summary.members,
            endpoint: Some(format!("{}:{PORT}", names.host)),
            secret_name: Some(self.instance.secret_name().to_owned()),
            config: Some(AppliedConfig {
                applied: summary.configured.then(|| self.instance.redis_conf.hash.clone()),
                pending_restart: summary.outdated,
                ..config
            }),
            ..RedisStatus::default()
        };
        recorded::write(self.record, names, asked, before, &mut status);
        status
    }
}
