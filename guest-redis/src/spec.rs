//! The `Redis` resource as its author writes it. With the feature `crd` the same
//! types give its schema, so that doc comments here are what `kubectl explain` says.

#![cfg_attr(feature = "crd", allow(unreachable_pub, reason = "what the derives expand to"))]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[cfg(feature = "crd")]
use crate::crd;

/// What a Redis should be.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, kube::KubeSchema))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "redis.operlet.dev",
        version = "v1",
        kind = "Redis",
        plural = "redises",
        singular = "redis",
        shortname = "rd",
        namespaced,
        status = "crate::status::RedisStatus",
        doc = "A Redis: one primary that takes writes, and replicas that follow it.",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas",
            label_selector_path = ".status.selector"
        ),
        printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
        printcolumn(name = "Primary", type_ = "string", json_path = ".status.primary.pod"),
        printcolumn(name = "Ready", type_ = "string", json_path = ".status.ready"),
        printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
        validation = crd::name_length_rule(),
        validation = crd::name_characters_rule(),
        validation = crd::switchover_target_rule()
    ),
    x_kube(
        validation = crd::image_or_version_rule(),
        validation = crd::storage_presence_rule(),
        validation = crd::tls_presence_rule(),
        validation = crd::replication_rule(),
        validation = crd::safe_rule()
    )
)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// The image to run, instead of a version the operlet knows. It must be a Redis or Valkey image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 512)))]
    pub image: Option<String>,

    /// The version to run, one of those the operlet knows. Without image and version the default is taken once, when the Redis is created, and then kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub version: Option<String>,

    /// How many replicas follow the one primary: there is one pod more than this.
    #[serde(default = "default_replicas")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 8)))]
    pub replicas: i32,

    /// While true nothing is changed, whatever the rest of the resource says.
    #[serde(default)]
    pub paused: bool,

    /// While true there are no pods, and the data stays on its volumes. It needs storage and persistence.
    #[serde(default)]
    pub hibernated: bool,

    /// How many replicas a write needs, and what counts as one.
    #[serde(default)]
    pub replication: Replication,

    /// What happens when the primary is lost.
    #[serde(default)]
    pub failover: Failover,

    /// A request to hand over to another pod, made once for each requestID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,

    /// How pods are replaced when something changes that needs it.
    #[serde(default)]
    pub update: Update,

    /// Encryption of all traffic: of clients, between pods and with the operator. It can be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// A volume for the data of each pod. Without it the data of a pod is gone when the pod is. It can be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// How data is written to disk.
    #[serde(default)]
    pub persistence: Persistence,

    /// Further settings of the server, as in redis.conf, with names in lower case. A change is applied while the servers run, or restarts the pods one after the other where it has to. What the operator sets itself is refused.
    #[serde(default)]
    #[cfg_attr(
        feature = "crd",
        schemars(
            with = "BTreeMap<String, crd::ConfigValue>",
            extend("maxProperties" = 64, "x-kubernetes-validations" = crd::config_rules())
        )
    )]
    pub config: BTreeMap<String, String>,

    /// How much memory data may take, and what happens when it is full.
    #[serde(default)]
    pub memory: Memory,

    /// Where the password comes from. Without it one is generated into the Secret NAME-auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// What each pod requests and may use.
    #[serde(default)]
    pub resources: Resources,

    /// Where pods may run. They are spread over nodes where that is possible.
    #[serde(default)]
    pub scheduling: Scheduling,

    /// How the Services are made.
    #[serde(default)]
    pub services: Services,
}

/// How many replicas a write needs, and what counts as one.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Replication {
    /// The primary refuses writes while fewer replicas than this follow it. Without it half the replicas, rounded up, and 0 for fewer than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 8)))]
    pub min_replicas_to_write: Option<i32>,
    /// A replica that has acknowledged nothing for so many seconds does not count.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 3600)))]
    pub max_lag_seconds: i32,
}

