//! The custom resource by which a component is installed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ChildKind, GroupVersionKind, ResourceKind};

/// A component that the host runs, and what it may do.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "operlet.dev",
    version = "v1alpha1",
    kind = "Operlet",
    shortname = "opl",
    status = "OperletStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.live.version","description":"Version of the live component"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","description":"Whether a component is live and its kinds are watched"}"#,
    printcolumn = r#"{"name":"Candidate","type":"string","jsonPath":".status.candidate.phase","description":"What became of a component that is not live"}"#,
    printcolumn = r#"{"name":"Digest","type":"string","jsonPath":".status.live.digest","priority":1,"description":"Digest of the live component"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct OperletSpec {
    /// Where the component comes from. Changing what is there is the release.
    pub source: Source,
    /// The only component that may be loaded, by its digest: `sha256:` and 64
    /// hexadecimal digits. Without it any valid component may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// The ServiceAccount, in the host's namespace, that the host impersonates for
    /// every read and write it makes for the component.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
    /// The TCP ports that exchanges and probes may reach, on pods that belong to
    /// the resource; the component must ask for them in its manifest as well.
    /// Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub dial: Vec<DialSpec>,
    /// How many objects may be deleted. Over it no object is deleted, all else is
    /// written, and the resource says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_budget: Option<DeletionBudgetSpec>,
    /// What becomes of resources that wait for the component before they may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalizer: Option<FinalizerSpec>,
    /// Bounds on what the component may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// Handed to the component with each observation; its documentation says what
    /// it understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// A ConfigMap with the component in `binaryData`, under `component.wasm` or,
    /// compressed with zstd, under `component.wasm.zst`.
    pub config_map: ConfigMapSource,
}

/// Names a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapSource {
    /// Its namespace. The host's own is readable for the host; for another one it
    /// needs a Role there.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A port that may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DialSpec {
    /// The TCP port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
}

/// How many objects may be deleted. Pods that a controller makes again are not
/// counted: of them one at a time is restarted for each resource. Nor is anything
/// counted while the resource itself is being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionBudgetSpec {
    /// In one reconcile of one resource. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 512))]
    pub per_reconcile: Option<i32>,
    /// Within an hour, of all resources. Default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub per_hour: Option<i32>,
}

/// What becomes of resources that wait for the component before they may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FinalizerSpec {
    /// How long a resource waits, from its deletion on, in seconds; then the host
    /// lets it go, whatever the component says. Default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_seconds: Option<i32>,
}

/// Bounds on what a component may use; what is left out has the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Linear memory of one instance, in MiB. Default 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub memory_mebibytes: Option<i32>,
    /// CPU time of one call, in milliseconds. Default 250.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub call_milliseconds: Option<i32>,
    /// Wall time of one reconcile, in milliseconds. Default 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 300_000))]
    pub reconcile_milliseconds: Option<i32>,
    /// Resources reconciled side by side. Default 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: Option<i32>,
    /// Calls of one reconcile. Default 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub rounds: Option<i32>,
    /// Exchanges of one reconcile. Default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4096))]
    pub exchanges: Option<i32>,
    /// What the component is shown in one call, in KiB. Default 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_384))]
    pub input_kibibytes: Option<i32>,
    /// What the component answers in one call, in KiB. Default 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_384))]
    pub output_kibibytes: Option<i32>,
    /// Objects that the component is shown, and intents it may answer. Default 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8192))]
    pub objects: Option<i32>,
    /// What a component may hand to its next call, in KiB. Default 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1024))]
    pub carry_kibibytes: Option<i32>,
    /// Lines of log a call. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub log_lines: Option<i32>,
}

/// What the host knows of an Operlet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperletStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The component whose decisions are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<ComponentStatus>,
    /// The component found in the source, if it is not the live one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateStatus>,
    /// The component that was live before; the host keeps a copy of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ComponentStatus>,
    /// The kinds that components of this Operlet ever declared to bring about.
    /// They stay watched, so that a component that drops a kind leaves no orphans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindStatus>,
    /// What was deleted of late, for the budget of an hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deletions: Vec<DeletionStatus>,
    /// `Ready`: a component is live and its kinds are watched. `Progressing`: what
    /// became of the newest component. `Authorized`: whether the ServiceAccount has
    /// all the rights that the component asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// Objects that were deleted within one minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletionStatus {
    /// The minute, as RFC 3339.
    pub minute: String,
    /// How many.
    pub count: u32,
}

/// A component that is or was live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// SHA-256 of the unpacked component.
    pub digest: String,
    /// The version it gives itself.
    pub version: String,
    /// When it became live.
    pub since: String,
    /// The version of the state it writes into the resources' status.
    pub state_version: i64,
    /// The API group of the kind it reconciles.
    pub group: String,
    /// The kind it reconciles.
    pub kind: String,
    /// The version of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Its plural name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
}

/// A component that is not live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStatus {
    /// SHA-256 of the unpacked component, if it could be unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The version it gives itself, if it got so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `Refused`, or `Waiting` for something that may still come.
    pub phase: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// A kind that a component declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindStatus {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The plural name.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether what is no longer wanted may be deleted.
    pub prune: bool,
}

impl From<&ChildKind> for KindStatus {
    fn from(child: &ChildKind) -> Self {
        let ResourceKind { kind, plural, namespaced } = child.resource.clone();
        let GroupVersionKind { group, version, kind } = kind;
        Self { group, version, kind, plural, namespaced, prune: child.prune }
    }
}

impl From<&KindStatus> for ChildKind {
    fn from(status: &KindStatus) -> Self {
        let KindStatus { group, version, kind, plural, namespaced, prune } = status.clone();
        let kind = GroupVersionKind { group, version, kind };
        Self { resource: ResourceKind { kind, plural, namespaced }, prune }
    }
}

fn free_form(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Conditions as a map by type, so that appliers do not overwrite each other.
fn conditions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = generator.subschema_for::<Vec<Condition>>();
    let extra = [
        ("x-kubernetes-list-type", serde_json::json!("map")),
        ("x-kubernetes-list-map-keys", serde_json::json!(["type"])),
    ];
    for (name, value) in BTreeMap::from(extra) {
        schema.insert(name.to_owned(), value);
    }
    schema
}
