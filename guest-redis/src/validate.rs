//! The rules of the schema once more, for a cluster whose schema is older or was
//! loosened, and those that a schema cannot express.

use operlet_sdk::Failure;

use crate::{
    observed::Observed,
    quantity, settings,
    spec::{FailoverMode, RedisSpec},
};

/// The longest suffix of an object's name and a StatefulSet's hash must fit into 63
/// characters beside it.
pub(crate) const NAME_LENGTH_MAX: usize = 40;

const REPLICAS_MAX: i32 = 8;

/// Fails with what the author of the resource has to change.
pub(crate) fn check(name: &str, spec: &RedisSpec) -> Result<(), Failure> {
    check_name(name)?;
    require(spec.image.is_none() || spec.version.is_none(), || {
        "spec: image and version cannot both be given: remove one of them".to_owned()
    })?;
    require((0..=REPLICAS_MAX).contains(&spec.replicas), || {
        format!("spec.replicas: {} is not between 0 and {REPLICAS_MAX}", spec.replicas)
    })?;
    check_replication(spec)?;
    check_switchover(name, spec)?;
    require((1..=100).contains(&spec.memory.maxmemory_percent), || {
        format!("spec.memory.maxmemoryPercent: {} is not between 1 and 100", spec.memory.maxmemory_percent)
    })?;
    require(spec.persistence.save.iter().all(|point| point.seconds >= 1 && point.changes >= 1), || {
        "spec.persistence.save: seconds and changes must be 1 or more".to_owned()
    })?;
    if let Some(storage) = &spec.storage {
        require(quantity::bytes(&storage.size).is_some_and(|bytes| bytes > 0), || {
            format!("spec.storage.size: {} is no size; write for instance 10Gi", storage.size)
        })?;
    }
    check_config(spec)
}

fn check_switchover(name: &str, spec: &RedisSpec) -> Result<(), Failure> {
    let Some(target) = spec.switchover.as_ref().and_then(|switchover| switchover.target.as_deref()) else {
        return Ok(());
    };
    // The pod of a request that was dealt with may be gone.
    let is_pod = (0..=REPLICAS_MAX).any(|ordinal| format!("{name}-{ordinal}") == target);
    require(is_pod, || {
        format!(
            "spec.switchover.target: {target} is no pod of this Redis: they are called {name}-0, {name}-1 and so on"
        )
    })
}

fn check_replication(spec: &RedisSpec) -> Result<(), Failure> {
    let failover = &spec.failover;
    let bounds = [
        ("replication.maxLagSeconds", spec.replication.max_lag_seconds, 1, 3600),
        ("failover.detectSeconds", failover.detect_seconds, 2, 3600),
        ("failover.livenessSeconds", failover.liveness_seconds, 3, 3600),
        ("failover.fenceTimeoutSeconds", failover.fence_timeout_seconds, 0, 86_400),
        ("failover.recoveryTimeoutSeconds", failover.recovery_timeout_seconds, 0, 86_400),
        ("update.switchoverTimeoutSeconds", spec.update.switchover_timeout_seconds, 1, 50),
    ];
    for (field, value, least, most) in bounds {
        require((least..=most).contains(&value), || {
            format!("spec.{field}: {value} is not between {least} and {most}")
        })?;
    }
    let Some(wanted) = spec.replication.min_replicas_to_write else { return Ok(()) };
    require((0..=spec.replicas).contains(&wanted), || {
        format!(
            "spec.replication.minReplicasToWrite: {wanted} is not between 0 and the {} replicas",
            spec.replicas
        )
    })?;
    require(wanted > 0 || spec.replicas < 2 || failover.mode == Some(FailoverMode::Available), || {
        "spec.replication.minReplicasToWrite: with failover.mode Safe and 2 or more replicas it must be 1 or more".to_owned()
    })
}

/// Fails if the spec asks for a change that Kubernetes cannot make.
pub(crate) fn check_change(spec: &RedisSpec, observed: &Observed<'_>) -> Result<(), Failure> {
    let Some(stateful_set) = &observed.stateful_set else { return Ok(()) };
    require(spec.storage.is_some() == stateful_set.spec.volume_claim_templates.is_some(), || {
        "spec.storage: it can be neither added nor removed later; create another Redis and copy the data"
            .to_owned()
    })
}

fn check_name(name: &str) -> Result<(), Failure> {
    require(name.len() <= NAME_LENGTH_MAX, || {
        format!("metadata.name: {name} has more than {NAME_LENGTH_MAX} characters")
    })?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(allowed)
        && !name.ends_with('-');
    require(well_formed, || {
        format!(
            "metadata.name: {name} must begin with a lower-case letter and hold only such letters, digits and hyphens"
        )
    })
}

fn check_config(spec: &RedisSpec) -> Result<(), Failure> {
    for (setting, value) in &spec.config {
        // In redis.conf the case does not matter: in another one a reserved setting
        // would slip through.
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        require(!setting.is_empty() && setting.chars().all(allowed), || {
            format!(
                "spec.config: {setting:?} is no setting; names have lower-case letters, digits and hyphens"
            )
        })?;
        if let Some(refusal) = settings::refusal(setting) {
            return Err(Failure::invalid(format!("spec.config: {refusal}")));
        }
        require(!value.chars().any(char::is_control), || {
            format!("spec.config: the value of {setting} must stand on one line, without control characters")
        })?;
    }
    Ok(())
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::invalid(message())) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check_spec(spec: Value, expected: Option<&str>) {
        check_named("sample", spec, expected);
    }

    fn check_named(name: &str, spec: Value, expected: Option<&str>) {
        let spec: RedisSpec = serde_json::from_value(spec).unwrap();
        match (check(name, &spec), expected) {
            (Ok(()), None) => {}
            (Err(Failure::Invalid(message)), Some(expected)) => {
                assert!(message.contains(expected), "{message}")
            }
            (result, expected) => panic!("{result:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        check_spec(json!({}), None);
        check_spec(json!({"image": "a", "version": "b"}), Some("image and version"));
        check_spec(json!({"replicas": -1}), Some("spec.replicas: -1"));
        check_spec(json!({"replicas": 99}), Some("spec.replicas: 99"));
        check_spec(json!({"memory": {"maxmemoryPercent": 0}}), Some("spec.memory.maxmemoryPercent"));
        check_spec(json!({"storage": {"size": "ten"}}), Some("spec.storage.size: ten"));
        check_spec(
            json!({"persistence": {"save": [{"seconds": 0, "changes": 1}]}}),
            Some("spec.persistence.save"),
        );
    }

    #[test]
    fn settings_of_the_operator_are_refused_with_a_remedy() {
        check_spec(json!({"config": {"maxclients": "100"}}), None);
        check_spec(json!({"config": {"port": "1"}}), Some("port is set by the operator"));
        check_spec(json!({"config": {"tls-port": "1"}}), Some("tls-port is set by the operator"));
        check_spec(json!({"config": {"maxmemory": "1"}}), Some("use spec.memory"));
        check_spec(json!({"config": {"Port": "1"}}), Some("lower-case"));
        check_spec(json!({"config": {"maxclients": "1\nport 1"}}), Some("on one line"));
    }

    #[test]
    fn names_that_a_service_could_not_have_are_refused() {
        check_named(&"a".repeat(40), json!({}), None);
        check_named(&"a".repeat(41), json!({}), Some("more than 40"));
        check_named("0a", json!({}), Some("begin with a lower-case letter"));
        check_named("a.b", json!({}), Some("begin with a lower-case letter"));
        check_named("a-", json!({}), Some("begin with a lower-case letter"));
    }
}
