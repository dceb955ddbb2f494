//! The objects of a Redis, one file an object.

mod claims;
mod config_map;
mod disruption_budget;
mod pods;
mod redis_conf;
mod secret;
mod services;
mod stateful_set;

use operlet_sdk::{Failure, Outcome};

use crate::{kubernetes::Metadata, names::Names, observed::Observed, spec::RedisSpec};

/// One Redis as it should be.
#[derive(Debug)]
pub(crate) struct Instance<'a> {
    pub(crate) names: &'a Names<'a>,
    pub(crate) spec: &'a RedisSpec,
    pub(crate) image: &'a str,
    pub(crate) redis_conf: String,
    /// Of everything that pods read when they start.
    pub(crate) config_hash: String,
}

impl<'a> Instance<'a> {
    pub(crate) fn new(names: &'a Names<'a>, spec: &'a RedisSpec, image: &'a str) -> Self {
        let redis_conf = redis_conf::redis_conf(spec);
        let config_hash = config_map::hash(&redis_conf);
        Self { names, spec, image, redis_conf, config_hash }
    }

    /// How many pods there are: the primary and its replicas.
    pub(crate) fn pods(&self) -> i32 {
        self.spec.replicas.saturating_add(1)
    }

    /// The Secret that the password is read from.
    pub(crate) fn secret_name(&self) -> &str {
        self.spec.auth.as_ref().map_or(&self.names.auth, |auth| &auth.secret_ref.name)
    }

    fn metadata(&self, name: &'a str) -> Metadata<'a> {
        Metadata { name, labels: self.names.labels(), annotations: Default::default() }
    }
}

/// Says what should become of each object. The order is the one in which a new
/// Redis needs them.
pub(crate) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    entropy: &[u8],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if instance.spec.auth.is_none() && !observed.auth_secret {
        secret::intend(instance, entropy, outcome)?;
    }
    outcome.ensure(&config_map::config_map(instance))?;
    for service in services::services(instance) {
        outcome.ensure(&service)?;
    }
    outcome.ensure(&stateful_set::stateful_set(instance, observed))?;
    // Of a lone primary it would either block every drain or mean nothing.
    if instance.spec.replicas > 0 {
        outcome.ensure(&disruption_budget::disruption_budget(instance))?;
    }
    pods::intend(instance, observed, outcome)?;
    claims::intend(instance, observed, outcome)
}
