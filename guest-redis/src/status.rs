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
    /// How it is in one word: Creating, Running, Updating, FailingOver, SwitchingOver, Degraded or Hibernated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Counts the reigns of primaries; it only grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// The last confirmed primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Primary>,
    /// The processes that may hold writes of this reign, besides the primary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub followers: Vec<Follower>,
    /// Those of the reign before, until this one's writes are held by enough replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub former_followers: Vec<Follower>,
    /// The bound on what a primary without replicas accepts, as it is surely in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// How many replicas are known to hold every write that WAIT confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<u8>,
    /// The change of primary that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// Whether every pod was shut down in good order, the data complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hibernated: Option<bool>,
    /// The last request for a switchover that was dealt with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,
    /// The switchovers that failed since the last one that did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_switchovers: Option<FailedSwitchovers>,
    /// The last epoch that began without a proof or without all data: writes before it may be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lossy: Option<u32>,
    /// The pods that a person vouched for, once that was taken account of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub vouched: Vec<String>,
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

/// The last confirmed primary.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Primary {
    /// Which process.
    #[serde(flatten)]
    pub who: Incarnation,
    /// The replication id of its reign.
    pub replid: String,
    /// The offset that its reign began with.
    pub began: i64,
    /// Whether enough replicas carry that id, so that the reign before is history.
    pub carried: bool,
    /// When its death was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub dead: Option<String>,
}

/// One life of one process: a restart makes another.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Incarnation {
    /// The pod it runs in.
    pub pod: String,
    /// That pod's uid.
    pub uid: String,
    /// What `INFO server` says as `run_id`.
    #[serde(rename = "runID")]
    pub run_id: String,
}

/// A process that may hold writes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Follower {
    /// Which process.
    #[serde(flatten)]
    pub who: Incarnation,
    /// When its death was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub dead: Option<String>,
    /// When it was first seen cut off from the primary in this epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub told: Option<String>,
}

/// The bound on what a primary without replicas accepts.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// The lowest `min-replicas-to-write` possibly in force.
    pub min_replicas_to_write: u8,
    /// The highest `min-replicas-max-lag` possibly in force.
    pub max_lag_seconds: u32,
}

/// A change of primary.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// The epoch at which it started: what a person accepts the loss of writes for.
    pub id: u32,
    /// How far it has come: HandOver, Fence, Promote, Open or Kick.
    pub phase: String,
    /// Why it is made: Bootstrap, Lost, Planned or Hibernate.
    pub cause: String,
    /// The primary before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Incarnation>,
    /// Who is to be the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Target>,
    /// Targets of earlier epochs that may have been promoted without a witness.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub doubtful: Vec<Doubt>,
    /// The pod whose data decides when there is no primary on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// When it began.
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub started_at: String,
    /// The request that it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// Switchovers that failed, one after the other.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct FailedSwitchovers {
    /// When the last one did.
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// How many.
    pub times: u32,
}

/// A target that may have been promoted without a witness.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Doubt {
    /// Which process.
    #[serde(flatten)]
    pub who: Incarnation,
    /// The replication id that it had when it was chosen.
    pub replid: String,
    /// When its death was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub dead: Option<String>,
}

/// Who is to be the primary.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Which process.
    #[serde(flatten)]
    pub who: Incarnation,
    /// The replication id it had.
    pub replid: String,
    /// The offset it had, cut off from any primary, where nothing moves it.
    pub offset: i64,
}

/// A request for a switchover.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Switchover {
    /// Which request of the spec.
    #[serde(rename = "requestID")]
    pub request_id: String,
}

/// A pod.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Member {
    /// Its name.
    pub pod: String,
    /// What it is: primary, replica, or unknown if it does not answer.
    pub role: String,
    /// Whether its link to the primary is up or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether it has what the primary has: inSync, lagging, syncing or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    /// Whether its pod is ready.
    pub ready: bool,
}

/// The configuration of the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct AppliedConfig {
    /// The hash of the configuration that all pods run with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// The pods that need a restart to run with all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub pending_restart: Vec<String>,
    /// The settings of `spec.config`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub settings: Vec<String>,
    /// How often a setting was removed: only a restart brings a default back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
}

impl AppliedConfig {
    /// With the settings of a spec, and one restart more if one was removed.
    #[must_use]
    pub fn with_settings<'a>(&self, settings: impl Iterator<Item = &'a String>) -> Self {
        let settings: Vec<String> = settings.cloned().collect();
        let removed = self.settings.iter().any(|before| !settings.contains(before));
        let restarts =
            if removed { Some(self.restarts.unwrap_or_default().saturating_add(1)) } else { self.restarts };
        Self { settings, restarts, ..Self::default() }
    }
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
