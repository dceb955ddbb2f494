//! The status of a `Redis`.
//!
//! Its schema has no enumerations: a newer component under an older schema, or one
//! that was rolled back, must not be refused for a word.

use serde::{Deserialize, Serialize};

/// How a Redis is.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RedisStatus {
    /// The generation of the resource that the rest of the status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The version of what the operator keeps in the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_version: Option<i32>,
    /// The version of the operlet that decided last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operlet_version: Option<String>,
    /// How it is in one word: Creating, Running, Updating or Degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "Option<String>"))]
    pub phase: Option<Phase>,
    /// The primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Primary>,
    /// The version that runs, or the image that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Pods that are ready, of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How many replicas there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// What selects the pods of the replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The pods, in the order of their ordinals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["pod"]))
    )]
    pub members: Vec<Member>,
    /// Where applications write: host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The Secret with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The configuration of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<AppliedConfig>,
    /// How it is in detail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))
    )]
    pub conditions: Vec<Condition>,
}

/// How a Redis is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Phase {
    /// It has not been complete yet.
    Creating,
    /// All pods are ready and as they should be.
    Running,
    /// Pods are being added, removed or replaced.
    Updating,
    /// Pods that should be ready are not.
    Degraded,
}

/// The primary.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Primary {
    /// Its pod.
    pub pod: String,
}

/// A pod.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Member {
    /// Its name.
    pub pod: String,
    /// What it is for: primary or replica.
    #[cfg_attr(feature = "crd", schemars(with = "String"))]
    pub role: Role,
    /// Whether it is ready: it serves, and if it is a replica, it follows.
    pub ready: bool,
}

/// What a pod is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows the primary.
    Replica,
}

/// The configuration of the servers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AppliedConfig {
    /// The hash of the configuration that all pods run with.
    pub applied: String,
}

/// One aspect of how a Redis is. The host writes them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "crd", schemars(length(max = 316)))]
    pub kind: String,
    /// Whether it holds: True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words for a person.
    pub message: String,
    /// Since when.
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub last_transition_time: String,
    /// The generation of the resource that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
