use std::fmt::Write as _;

use crate::{
    hash::fnv,
    quantity,
    settings::IMMUTABLE,
    spec::{EvictionPolicy, Fsync, PersistenceMode, Quantity, RedisSpec},
};

/// What every server needs as it stands here.
const FIXED: &str = "\
# Written by the Redis operlet. A change made here by hand is undone.
bind * -::*
protected-mode yes
dir /data
# A short period shows within seconds that a link is dead.
repl-ping-replica-period 1
# Without its backlog a primary would begin a history of its own with the next replica.
repl-backlog-ttl 0
# Nobody's replica, until the operator says whose: a server that lost its data can empty nobody.
replicaof 127.0.0.1 1
";

/// How clients, replicas and the operator connect.
const PLAIN: &str = "port 6379\n";

const ENCRYPTED: &str = "\
port 0
tls-port 6379
tls-replication yes
tls-auth-clients optional
tls-cert-file /etc/redis-tls/tls.crt
tls-key-file /etc/redis-tls/tls.key
tls-ca-cert-file /etc/redis-tls/ca.crt
";

/// A setting that has no effect but on what `ps` shows. It says which configuration the
/// server runs with: it is set together with the rest, in one step.
pub(crate) const MARKER: &str = "proc-title-template";

/// The configuration of every server of a Redis.
#[derive(Debug)]
pub(crate) struct RedisConf {
    /// The file. What differs from pod to pod the start script writes after it.
    pub(crate) text: String,
    /// The part of it that needs a restart.
    pub(crate) cold: String,
    /// What can be set while a server runs, and the marker that says so.
    pub(crate) hot: Vec<(String, String)>,
    /// Tells it from others.
    pub(crate) hash: String,
    /// What the marker is when a server runs with all of it.
    pub(crate) marker: String,
}

impl RedisConf {
    pub(crate) fn new(spec: &RedisSpec) -> Self {
        let (mut cold, mut hot) = (FIXED.to_owned(), Vec::new());
        cold.push_str(if spec.tls.is_some() { ENCRYPTED } else { PLAIN });
        // A replica waits for nobody else to begin a full synchronisation.
        hot.push(("repl-diskless-sync-delay".to_owned(), "0".to_owned()));
        // A server that is busy with a script says so before it is taken for dead.
        hot.push(("busy-reply-threshold".to_owned(), "1000".to_owned()));
        persistence(&mut hot, spec);
        memory(&mut hot, spec);
        for (setting, value) in &spec.config {
            if is_cold(setting, value) {
                push(&mut cold, setting, value);
            } else {
                // What is written later wins.
                hot.retain(|(one, _)| one != setting);
                hot.push((setting.clone(), value.clone()));
            }
        }
        let hash = fnv(hot
            .iter()
            .flat_map(|(setting, value)| setting.bytes().chain([b' ']).chain(value.bytes()).chain([b'\n'])));
        let hash = format!("{:016x}", fnv(cold.bytes().chain(hash.to_le_bytes())));
        let marker = format!("{{title}} {{listen-addr}} {{server-mode}} {hash}");
        hot.push((MARKER.to_owned(), marker.clone()));
        let mut text = cold.clone();
        for (setting, value) in &hot {
            // Lists are words in the file, one argument of CONFIG SET.
            push(&mut text, setting, value);
        }
        Self { text, cold, hot, hash, marker }
    }
}

/// Quotes mean something in the file and nothing to CONFIG SET.
fn is_cold(setting: &str, value: &str) -> bool {
    IMMUTABLE.contains(&setting) || value.contains(['"', '\'', '\\'])
}

fn persistence(hot: &mut Vec<(String, String)>, spec: &RedisSpec) {
    let persistence = &spec.persistence;
    let (log, snapshots) = match persistence.mode {
        PersistenceMode::Aof => (true, false),
        PersistenceMode::Rdb => (false, true),
        PersistenceMode::Both => (true, true),
        PersistenceMode::None => (false, false),
    };
    let fsync = match persistence.fsync {
        Fsync::Always => "always",
        Fsync::Everysec => "everysec",
        Fsync::No => "no",
    };
    let point = |point: &crate::spec::SavePoint| format!("{} {}", point.seconds, point.changes);
    let points: Vec<String> = persistence.save.iter().filter(|_| snapshots).map(point).collect();
    hot.push(("appendonly".to_owned(), if log { "yes" } else { "no" }.to_owned()));
    hot.push(("appendfsync".to_owned(), fsync.to_owned()));
    // Without it the server would make the snapshots it likes.
    hot.push(("save".to_owned(), points.join(" ")));
}

fn memory(hot: &mut Vec<(String, String)>, spec: &RedisSpec) {
    if let Some(bytes) = maxmemory(spec) {
        hot.push(("maxmemory".to_owned(), bytes.to_string()));
    }
    let policy = match spec.memory.policy {
        EvictionPolicy::Noeviction => "noeviction",
        EvictionPolicy::AllkeysLru => "allkeys-lru",
        EvictionPolicy::AllkeysLfu => "allkeys-lfu",
        EvictionPolicy::AllkeysRandom => "allkeys-random",
        EvictionPolicy::VolatileLru => "volatile-lru",
        EvictionPolicy::VolatileLfu => "volatile-lfu",
        EvictionPolicy::VolatileRandom => "volatile-random",
        EvictionPolicy::VolatileTtl => "volatile-ttl",
    };
    hot.push(("maxmemory-policy".to_owned(), policy.to_owned()));
}

/// The share of the memory limit that data may take; none without a limit. A limit
/// that is no quantity is refused by the API server with the StatefulSet.
fn maxmemory(spec: &RedisSpec) -> Option<u64> {
    let limit = match spec.resources.limits.get("memory")? {
        Quantity::Number(bytes) => u64::try_from(*bytes).ok()?,
        Quantity::Text(text) => quantity::bytes(text)?,
    };
    let percent = u128::from(spec.memory.maxmemory_percent.unsigned_abs());
    u64::try_from(u128::from(limit) * percent / 100).ok()
}

fn push(text: &mut String, setting: &str, value: &str) {
    let quoted = value.is_empty() || setting == MARKER;
    // Writing to a string cannot fail.
    let _ =
        if quoted { writeln!(text, "{setting} \"{value}\"") } else { writeln!(text, "{setting} {value}") };
}
