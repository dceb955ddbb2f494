//! What the operlet reads of the objects it is shown.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use operlet_sdk::{Failure, Observation, ObservedVersion, Text, kinds};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    names::{
        CONFIG_ANNOTATION, EPOCH_ANNOTATION, Names, POD_NAME_LABEL, REVISION_LABEL, ROLE_LABEL,
        SERVICE_NAME_LABEL,
    },
    protocol::record::{Epoch, Ordinal},
};

/// The observed objects that decisions rest on.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) stateful_set: Option<StatefulSet<'a>>,
    /// With their ordinals, in their order.
    pub(crate) pods: BTreeMap<Ordinal, Pod<'a>>,
    /// Pods that went since the last decision.
    pub(crate) departed: Vec<Pod<'a>>,
    /// With their ordinals, in their order.
    pub(crate) claims: BTreeMap<Ordinal, Claim<'a>>,
    /// The read-write Service.
    pub(crate) service: Option<Service<'a>>,
    /// The pods that lead to it as the nodes know.
    pub(crate) endpoints: Vec<Ordinal>,
    /// What servers that start now start with.
    pub(crate) config: Option<ConfigMap<'a>>,
    /// The Secret with the generated password.
    pub(crate) auth_secret: Option<Secret<'a>>,
    /// The Secret of the operator's own users.
    pub(crate) operator_secret: Option<Secret<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatefulSet<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    pub(crate) spec: StatefulSetSpec<'a>,
    #[serde(borrow, default)]
    pub(crate) status: StatefulSetStatus<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatefulSetSpec<'a> {
    #[serde(default)]
    pub(crate) replicas: i32,
    #[serde(borrow, default)]
    pub(crate) volume_claim_templates: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StatefulSetStatus<'a> {
    observed_generation: i64,
    #[serde(borrow)]
    update_revision: Text<'a>,
}

impl StatefulSet<'_> {
    /// What pods should be made from, if its status speaks of its present spec.
    pub(crate) fn update_revision(&self) -> Option<&str> {
        (self.status.observed_generation >= self.metadata.generation).then_some(&*self.status.update_revision)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Meta<'a>,
    #[serde(borrow, default)]
    pub(crate) status: PodStatus<'a>,
}

/// The container of the server.
const CONTAINER: &str = "redis";

impl Pod<'_> {
    pub(crate) fn is_ready(&self) -> bool {
        let condition = self.status.conditions.iter().find(|condition| condition.kind == "Ready");
        !self.is_terminating() && condition.is_some_and(|ready| ready.status == "True")
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether its present container has left its run id.
    pub(crate) fn is_started(&self) -> bool {
        self.containers().any(|container| container.started && container.state.running.is_some())
    }

    /// The run ids of containers that ended.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &str> {
        let states = self.containers().flat_map(|container| [&container.state, &container.last_state]);
        states.filter_map(|state| Some(state.terminated.as_ref()?.message.as_str()))
    }

    fn containers(&self) -> impl Iterator<Item = &ContainerStatus<'_>> {
        self.status.container_statuses.iter().filter(|container| container.name == CONTAINER)
    }

    /// The hash of the configuration that it was started with.
    pub(crate) fn config_hash(&self) -> Option<&str> {
        self.metadata.annotations.get(CONFIG_ANNOTATION).map(Text::as_str)
    }

    /// The role that it is marked with.
    pub(crate) fn role(&self) -> Option<&str> {
        self.metadata.labels.get(ROLE_LABEL).map(Text::as_str)
    }

    /// What the pod was made from.
    pub(crate) fn revision(&self) -> Option<&str> {
        self.metadata.labels.get(REVISION_LABEL).map(Text::as_str)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) uid: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    generation: i64,
    #[serde(borrow)]
    pub(crate) deletion_timestamp: Option<Text<'a>>,
    pub(crate) deletion_grace_period_seconds: Option<i64>,
    #[serde(borrow)]
    labels: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(borrow)]
    annotations: BTreeMap<Text<'a>, Text<'a>>,
}

impl Meta<'_> {
    /// The epoch that it records.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.annotations.get(EPOCH_ANNOTATION)?.parse().ok()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus<'a> {
    #[serde(rename = "podIP", borrow)]
    pub(crate) pod_ip: Text<'a>,
    #[serde(borrow)]
    conditions: Vec<PodCondition<'a>>,
    #[serde(borrow)]
    container_statuses: Vec<ContainerStatus<'a>>,
}

#[derive(Debug, Deserialize)]
struct PodCondition<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    started: bool,
    #[serde(borrow)]
    state: ContainerState<'a>,
    #[serde(borrow)]
    last_state: ContainerState<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState<'a> {
    running: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    terminated: Option<Terminated<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Terminated<'a> {
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Claim<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Meta<'a>,
    #[serde(borrow)]
    spec: ClaimSpec<'a>,
    #[serde(borrow, default)]
    status: ClaimStatus<'a>,
}