/// What happens when the primary is lost.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Failover {
    /// Safe never loses a write that WAIT confirmed, and rather waits; Available goes on after the timeouts. Without it Safe, and Available without replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<FailoverMode>,
    /// The primary is suspected when it has been silent for so many seconds.
    #[cfg_attr(feature = "crd", schemars(range(min = 2, max = 3600)))]
    pub detect_seconds: i32,
    /// A server that has been silent for so many seconds is restarted.
    #[cfg_attr(feature = "crd", schemars(range(min = 3, max = 3600)))]
    pub liveness_seconds: i32,
    /// For how many seconds Available waits for a proof that the old primary takes no more writes.
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 86_400)))]
    pub fence_timeout_seconds: i32,
    /// For how many seconds Available waits for lost data to come back.
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 86_400)))]
    pub recovery_timeout_seconds: i32,
}

/// What is given up when both cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum FailoverMode {
    /// Being available.
    Safe,
    /// Writes.
    Available,
}

/// A request to hand over to another pod.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Switchover {
    /// The pod that should be the primary; any replica without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub target: Option<String>,
    /// Tells one request from another: change it to ask again.
    #[serde(rename = "requestID")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub request_id: String,
}

/// How pods are replaced.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Update {
    /// Automatic replaces replicas, hands over and replaces the old primary; PauseBeforePrimary leaves the primary until a switchover is asked for.
    pub strategy: UpdateStrategy,
    /// How many seconds a hand-over may take before it is given up; clients' writes wait meanwhile.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 50)))]
    pub switchover_timeout_seconds: i32,
}

/// How pods are replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum UpdateStrategy {
    /// All of them, the primary last.
    #[default]
    Automatic,
    /// All but the primary.
    PauseBeforePrimary,
}

/// Encryption of all traffic.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// A Secret of type kubernetes.io/tls in the same namespace, with `ca.crt` as well. Its certificate must be for NAME.NAMESPACE.svc, and be good for servers and clients.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub secret_name: String,
}

/// A volume for the data of each pod.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(kube::KubeSchema))]
#[cfg_attr(
    feature = "crd",
    x_kube(validation = crd::storage_class_rule(), validation = crd::storage_size_rule())
)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// The size of each volume, for instance 10Gi. It can grow, if the storage class allows that, and never shrink.
    #[cfg_attr(
        feature = "crd",
        schemars(length(min = 1, max = 32), regex(pattern = "^[0-9]+(\\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$"))
    )]
    pub size: String,

    /// The storage class; the cluster's default without it. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub storage_class_name: Option<String>,

    /// What becomes of the volumes.
    #[serde(default)]
    pub retention: Retention,
}

/// What becomes of the volumes.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Retention {
    /// When the Redis is deleted. A new one of the same name finds what was kept.
    pub when_deleted: RetentionPolicy,
    /// When there are fewer replicas than before.
    pub when_scaled: RetentionPolicy,
}

/// Whether volumes are kept.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum RetentionPolicy {
    /// They are kept.
    #[default]
    Retain,
    /// They are deleted, and the data with them.
    Delete,
}

/// How data is written to disk.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Persistence {
    /// AOF logs every write, RDB writes snapshots, Both does both, None keeps data in memory only.
    pub mode: PersistenceMode,
    /// When the log of writes is forced to disk.
    pub fsync: Fsync,
    /// When a snapshot is written, for RDB and Both.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 16)))]
    pub save: Vec<SavePoint>,
}

/// How data is written to disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum PersistenceMode {
    /// A log of every write.
    #[default]
    #[serde(rename = "AOF")]
    Aof,
    /// Snapshots.
    #[serde(rename = "RDB")]
    Rdb,
    /// A log of every write, and snapshots.
    Both,
    /// Not at all.
    None,
}

/// When the log of writes is forced to disk.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// After every write.
    Always,
    /// Once a second.
    #[default]
    Everysec,
    /// When the operating system wants to.
    No,
}

/// A snapshot is written when there were so many changes in so many seconds.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct SavePoint {
    /// The seconds.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 31_536_000)))]
    pub seconds: i32,
    /// The changes.
    #[cfg_attr(feature = "crd", schemars(range(min = 1)))]
    pub changes: i32,
}

/// How much memory data may take, and what happens when it is full.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// The share of the memory limit that data may take; the rest is for connections, replication and copies made while saving.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 100)))]
    pub maxmemory_percent: i32,
    /// Which keys make room when it is full.
    pub policy: EvictionPolicy,
}

