//! The parts of Kubernetes' objects that the operlet writes, as plain structs:
//! faster to write out and far smaller than the whole types.

mod pod;
mod service;
mod workload;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use pod::*;
pub(crate) use service::*;
pub(crate) use workload::*;

/// Labels, annotations, selectors and data.
pub(crate) type Map<'a> = BTreeMap<&'a str, &'a str>;

#[derive(Debug, Serialize)]
pub(crate) struct Metadata<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: Map<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: Map<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigMap<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) data: Map<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    #[serde(rename = "type")]
    pub(crate) class: &'static str,
    pub(crate) string_data: Map<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LabelSelector<'a> {
    pub(crate) match_labels: Map<'a>,
}

/// Labels to be set on a pod that exists.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodLabels<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
}
