//! From an observation to a decision, round by round.

use std::collections::BTreeMap;

use operlet_sdk::{ConditionStatus, Decision, Failure, Object, Observation, Outcome, Probe};

use crate::{
    asked::Processes,
    build::{self, Instance},
    carried::Carried,
    chance::derive,
    facts,
    growth::Growth,
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
    recorded,
    report::Report,
    spec::RedisSpec,
    status::{AppliedConfig, RedisStatus},
    talk::{Line, users::Operator},
    upkeep::{self, Upkeep, Wanted},
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
        return Ok(paused(observation, &Names::new(&meta.name, &meta.namespace)));
    }
    let settings: Settings = observation.settings_as()?;
    let before = resource.status.unwrap_or_default();
    let names = Names::new(&meta.name, &meta.namespace);
    let observed = Observed::read(observation, &names)?;
    let image = validate::check(&meta.name, spec)
        .and_then(|()| validate::check_change(spec, &observed))
        .and_then(|()| images::resolve(spec, before.version.as_deref(), &settings));
    let (image, invalid) = match image {
        Ok(image) => (image, None),
        // Its primary may be lost all the same: nothing but that is seen to.
        Err(Failure::Invalid(why)) if before.epoch.is_some() => {
            (images::Resolved::as_it_was(&before), Some(why))
        }
        Err(failure) => return Err(failure),
    };

    let config = before.config.clone().unwrap_or_default();
    let config = if invalid.is_none() { config.with_settings(spec.config.keys()) } else { config };
    let instance = Instance::new(&names, spec, image.image, config.restarts.unwrap_or_default());
    let record = recorded::read(&before, &names)?;
    let policy = match invalid {
        None => facts::policy(spec, &names, &record),
        Some(_) => facts::as_it_was(spec, &names, &observed, &record),
    };
    let mut carried = Carried::read(observation);
    let primary = record.primary.as_ref().map(|primary| primary.who);
    let mut facts =
        facts::facts(observation, &observed, &names, &meta.annotations, primary.as_ref(), &carried);
    let case = Case {
        observation,
        instance: &instance,
        observed: &observed,
        policy: &policy,
        record: &record,
        before: &before,
        config,
        version: image.version,
        invalid,
    };

    let Some(operator) = operator(&observed, &names)? else {
        // Its Secret comes first: nobody can be spoken to before, so no pod may come or go.
        return case.settle(&Settlement::default(), &facts, carried, Vec::new(), &Upkeep::default());
    };
    carried.note_operator(&observed);
    let nonce = derive(&observation.entropy, &format!("nonce {}", observation.round));
    let line = Line { operator: &operator, transport: instance.transport(), nonce: &nonce };
    let processes = Processes { observation, observed: &observed, names: &names, line };
    processes.learn(&mut facts, primary.as_ref());
    let wanted = Wanted::read(&instance, &observed, observation);
    if let Some(ask) = wanted.password().and_then(|password| processes.introduce(password)) {
        return Ok(ask);
    }

    loop {
        let step = match protocol::step(&policy, &facts, &record) {
            // Another reconcile goes on from here.
            _ if observation.round >= ROUNDS_MAX => {
                Step::Settle(Settlement { again_ms: Some(0), ..Settlement::default() })
            }
            step => step,
        };
        match step {
            Step::Look => {
                match processes.look(&carried, upkeep::questions(&instance, &observed, observation)) {
                    Some(ask) => return Ok(ask),
                    None => facts.answers = Some(BTreeMap::new()),
                }
            }
            Step::Checkpoint(next) => return case.checkpoint(&next),
            Step::Act(acts) => {
                return Ok(processes.act(&acts, facts.answers.as_ref().unwrap_or(&BTreeMap::new())));
            }
            Step::Prove { on, acks } => return Ok(processes.prove(&on, acks)),
            Step::Settle(settlement) => {
                let mut upkeep = Upkeep::default();
                if record.failover.is_none() && observation.round < ROUNDS_MAX && case.invalid.is_none() {
                    match wanted.next(&processes, &facts, &mut carried) {
                        (Some(ask), _) => return Ok(ask),
                        (None, done) => upkeep = done,
                    }
                    upkeep.growth = Growth::read(&instance, &observed, observation);
                }
                let probes = processes.watch(&facts, &record);
                return case.settle(&settlement, &facts, carried, probes, &upkeep);
            }
        }
    }
}

/// What a decision is made from, beside the facts.
struct Case<'a> {
    observation: &'a Observation,
    instance: &'a Instance<'a>,
    observed: &'a Observed<'a>,
    policy: &'a Policy,
    record: &'a Record,
    before: &'a RedisStatus,
    config: AppliedConfig,
    version: &'a str,
    /// Why the spec is not carried out, if it is not.
    invalid: Option<String>,
}

impl Case<'_> {
    /// The status as it was, with another record.
    fn checkpoint(&self, next: &Record) -> Result<Decision, Failure> {
        let mut status =
            RedisStatus { conditions: Vec::new(), observed_generation: None, ..self.before.clone() };
        let asked = self.instance.spec.switchover.as_ref().map(|asked| asked.request_id.as_str());
        recorded::write(next, self.instance.names, asked, self.before, &mut status);
        Decision::checkpoint(&status)
    }

    fn settle(
        self,
        settlement: &Settlement,
        facts: &Facts,
        mut carried: Carried,
        probes: Vec<Probe>,
        upkeep: &Upkeep<'_>,
    ) -> Result<Decision, Failure> {
        let mut outcome = Outcome::new();
        outcome.condition("Paused", ConditionStatus::False, "NotPaused", "changes are carried out");
        let entropy = &self.observation.entropy;
        let (instance, observed) = (self.instance, self.observed);
        build::operator(instance, observed, entropy, carried.operator_key.as_deref(), &mut outcome)?;
        if self.invalid.is_some() {
            build::hold(instance, self.observation, observed, settlement, &mut outcome)?;
        } else {
            build::intend(instance, observed, entropy, settlement, self.record, upkeep, &mut outcome)?;
        }
        for probe in probes {
            outcome.probe(probe);
        }
        let report = Report {
            instance: self.instance,
            observed: self.observed,
            policy: self.policy,
            facts,
            record: self.record,
            settlement,
            upkeep,
            version: self.version,
            invalid: self.invalid.as_deref(),
        };
        let again = report.tell(self.before, self.config, &mut carried, self.observation, &mut outcome)?;
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
             made anew, and then restart each container, not the pod if its data has no volume: servers know the old one",
            names.operator
        ))
    })
}

/// Nothing is changed, and the status stays as it was.
fn paused(observation: &Observation, names: &Names<'_>) -> Decision {
    let mut outcome = Outcome::new();
    let mut carried = Carried::paused(observation);
    if let Ok(observed) = Observed::read(observation, names) {
        carried.note_operator(&observed);
    }
    outcome.with_carry(carried.write());
    let message = "spec.paused is true: nothing is changed until it is false";
    outcome.keep_observed(observation).condition("Paused", ConditionStatus::True, "SpecPaused", message);
    outcome.settle()
}
