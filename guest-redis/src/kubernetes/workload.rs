use serde::Serialize;
use serde_json::value::RawValue;

use super::{LabelSelector, Map, Metadata, PodSpec};
use crate::spec::Retention;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatefulSet<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: StatefulSetSpec<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatefulSetSpec<'a> {
    pub(crate) service_name: &'a str,
    pub(crate) replicas: i32,
    pub(crate) pod_management_policy: &'static str,
    pub(crate) update_strategy: UpdateStrategy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) persistent_volume_claim_retention_policy: Option<Retention>,
    pub(crate) selector: LabelSelector<'a>,
    pub(crate) template: PodTemplate<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volume_claim_templates: Option<ClaimTemplates<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct UpdateStrategy {
    #[serde(rename = "type")]
    pub(crate) class: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct PodTemplate<'a> {
    pub(crate) metadata: TemplateMetadata<'a>,
    pub(crate) spec: PodSpec<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TemplateMetadata<'a> {
    pub(crate) labels: Map<'a>,
    pub(crate) annotations: Map<'a>,
}

/// Claim templates can never change, so those of an existing StatefulSet are given
/// back exactly as they were observed.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ClaimTemplates<'a> {
    Observed(&'a RawValue),
    New([Claim<'a>; 1]),
}

/// A PersistentVolumeClaim, or the template of one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: ClaimSpec<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimSpec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_modes: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class_name: Option<&'a str>,
    pub(crate) resources: ClaimResources<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ClaimResources<'a> {
    pub(crate) requests: ClaimRequests<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ClaimRequests<'a> {
    pub(crate) storage: &'a str,
}