/// Which keys make room when memory is full.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EvictionPolicy {
    /// None: writes are refused.
    #[default]
    Noeviction,
    /// Those not used for the longest time.
    AllkeysLru,
    /// Those used least often.
    AllkeysLfu,
    /// Any.
    AllkeysRandom,
    /// Of those that expire, those not used for the longest time.
    VolatileLru,
    /// Of those that expire, those used least often.
    VolatileLfu,
    /// Of those that expire, any.
    VolatileRandom,
    /// Of those that expire, those that expire first.
    VolatileTtl,
}

/// Where the password comes from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// A Secret in the same namespace whose entry `password` is the password, on one line.
    pub secret_ref: SecretReference,
}

/// Names a Secret in the same namespace.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct SecretReference {
    /// The name of the Secret.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
}

/// What each pod requests and may use.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Resources {
    // Without defaults of their own: a default request could exceed a limit given.
    /// What is set aside for each pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("maxProperties" = 16)))]
    pub requests: BTreeMap<String, Quantity>,
    /// What each pod may use at most. With a limit on memory, data may take `memory.maxmemoryPercent` of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("maxProperties" = 16)))]
    pub limits: BTreeMap<String, Quantity>,
}

/// A quantity as Kubernetes writes it: a number, or a string such as `512Mi`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A whole number.
    Number(i64),
    /// A number with a unit.
    Text(String),
}

/// Where pods may run.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Scheduling {
    /// Labels a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("maxProperties" = 32)))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that pods put up with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 32)))]
    pub tolerations: Vec<Toleration>,
    /// Rules of attraction and aversion, as in `affinity` of a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "Option<crd::Preserved>"))]
    pub affinity: Option<Box<RawValue>>,
    /// The priority class of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub priority_class_name: Option<String>,
}

/// A taint that pods put up with.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Equal or Exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The taint's value, for Equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The taint's effect; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// For how long a pod stays after a NoExecute taint appears; for ever without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// How the Services are made.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Services {
    /// The read-write Service, which leads to the primary.
    pub primary: Service,
    /// The read-only Service, which leads to the replicas.
    pub replica: Service,
}

/// How a Service is made.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Service {
    /// Who can reach it: the cluster, or also others.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// Annotations of the Service, for instance for a load balancer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("maxProperties" = 32)))]
    pub annotations: BTreeMap<String, String>,
}

/// Who can reach a Service.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum ServiceType {
    /// The cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Also whoever reaches a node.
    NodePort,
    /// Also whoever reaches the load balancer.
    LoadBalancer,
}

/// Two replicas: one can be lost and there is still a copy of the data.
fn default_replicas() -> i32 {
    2
}

impl Default for Persistence {
    fn default() -> Self {
        // The snapshots that Redis itself makes by default.
        let save = [(3600, 1), (300, 100), (60, 10_000)];
        Self {
            mode: PersistenceMode::default(),
            fsync: Fsync::default(),
            save: save.map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec(),
        }
    }
}

impl Default for Replication {
    fn default() -> Self {
        Self { min_replicas_to_write: None, max_lag_seconds: 5 }
    }
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            mode: None,
            detect_seconds: 3,
            liveness_seconds: 6,
            fence_timeout_seconds: 0,
            recovery_timeout_seconds: 300,
        }
    }
}

impl Default for Update {
    fn default() -> Self {
        Self { strategy: UpdateStrategy::default(), switchover_timeout_seconds: 10 }
    }
}

impl Default for Memory {
    fn default() -> Self {
        // A copy made while saving and the replicas' buffers need the rest.
        Self { maxmemory_percent: 75, policy: EvictionPolicy::default() }
    }
}

impl Default for Resources {
    fn default() -> Self {
        // Enough to try it out, and bounded, so that one Redis cannot take a node.
        let quantities = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), Quantity::Text((*text).to_owned())))
                .collect()
        };
        Self {
            requests: quantities(&[("cpu", "50m"), ("memory", "128Mi")]),
            limits: quantities(&[("memory", "256Mi")]),
        }
    }
}
