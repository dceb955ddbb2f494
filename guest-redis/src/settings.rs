//! What is known of the server's settings: those that `spec.config` may not hold, for
//! the schema's rule and the same check in the component, and those that need a restart.

/// Settings that a field of the spec stands for: the field, then the settings.
pub(crate) const BY_FIELD: [(&str, &[&str]); 4] = [
    (
        "spec.auth",
        &["requirepass", "masterauth", "masteruser", "primaryauth", "primaryuser", "user", "aclfile"],
    ),
    ("spec.memory", &["maxmemory", "maxmemory-policy"]),
    ("spec.persistence", &["appendonly", "appendfsync", "save"]),
    ("spec.replicas", &["replicaof", "slaveof"]),
];

/// Settings that the operator needs as it sets them.
pub(crate) const OWNED: [&str; 26] = [
    "appenddirname",
    "appendfilename",
    "bind",
    "bind-source-addr",
    "daemonize",
    "dbfilename",
    "dir",
    "include",
    "loadmodule",
    "logfile",
    "pidfile",
    "port",
    "protected-mode",
    "rename-command",
    "repl-backlog-ttl",
    "repl-diskless-load",
    "repl-ping-replica-period",
    "repl-ping-slave-period",
    "repl-timeout",
    "replica-priority",
    "replica-read-only",
    "replica-serve-stale-data",
    "shutdown-timeout",
    "supervised",
    "unixsocket",
    "unixsocketperm",
];

/// Families of settings that the operator needs as it sets them.
pub(crate) const PREFIXES: [&str; 7] =
    ["cluster-", "min-replicas-", "min-slaves-", "proc-title-", "replica-announce-", "slave-", "tls-"];

/// What cannot be set while a server runs: those of which Redis 7.0, 8.0 or Valkey 8.1
/// says "can't set immutable config", less those that `config` may not hold.
pub const IMMUTABLE: [&str; 22] = [
    "always-show-logo",
    "aof-rewrite-cpulist",
    "bgsave-cpulist",
    "bio-cpulist",
    "databases",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "io-threads",
    "io-threads-do-reads",
    "rdbchecksum",
    "rdma-completion-vector",
    "rdma-rx-size",
    "server-cpulist",
    "set-proc-title",
    "socket-mark-id",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocketgroup",
];

/// Why `config` may not set this, none if it may.
#[must_use]
pub fn refusal(setting: &str) -> Option<String> {
    for (field, settings) in BY_FIELD {
        if settings.contains(&setting) {
            return Some(format!("{setting} is not set here: use {field}"));
        }
    }
    let owned = OWNED.contains(&setting) || PREFIXES.iter().any(|prefix| setting.starts_with(prefix));
    owned.then(|| format!("{setting} is set by the operator and cannot be changed: remove it"))
}
