//! Settings, as `CONFIG` knows them.

use std::collections::BTreeMap;

use super::{resp::Reply, users::matches};

/// Settings by name.
#[derive(Clone, Debug)]
pub(super) struct Settings(BTreeMap<String, String>);

/// What is known of, and what it is without being set.
const KNOWN: [(&str, &str); 37] = [
    ("appendfsync", "everysec"),
    ("appendonly", "no"),
    ("bind", "* -::*"),
    ("busy-reply-threshold", "5000"),
    ("daemonize", "no"),
    ("dir", "/data"),
    ("masterauth", ""),
    ("masteruser", ""),
    ("maxclients", "10000"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("min-replicas-max-lag", "10"),
    ("min-replicas-to-write", "0"),
    ("port", "6379"),
    ("proc-title-template", "{title} {listen-addr} {server-mode}"),
    ("protected-mode", "yes"),
    ("repl-backlog-size", "1048576"),
    ("repl-backlog-ttl", "3600"),
    ("repl-diskless-load", "disabled"),
    ("repl-diskless-sync", "yes"),
    ("repl-diskless-sync-delay", "5"),
    ("repl-ping-replica-period", "10"),
    ("repl-timeout", "60"),
    ("replica-announce-ip", ""),
    ("replica-priority", "100"),
    ("replica-read-only", "yes"),
    ("replica-serve-stale-data", "yes"),
    ("requirepass", ""),
    ("save", "3600 1 300 100 60 10000"),
    ("shutdown-timeout", "10"),
    ("timeout", "0"),
    ("tls-auth-clients", "yes"),
    ("tls-ca-cert-file", ""),
    ("tls-cert-file", ""),
    ("tls-key-file", ""),
    ("tls-port", "0"),
    ("tls-replication", "no"),
];

/// What only a restart changes.
const IMMUTABLE: [&str; 2] = ["daemonize", "replicaof"];

/// What is a number.
const NUMBERS: [&str; 11] = [
    "busy-reply-threshold",
    "maxclients",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "repl-backlog-ttl",
    "repl-diskless-sync-delay",
    "repl-ping-replica-period",
    "repl-timeout",
    "replica-priority",
    "shutdown-timeout",
    "timeout",
];

/// What is not 0.
const AT_LEAST_ONE: [&str; 3] = ["maxclients", "repl-ping-replica-period", "repl-timeout"];

/// What is yes or no.
const SWITCHES: [&str; 5] =
    ["appendonly", "protected-mode", "repl-diskless-sync", "replica-read-only", "replica-serve-stale-data"];

impl Default for Settings {
    fn default() -> Self {
        Self(KNOWN.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl Settings {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }

    /// Takes it from a configuration file, where all can be set.
    pub(super) fn configure(&mut self, name: &str, value: String) {
        let value = if name == "maxmemory" { bytes(&value).unwrap_or(value) } else { value };
        self.0.insert(name.to_owned(), value);
    }

    /// Carries out `CONFIG SET`: all of it or nothing.
    pub(super) fn set(&mut self, pairs: &[(String, String)]) -> Result<(), Reply> {
        let mut changed = self.0.clone();
        let failed = |name: &str, why: &str| {
            Reply::error(&format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
        };
        for (place, (given, _)) in pairs.iter().enumerate() {
            let name = given.to_lowercase();
            if IMMUTABLE.contains(&&*name) {
                return Err(failed(given, "can't set immutable config"));
            }
            if !changed.contains_key(&name) {
                let text = format!("ERR Unknown option or number of arguments for CONFIG SET - '{given}'");
                return Err(Reply::error(&text));
            }
            if pairs.iter().take(place).any(|(other, _)| other.to_lowercase() == name) {
                return Err(failed(given, "duplicate parameter"));
            }
        }
        for (given, value) in pairs {
            let name = given.to_lowercase();
            if NUMBERS.contains(&&*name) {
                let Ok(number) = value.parse::<i64>() else {
                    return Err(failed(given, "argument couldn't be parsed into an integer"));
                };
                let (least, most) = (i64::from(AT_LEAST_ONE.contains(&&*name)), i64::from(i32::MAX));
                if !(least..=most).contains(&number) {
                    return Err(failed(
                        given,
                        &format!("argument must be between {least} and {most} inclusive"),
                    ));
                }
            }
            if SWITCHES.contains(&&*name) && !["yes", "no"].contains(&&**value) {
                return Err(failed(given, "argument must be 'yes' or 'no'"));
            }
            let value = if name == "maxmemory" {
                bytes(value).ok_or_else(|| failed(given, "argument must be a memory value"))?
            } else {
                value.clone()
            };
            changed.insert(name, value);
        }
        self.0 = changed;
        Ok(())
    }

    /// What `CONFIG GET` says of these patterns.
    pub(super) fn told(&self, patterns: &[String], master: Option<&str>) -> Reply {
        let master = ("replicaof".to_owned(), master.unwrap_or_default().to_owned());
        let all = self.0.iter().chain([(&master.0, &master.1)]);
        let asked = |name: &str| {
            let fits = |pattern: &&String| matches(pattern.to_lowercase().as_bytes(), name.as_bytes());
            patterns.iter().find(fits)
        };
        // A name is said as it was asked for.
        let said = |name: &String, pattern: &String| {
            if pattern.contains(['*', '?']) { name.clone() } else { pattern.clone() }
        };
        let found = all.filter_map(|(name, value)| Some((said(name, asked(name)?), value)));
        Reply::array(found.flat_map(|(name, value)| [Reply::bulk(name), Reply::bulk(value)]))
    }
}

/// A size in bytes: a number with a unit.
fn bytes(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let end = lower.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(lower.len());
    let (digits, unit) = lower.split_at_checked(end)?;
    let factor: u64 = match unit {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    Some(digits.parse::<u64>().ok()?.checked_mul(factor)?.to_string())
}
