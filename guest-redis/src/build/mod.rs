//! The objects of a Redis, one file an object.

mod claims;
mod config_map;
mod disruption_budget;
mod pods;
mod redis_conf;
mod secret;
mod services;
mod stateful_set;
pub mod users;

pub(crate) use redis_conf::{MARKER, RedisConf};

use operlet_sdk::{Failure, Intent, ObjectKey, Observation, Outcome, SecretEntry, Tls, Transport, kinds};

use crate::{
    growth::Growth,
    kubernetes::Metadata,
    names::Names,
    observed::Observed,
    protocol::{
        record::{Epoch, Ordinal, Record},
        step::{Selection, Settlement},
    },
    spec::RedisSpec,
    upkeep::Upkeep,
};

/// A hand-over begins a second after its pod was deleted, and is seen a moment later.
const HAND_OVER_SECONDS: i32 = 2;

/// One Redis as it should be.
#[derive(Debug)]
pub(crate) struct Instance<'a> {
    pub(crate) names: &'a Names<'a>,
    pub(crate) spec: &'a RedisSpec,
    pub(crate) image: &'a str,
    pub(crate) redis_conf: RedisConf,
    /// Of everything that pods must be restarted for.
    pub(crate) config_hash: String,
    /// For how many seconds a pod that is deleted waits for another to take over.
    hand_over: String,
    /// How long a server may take to answer the probe that restarts it, in seconds.
    liveness_timeout: String,
}

impl<'a> Instance<'a> {
    pub(crate) fn new(names: &'a Names<'a>, spec: &'a RedisSpec, image: &'a str, restarts: u32) -> Self {
        let redis_conf = RedisConf::new(spec);
        let config_hash = config_map::hash(&redis_conf.cold, restarts);
        let hand_over = spec.update.switchover_timeout_seconds.saturating_add(HAND_OVER_SECONDS).to_string();
        let liveness_timeout = liveness_timeout(spec).to_string();
        Self { names, spec, image, redis_conf, config_hash, hand_over, liveness_timeout }
    }

    /// How many pods there are: the primary and its replicas.
    pub(crate) fn pods(&self) -> i32 {
        self.spec.replicas.saturating_add(1)
    }

    /// The Secret that the password is read from.
    pub(crate) fn secret_name(&self) -> &str {
        self.spec.auth.as_ref().map_or(&self.names.auth, |auth| &auth.secret_ref.name)
    }

    /// How the pods are spoken to.
    pub(crate) fn transport(&self) -> Transport {
        let Some(tls) = &self.spec.tls else { return Transport::Plain };
        Transport::Tls(Tls {
            ca: SecretEntry { name: tls.secret_name.clone(), key: "ca.crt".to_owned() },
            server_name: self.names.host.clone(),
            client_certificate: Some(tls.secret_name.clone()),
        })
    }

    fn metadata(&self, name: &'a str) -> Metadata<'a> {
        Metadata { name, labels: self.names.labels(), annotations: Default::default() }
    }
}

/// Makes the operator's Secret if there is none, with the key that servers know, if any.
pub(crate) fn operator(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    entropy: &[u8],
    known: Option<&str>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    match observed.operator_secret {
        Some(_) => Ok(()),
        None => secret::operator(instance, entropy, known, outcome),
    }
}

/// Says what should become of each other object. The order is the one in which a new
/// Redis needs them.
pub(crate) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    entropy: &[u8],
    settlement: &Settlement,
    record: &Record,
    upkeep: &Upkeep<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if instance.spec.auth.is_none() && observed.auth_secret.is_none() {
        secret::auth(instance, entropy, outcome)?;
    }
    services::intend(instance, observed, settlement.service, outcome)?;
    let pods = settlement.pods.map_or_else(|| kept(instance, observed), i32::from);
    // What running servers refuse, servers that start would not start with.
    let is_refused = upkeep.is_refused();
    if (is_refused && observed.stateful_set.is_some()) || finds_nothing(instance, observed, record, upkeep) {
        outcome.keep(&kinds::CONFIG_MAP, &instance.names.config);
    } else {
        outcome.ensure(&config_map::config_map(instance))?;
    }
    if is_refused && observed.stateful_set.is_some() {
        outcome.keep(&kinds::STATEFUL_SET, instance.names.redis);
    } else {
        outcome.ensure(&stateful_set::stateful_set(instance, observed, pods))?;
    }
    // Of a lone primary it would either block every drain or mean nothing.
    if instance.spec.replicas > 0 {
        outcome.ensure(&disruption_budget::disruption_budget(instance))?;
    }
    pods::intend(observed, settlement, outcome)?;
    claims::intend(instance, observed, settlement, &upkeep.growth, outcome)
}

/// Whether a server that starts now would not read what it wrote: another persistence is
/// told to running servers first, which then write their data so.
fn finds_nothing(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    record: &Record,
    upkeep: &Upkeep<'_>,
) -> bool {
    const LOG: &str = "appendonly";
    let wanted =
        instance.redis_conf.hot.iter().find(|(setting, _)| setting == LOG).map(|(_, value)| value.as_str());
    let before = observed.config.as_ref().and_then(|config| config.setting(LOG));
    let differs = before.is_some() && before != wanted;
    differs
        && (record.hibernated
            || record.failover.is_some()
            || record.primary.is_none()
            || !upkeep.behind.is_empty())
}

/// Leaves everything as it is but for what a change of primary needs.
pub(crate) fn hold(
    instance: &Instance<'_>,
    observation: &Observation,
    observed: &Observed<'_>,
    settlement: &Settlement,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let mut kept = Outcome::new();
    kept.keep_observed(observation);
    let is_service =
        |key: &ObjectKey| key.kind.kind == kinds::SERVICE.kind && key.name == instance.names.redis;
    let is_claim = |key: &ObjectKey| {
        key.kind.kind == kinds::PERSISTENT_VOLUME_CLAIM.kind
            && instance.names.ordinal_of_claim(&key.name).is_some()
    };
    kept.intents.retain(|intent| match intent {
        Intent::Keep(key) => key.kind.kind != kinds::POD.kind && !is_service(key) && !is_claim(key),
        _ => true,
    });
    outcome.intents.append(&mut kept.intents);
    services::lead(instance, observed, settlement.service, outcome)?;
    let settlement = &Settlement { delete: None, ..settlement.clone() };
    claims::intend(instance, observed, settlement, &Growth::default(), outcome)?;
    pods::intend(observed, settlement, outcome)
}

/// Up to a second passes before a server is asked.
fn liveness_timeout(spec: &RedisSpec) -> u32 {
    let seconds = u32::try_from(spec.failover.liveness_seconds).unwrap_or_default();
    seconds.saturating_sub(1).max(1)
}

/// As many pods as there are to be now, whoever said so.
fn kept(instance: &Instance<'_>, observed: &Observed<'_>) -> i32 {
    observed.stateful_set.as_ref().map_or_else(|| instance.pods(), |set| set.spec.replicas)
}

/// The epoch that the place of a pod's data should record, if any.
fn epoch(ordinal: Ordinal, before: Option<Epoch>, settlement: &Settlement) -> Option<String> {
    let mark = settlement.mark.filter(|(pod, _)| *pod == ordinal).map(|(_, epoch)| epoch);
    before.max(mark).map(|epoch| epoch.to_string())
}
