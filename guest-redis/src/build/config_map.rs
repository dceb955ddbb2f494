use super::Instance;
use crate::kubernetes::{ConfigMap, Map};

const START: &str = include_str!("../scripts/start.sh");
const PROBE: &str = include_str!("../scripts/probe.sh");

/// redis.conf and the scripts; nothing secret.
pub(super) fn config_map<'a>(instance: &'a Instance<'a>) -> ConfigMap<'a> {
    ConfigMap {
        api_version: "v1",
        kind: "ConfigMap",
        metadata: instance.metadata(&instance.names.config),
        data: Map::from([("probe.sh", PROBE), ("redis.conf", &instance.redis_conf), ("start.sh", START)]),
    }
}

/// A hash of all that the ConfigMap holds.
pub(super) fn hash(redis_conf: &str) -> String {
    // FNV-1a: it only has to notice changes, and its code is three lines.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in [redis_conf, START, PROBE].iter().flat_map(|text| text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}
