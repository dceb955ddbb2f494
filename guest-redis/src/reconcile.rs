//! From an observation to a decision, round by round.

use std::collections::BTreeMap;

use operlet_sdk::{ConditionStatus, Decision, Failure, Object, Observation, Outcome};

use crate::{
    asked::Processes,
    build::{self, Instance},
    carried::Carried,
    chance::derive,
    facts,
    images::{self, Settings},
    names::Names,
    observed::Observed,
    protocol::{
        self,
        facts::Facts,
        policy::Policy,
        record::Record,
        step::{Settlement, Step},
    },
    recorded, report,
    spec::RedisSpec,
    status::RedisStatus,
    talk::{Line, users::Operator},
    validate,
};

/// After so many rounds a reconcile ends and another goes on: the host allows 32.
const ROUNDS_MAX: u32 = 28;

pub(crate) fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
    if observation.deleting {
        let mut outcome = Outcome::new();
        outcome.release();
        return Ok(outcome.settle());
    }
    let resource: Object<'_, RedisSpec, RedisStatus> = observation.resource_as()?;
    let (meta, spec) = (&resource.metadata, &resource.spec);
    if spec.paused {
        return Ok(paused(observation));
    }
    validate::check(&meta.name, spec)?;

    let settings: Settings = observation.settings_as()?;
    let before = resource.status.unwrap_or_default();
    let image = images::resolve(spec, before.version.as_deref(), &settings)?;
    let names = Names::new(&meta.name, &meta.namespace);
    let observed = Observed::read(observation, &names)?;
    validate::check_change(spec, &observed)?;

    let instance = Instance::new(&names, spec, image.image);
    let policy = facts::policy(spec, &names);
    let record = recorded::read(&before, &names)?;
    let mut carried = Carried::read(observation);
    let primary = record.primary.as_ref().map(|primary| primary.who);
    let mut facts =
        facts::facts(observation, &observed, &names, &meta.annotations, primary.as_ref(), &carried);
    let case = Case { observation, spec, instance: &instance, observed: &observed, policy: &policy };

    let Some(operator) = operator(&observed, &names)? else {
        // Its Secret comes first: nobody can be spoken to before, so no pod may come or go.
        let settlement = Settlement::default();
        return case.settle(&settlement, &facts, &record, &before, image.version, &mut carried, None);
    };
    let nonce = derive(&observation.entropy, &format!("nonce {}", observation.round));
    let line = Line { operator: &operator, transport: instance.transport(), nonce: &nonce };
    let processes = Processes { observation, observed: &observed, names: &names, line };
    processes.learn(&mut facts, primary.as_ref());

    if observation.round >= ROUNDS_MAX {
        let settlement = Settlement { again_ms: Some(0), ..Settlement::default() };
        return case.settle(
            &settlement,
            &facts,
            &record,
            &before,
            image.version,
            &mut carried,
            Some(&processes),
        );
    }
    loop {
        match protocol::step(&policy, &facts, &record) {
            Step::Look => match processes.look() {
                Some(ask) => return Ok(ask),
                None => facts.answers = Some(BTreeMap::new()),
            },
            Step::Checkpoint(next) => {
                let mut status =
                    RedisStatus { conditions: Vec::new(), observed_generation: None, ..before.clone() };
                let asked = spec.switchover.as_ref().map(|asked| asked.request_id.as_str());
                recorded::write(&next, &names, asked, &mut status);
                return Decision::checkpoint(&status);
            }
            Step::Act(acts) => {
                return Ok(processes.act(&acts, facts.answers.as_ref().unwrap_or(&BTreeMap::new())));
            }
            Step::Prove { on, acks } => return Ok(processes.prove(&on, acks)),
            Step::Settle(settlement) => {
                let processes = Some(&processes);
                return case.settle(
                    &settlement,
                    &facts,
                    &record,
                    &before,
                    image.version,
                    &mut carried,
                    processes,
                );
            }
        }
    }
}

/// What a decision is made from, beside the facts.
struct Case<'a> {
    observation: &'a Observation,
    spec: &'a RedisSpec,
    instance: &'a Instance<'a>,
    observed: &'a Observed<'a>,
    policy: &'a Policy,
}

impl Case<'_> {
    #[allow(clippy::too_many_arguments, reason = "all that a settlement is told with")]
    fn settle(
        &self,
        settlement: &Settlement,
        facts: &Facts,
        record: &Record,
        before: &RedisStatus,
        version: &str,
        carried: &mut Carried,
        processes: Option<&Processes<'_>>,
    ) -> Result<Decision, Failure> {
        let mut outcome = Outcome::new();
        outcome.condition("Paused", ConditionStatus::False, "NotPaused", "changes are carried out");
        build::intend(
            self.instance,
            self.observed,
            &self.observation.entropy,
            settlement,
            record,
            &mut outcome,
        )?;
        for probe in processes.into_iter().flat_map(|processes| processes.watch(facts, record, self.spec)) {
            outcome.probe(probe);
        }
        let report = report::Report {
            instance: self.instance,
            observed: self.observed,
            policy: self.policy,
            facts,
            record,
            settlement,
            version,
        };
        let again = report.tell(before, carried, self.observation, &mut outcome)?;
        if let Some(again) = again {
            outcome.requeue_after(again);
        }
        outcome.with_carry(carried.write());
        Ok(outcome.settle())
    }
}

/// Who the operator is to the servers; none if its Secret is not there yet.
fn operator(observed: &Observed<'_>, names: &Names<'_>) -> Result<Option<Operator>, Failure> {
    let Some(secret) = &observed.operator_secret else { return Ok(None) };
    let key = secret.entry("key").unwrap_or_default();
    Operator::from_key(&key).map(Some).ok_or_else(|| {
        Failure::invalid(format!(
            "the Secret {} has no entry 'key' of 32 bytes or more: restore it. If it is lost, delete the Secret to have it \
             made anew, and then each pod in turn, for the servers know the old one",
            names.operator
        ))
    })
}

/// Nothing is changed, and the status stays as it was.
fn paused(observation: &Observation) -> Decision {
    let mut outcome = Outcome::new();
    let message = "spec.paused is true: nothing is changed until it is false";
    outcome.keep_observed(observation).condition("Paused", ConditionStatus::True, "SpecPaused", message);
    outcome.settle()
}
