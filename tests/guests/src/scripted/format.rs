//! How a script is written.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `spec` of a scripted resource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Script {
    /// The decisions.
    pub(super) rounds: Option<Vec<Value>>,
    /// The decisions while the resource is being deleted.
    pub(super) deleting: Option<Vec<Value>>,
    /// Means nothing: something to change.
    #[serde(rename = "note")]
    _note: Option<Value>,
}

/// One decision.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Step {
    Ask(Vec<Value>),
    Checkpoint(Map<String, Value>),
    Settle(Box<Settling>),
    Fail(Failing),
    /// Misbehaves, by the name of a behaviour.
    Behave(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Settling {
    pub(super) intents: Vec<Value>,
    pub(super) status: Map<String, Value>,
    pub(super) conditions: Vec<Value>,
    pub(super) events: Vec<Value>,
    pub(super) requeue_after_ms: Option<u64>,
    pub(super) carry: String,
    pub(super) released: bool,
    pub(super) probes: Vec<Value>,
    /// Keeps what stands in the status, but for what the script sets.
    pub(super) keep_status: bool,
    /// Adds what departed to the list `status.remembered`.
    pub(super) remember_departed: bool,
    /// Adds the ends of probes to the list `status.probeHistory`, each change once.
    pub(super) remember_probes: bool,
    /// JSON pointers into the resource; what stands there goes to `status.seen.shown`.
    pub(super) show: Vec<String>,
    /// Writes no status at all.
    pub(super) silent: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Failing {
    Retry(RetryScript),
    Invalid(String),
    Bug(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RetryScript {
    Message(String),
    #[serde(rename_all = "camelCase")]
    After {
        message: String,
        after_ms: u64,
    },
}

/// A question: `id` and one of the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asking {
    pub(super) id: String,
    pub(super) get: Option<Key>,
    pub(super) list: Option<Listing>,
    pub(super) exchange: Option<Exchanging>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Key {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    pub(super) api_version: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) selector: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Exchanging {
    pub(super) pod: String,
    /// That of the observed pod, unless it is given.
    pub(super) pod_uid: Option<String>,
    pub(super) port: u16,
    pub(super) tls: Option<TlsScript>,
    pub(super) steps: Vec<Saying>,
    #[serde(default)]
    pub(super) effect: EffectScript,
    #[serde(default = "timeout_ms")]
    pub(super) timeout_ms: u32,
    #[serde(default = "max_bytes")]
    pub(super) max_bytes: u32,
}

fn timeout_ms() -> u32 {
    2000
}

fn max_bytes() -> u32 {
    64 * 1024
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TlsScript {
    pub(super) ca: Entry,
    pub(super) server_name: String,
    pub(super) client_certificate: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saying {
    #[serde(default)]
    pub(super) send: String,
    #[serde(default)]
    pub(super) until: UntilScript,
    #[serde(default)]
    pub(super) expect: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum UntilScript {
    Eof,
    Delimiter(String),
    Length(u32),
}

impl Default for UntilScript {
    fn default() -> Self {
        Self::Delimiter("\r\n".to_owned())
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum EffectScript {
    #[default]
    Probe,
    Act,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Probing {
    pub(super) id: String,
    pub(super) exchange: Exchanging,
    #[serde(default)]
    pub(super) opening: Vec<Saying>,
    #[serde(default = "every_ms")]
    pub(super) every_ms: u32,
}

fn every_ms() -> u32 {
    500
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Intending {
    #[serde(rename_all = "camelCase")]
    Ensure {
        object: Value,
        if_unchanged: Option<Version>,
    },
    Create {
        object: Value,
    },
    Amend {
        object: Value,
        uid: String,
    },
    #[serde(rename_all = "camelCase")]
    Remove {
        api_version: String,
        kind: String,
        namespace: Option<String>,
        name: String,
        uid: String,
    },
    Keep(Key),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Version {
    pub(super) uid: String,
    pub(super) resource_version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionScript {
    #[serde(rename = "type")]
    pub(super) class: String,
    /// `True`, `False` or `Unknown`.
    pub(super) status: String,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventScript {
    /// `Normal`, unless it is `Warning`.
    #[serde(rename = "type", default)]
    pub(super) class: String,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) action: String,
}