impl Claim<'_> {
    /// The size that was asked for.
    pub(crate) fn size(&self) -> &str {
        &self.spec.resources.requests.storage
    }

    /// Whether it has a volume.
    pub(crate) fn is_bound(&self) -> bool {
        self.status.phase == "Bound"
    }

    /// Its StorageClass; empty for none.
    pub(crate) fn class(&self) -> &str {
        &self.spec.storage_class_name
    }
}

#[derive(Debug, Default, Deserialize)]
struct ClaimStatus<'a> {
    #[serde(borrow, default)]
    phase: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSpec<'a> {
    #[serde(borrow)]
    resources: ClaimResources<'a>,
    #[serde(borrow, default)]
    storage_class_name: Text<'a>,
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
pub(crate) struct Service<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    spec: ServiceSpec<'a>,
}

#[derive(Debug, Deserialize)]
struct ServiceSpec<'a> {
    #[serde(borrow, default)]
    selector: BTreeMap<Text<'a>, Text<'a>>,
}

impl Service<'_> {
    /// The name of the pod that it leads to; any other word closes it.
    pub(crate) fn selects(&self) -> Option<&str> {
        self.spec.selector.get(POD_NAME_LABEL).map(Text::as_str)
    }

    /// What a write of it is tied to.
    pub(crate) fn version(&self) -> ObservedVersion {
        ObservedVersion {
            uid: self.metadata.uid.to_string(),
            resource_version: self.metadata.resource_version.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct EndpointSlice<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    endpoints: Option<Vec<Endpoint<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(borrow, default)]
    target_ref: Option<TargetReference<'a>>,
}

#[derive(Debug, Deserialize)]
struct TargetReference<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ConfigMap<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    data: ConfigMapData<'a>,
}

/// Without the scripts, which are long.
#[derive(Debug, Default, Deserialize)]
struct ConfigMapData<'a> {
    #[serde(rename = "redis.conf", borrow, default)]
    redis_conf: Text<'a>,
}

impl ConfigMap<'_> {
    /// A setting of redis.conf.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        let lines = self.data.redis_conf.as_str().lines();
        lines
            .filter_map(|line| line.split_once(' '))
            .find(|(setting, _)| *setting == name)
            .map(|(_, value)| value)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Secret<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    data: BTreeMap<Text<'a>, Text<'a>>,
}

impl Secret<'_> {
    /// An entry's bytes.
    pub(crate) fn entry(&self, key: &str) -> Option<Vec<u8>> {
        BASE64.decode(self.data.get(key)?.as_str()).ok()
    }
}

impl<'a> Observed<'a> {
    pub(crate) fn read(observation: &'a Observation, names: &Names<'_>) -> Result<Self, Failure> {
        let stateful_sets: Vec<StatefulSet<'a>> = observation.observed_as(&kinds::STATEFUL_SET)?;
        let secrets: Vec<Secret<'a>> = observation.observed_as(&kinds::SECRET)?;
        let pods: Vec<Pod<'a>> = observation.observed_as(&kinds::POD)?;
        let claims: Vec<Claim<'a>> = observation.observed_as(&kinds::PERSISTENT_VOLUME_CLAIM)?;
        let services: Vec<Service<'a>> = observation.observed_as(&kinds::SERVICE)?;
        let configs: Vec<ConfigMap<'a>> = observation.observed_as(&kinds::CONFIG_MAP)?;
        let slices: Vec<EndpointSlice<'a>> = observation.observed_as(&kinds::ENDPOINT_SLICE)?;
        let (auth, others): (Vec<_>, Vec<_>) =
            secrets.into_iter().partition(|secret| secret.metadata.name == names.auth.as_str());
        Ok(Self {
            stateful_set: stateful_sets.into_iter().find(|set| set.metadata.name == names.redis),
            pods: by_ordinal(pods, |pod| names.ordinal_of_pod(&pod.metadata.name)),
            departed: observation.departed_as(&kinds::POD)?,
            claims: by_ordinal(claims, |claim| names.ordinal_of_claim(&claim.metadata.name)),
            service: services.into_iter().find(|service| service.metadata.name == names.redis),
            endpoints: endpoints(&slices, names),
            config: configs.into_iter().find(|config| config.metadata.name == names.config.as_str()),
            auth_secret: auth.into_iter().next(),
            operator_secret: others
                .into_iter()
                .find(|secret| secret.metadata.name == names.operator.as_str()),
        })
    }
}

fn endpoints(slices: &[EndpointSlice<'_>], names: &Names<'_>) -> Vec<Ordinal> {
    let of_service = |slice: &&EndpointSlice<'_>| {
        slice.metadata.labels.get(SERVICE_NAME_LABEL).is_some_and(|service| *service == names.redis)
    };
    let endpoints = slices.iter().filter(of_service).flat_map(|slice| slice.endpoints.iter().flatten());
    let names_of = endpoints.filter_map(|endpoint| names.ordinal_of_pod(&endpoint.target_ref.as_ref()?.name));
    names_of.collect()
}

/// Those that have an ordinal.
fn by_ordinal<T>(objects: Vec<T>, ordinal: impl Fn(&T) -> Option<Ordinal>) -> BTreeMap<Ordinal, T> {
    objects.into_iter().filter_map(|object| Some((ordinal(&object)?, object))).collect()
}
