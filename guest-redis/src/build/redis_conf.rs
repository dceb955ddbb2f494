use std::fmt::Write as _;

use crate::{
    quantity,
    spec::{EvictionPolicy, Fsync, PersistenceMode, Quantity, RedisSpec},
};

/// What every server needs as it stands here.
const FIXED: &str = "\
# Written by the Redis operlet. A change made here by hand is undone.
port 6379
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

/// What is better than the server's default, and may be changed.
const PREFERRED: &str = "\
# A replica waits for nobody else to begin a full synchronisation.
repl-diskless-sync-delay 0
";

/// The configuration file of every server of a Redis. What is written later wins, and
/// what differs from pod to pod the start script writes after it.
pub(super) fn redis_conf(spec: &RedisSpec) -> String {
    let mut text = String::with_capacity(1024);
    text.push_str(FIXED);
    text.push_str(PREFERRED);
    push_persistence(&mut text, spec);
    push_memory(&mut text, spec);
    for (setting, value) in &spec.config {
        push(&mut text, setting, if value.is_empty() { "\"\"" } else { value });
    }
    text
}

fn push_persistence(text: &mut String, spec: &RedisSpec) {
    let persistence = &spec.persistence;
    let (log, snapshots) = match persistence.mode {
        PersistenceMode::Aof => (true, false),
        PersistenceMode::Rdb => (false, true),
        PersistenceMode::Both => (true, true),
        PersistenceMode::None => (false, false),
    };
    push(text, "appendonly", if log { "yes" } else { "no" });
    push(
        text,
        "appendfsync",
        match persistence.fsync {
            Fsync::Always => "always",
            Fsync::Everysec => "everysec",
            Fsync::No => "no",
        },
    );
    // Without a line of its own the server would make the snapshots it likes.
    push(text, "save", "\"\"");
    if snapshots {
        for point in &persistence.save {
            push(text, "save", &format!("{} {}", point.seconds, point.changes));
        }
    }
}

fn push_memory(text: &mut String, spec: &RedisSpec) {
    if let Some(bytes) = maxmemory(spec) {
        push(text, "maxmemory", &bytes.to_string());
    }
    push(
        text,
        "maxmemory-policy",
        match spec.memory.policy {
            EvictionPolicy::Noeviction => "noeviction",
            EvictionPolicy::AllkeysLru => "allkeys-lru",
            EvictionPolicy::AllkeysLfu => "allkeys-lfu",
            EvictionPolicy::AllkeysRandom => "allkeys-random",
            EvictionPolicy::VolatileLru => "volatile-lru",
            EvictionPolicy::VolatileLfu => "volatile-lfu",
            EvictionPolicy::VolatileRandom => "volatile-random",
            EvictionPolicy::VolatileTtl => "volatile-ttl",
        },
    );
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
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{setting} {value}");
}
