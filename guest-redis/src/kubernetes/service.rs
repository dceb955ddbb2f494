use serde::Serialize;

use super::{LabelSelector, Map, Metadata};
use crate::spec::ServiceType;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: ServiceSpec<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceSpec<'a> {
    #[serde(rename = "type")]
    pub(crate) class: ServiceType,
    #[serde(rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_ip: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) publish_not_ready_addresses: bool,
    pub(crate) selector: Map<'a>,
    pub(crate) ports: [ServicePort; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePort {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) target_port: &'static str,
    pub(crate) protocol: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodDisruptionBudget<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: PodDisruptionBudgetSpec<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodDisruptionBudgetSpec<'a> {
    pub(crate) max_unavailable: u32,
    pub(crate) unhealthy_pod_eviction_policy: &'static str,
    pub(crate) selector: LabelSelector<'a>,
}
