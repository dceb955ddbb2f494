//! What the operlet reads of the objects it is shown.

use operlet_sdk::{Failure, Observation, Text, kinds};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::names::Names;

/// The observed objects that decisions rest on.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) stateful_set: Option<StatefulSet<'a>>,
    /// With their ordinals, in their order.
    pub(crate) pods: Vec<(usize, Pod<'a>)>,
    /// With their ordinals, in their order.
    pub(crate) claims: Vec<(usize, Claim<'a>)>,
    /// Whether the Secret with the generated password exists.
    pub(crate) auth_secret: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatefulSet<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    pub(crate) spec: StatefulSetSpec<'a>,
    #[serde(default)]
    pub(crate) status: StatefulSetStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatefulSetSpec<'a> {
    #[serde(borrow, default)]
    pub(crate) volume_claim_templates: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StatefulSetStatus {
    observed_generation: i64,
    pub(crate) replicas: i32,
    pub(crate) updated_replicas: i32,
}

impl StatefulSet<'_> {
    /// Whether its status speaks of its present spec.
    pub(crate) fn is_observed(&self) -> bool {
        self.status.observed_generation >= self.metadata.generation
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Meta<'a>,
    #[serde(borrow, default)]
    status: PodStatus<'a>,
}

impl Pod<'_> {
    pub(crate) fn is_ready(&self) -> bool {
        let condition = self.status.conditions.iter().find(|condition| condition.kind == "Ready");
        self.metadata.deletion_timestamp.is_none() && condition.is_some_and(|ready| ready.status == "True")
    }

    /// The configuration that the pod was made for.
    pub(crate) fn config_hash(&self) -> Option<&str> {
        self.metadata.annotations.config_hash.as_deref()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) uid: Text<'a>,
    #[serde(default)]
    generation: i64,
    #[serde(borrow, default)]
    pub(crate) deletion_timestamp: Option<Text<'a>>,
    #[serde(borrow, default)]
    annotations: Annotations<'a>,
}

#[derive(Debug, Default, Deserialize)]
struct Annotations<'a> {
    #[serde(rename = "redis.operlet.dev/config-hash", borrow, default)]
    config_hash: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct PodStatus<'a> {
    #[serde(borrow, default)]
    conditions: Vec<PodCondition<'a>>,
}

#[derive(Debug, Deserialize)]
struct PodCondition<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Claim<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Meta<'a>,
    #[serde(borrow)]
    spec: ClaimSpec<'a>,
}

impl Claim<'_> {
    /// The size that was asked for.
    pub(crate) fn size(&self) -> &str {
        &self.spec.resources.requests.storage
    }
}

#[derive(Debug, Deserialize)]
struct ClaimSpec<'a> {
    #[serde(borrow)]
    resources: ClaimResources<'a>,
}

#[derive(Debug, Deserialize)]
struct ClaimResources<'a> {
    #[serde(borrow)]
    requests: ClaimRequests<'a>,
}

#[derive(Debug, Deserialize)]
struct ClaimRequests<'a> {
    #[serde(borrow)]
    storage: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
}

impl<'a> Observed<'a> {
    pub(crate) fn read(observation: &'a Observation, names: &Names<'_>) -> Result<Self, Failure> {
        let stateful_sets: Vec<StatefulSet<'a>> = observation.observed_as(&kinds::STATEFUL_SET)?;
        let secrets: Vec<Named<'a>> = observation.observed_as(&kinds::SECRET)?;
        let pods: Vec<Pod<'a>> = observation.observed_as(&kinds::POD)?;
        let claims: Vec<Claim<'a>> = observation.observed_as(&kinds::PERSISTENT_VOLUME_CLAIM)?;
        Ok(Self {
            stateful_set: stateful_sets.into_iter().find(|set| set.metadata.name == names.redis),
            pods: by_ordinal(pods, |pod| names.ordinal_of_pod(&pod.metadata.name)),
            claims: by_ordinal(claims, |claim| names.ordinal_of_claim(&claim.metadata.name)),
            auth_secret: secrets.iter().any(|secret| secret.metadata.name == names.auth.as_str()),
        })
    }
}

/// Those that have an ordinal, in its order: that of names puts 10 before 2.
fn by_ordinal<T>(objects: Vec<T>, ordinal: impl Fn(&T) -> Option<usize>) -> Vec<(usize, T)> {
    let mut ordered: Vec<(usize, T)> =
        objects.into_iter().filter_map(|object| ordinal(&object).map(|ordinal| (ordinal, object))).collect();
    ordered.sort_by_key(|(ordinal, _)| *ordinal);
    ordered
}
