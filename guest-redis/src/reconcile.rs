//! From an observation to a decision, step by step.

use operlet_sdk::{ConditionStatus, Decision, Failure, Object, Observation, Outcome, Text};
use serde::Deserialize;

use crate::{
    build::{self, Instance},
    images::{self, Settings},
    names::Names,
    observed::Observed,
    report,
    spec::RedisSpec,
    validate,
};

/// What decisions rest on of the status written before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Before<'a> {
    /// As text: a phase that only a later version knows must not stop this one.
    #[serde(borrow)]
    pub(crate) phase: Text<'a>,
    #[serde(borrow)]
    pub(crate) version: Option<Text<'a>>,
}

pub(crate) fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
    if observation.deleting {
        let mut outcome = Outcome::new();
        outcome.release();
        return Ok(outcome.settle());
    }
    let resource: Object<'_, RedisSpec, Before<'_>> = observation.resource_as()?;
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
    let mut outcome = Outcome::new();
    outcome.condition("Paused", ConditionStatus::False, "NotPaused", "changes are carried out");
    build::intend(&instance, &observed, &observation.entropy, &mut outcome)?;
    report::report(&instance, &observed, &before, image.version, &mut outcome)?;
    Ok(outcome.settle())
}

/// Nothing is changed, and the status stays as it was.
fn paused(observation: &Observation) -> Decision {
    let mut outcome = Outcome::new();
    let message = "spec.paused is true: nothing is changed until it is false";
    outcome.keep_observed(observation).condition("Paused", ConditionStatus::True, "SpecPaused", message);
    outcome.settle()
}
