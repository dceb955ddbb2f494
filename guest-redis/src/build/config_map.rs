use super::{Instance, users};
use crate::{
    hash::fnv,
    kubernetes::{ConfigMap, Map},
};

const START: &str = include_str!("../scripts/start.sh");
const PROBE: &str = include_str!("../scripts/probe.sh");

/// redis.conf and the scripts; nothing secret.
pub(super) fn config_map<'a>(instance: &'a Instance<'a>) -> ConfigMap<'a> {
    ConfigMap {
        api_version: "v1",
        kind: "ConfigMap",
        metadata: instance.metadata(&instance.names.config),
        data: Map::from([
            ("default.acl", users::DEFAULT),
            ("health.acl", users::HEALTH),
            ("liveness", if instance.spec.replicas > 0 { "on" } else { "off" }),
            ("operator.acl", users::OPERATOR),
            ("probe.acl", users::PROBE),
            ("probe.sh", PROBE),
            ("redis.conf", &instance.redis_conf.text),
            ("start.sh", START),
        ]),
    }
}

/// A hash of all that a server must be restarted for. `restarts` counts what else is a
/// reason.
pub(super) fn hash(redis_conf: &str, restarts: u32) -> String {
    let users = [users::DEFAULT, users::HEALTH, users::OPERATOR, users::PROBE];
    let hash = fnv([redis_conf, START, PROBE]
        .iter()
        .chain(&users)
        .flat_map(|text| text.bytes())
        .chain(restarts.to_le_bytes()));
    format!("{hash:016x}")
}
