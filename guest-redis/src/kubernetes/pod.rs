use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::LabelSelector;
use crate::spec::{Resources, Toleration};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodSpec<'a> {
    pub(crate) automount_service_account_token: bool,
    pub(crate) enable_service_links: bool,
    pub(crate) termination_grace_period_seconds: u32,
    pub(crate) security_context: PodSecurityContext,
    pub(crate) dns_config: DnsConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) affinity: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) node_selector: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_class_name: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) tolerations: &'a [Toleration],
    pub(crate) topology_spread_constraints: [TopologySpreadConstraint<'a>; 1],
    pub(crate) containers: [Container<'a>; 1],
    pub(crate) volumes: Vec<Volume<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodSecurityContext {
    pub(crate) run_as_non_root: bool,
    pub(crate) run_as_user: u32,
    pub(crate) run_as_group: u32,
    pub(crate) fs_group: u32,
    pub(crate) fs_group_change_policy: &'static str,
    pub(crate) seccomp_profile: SeccompProfile,
}

#[derive(Debug, Serialize)]
pub(crate) struct SeccompProfile {
    #[serde(rename = "type")]
    pub(crate) class: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct DnsConfig {
    pub(crate) options: [DnsOption; 2],
}

#[derive(Debug, Serialize)]
pub(crate) struct DnsOption {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopologySpreadConstraint<'a> {
    pub(crate) max_skew: u32,
    pub(crate) topology_key: &'static str,
    pub(crate) when_unsatisfiable: &'static str,
    pub(crate) label_selector: LabelSelector<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    pub(crate) name: &'static str,
    pub(crate) image: &'a str,
    pub(crate) image_pull_policy: &'static str,
    pub(crate) command: [&'static str; 2],
    pub(crate) env: [EnvironmentVariable<'a>; 4],
    pub(crate) ports: [ContainerPort; 1],
    pub(crate) resources: &'a Resources,
    pub(crate) lifecycle: Lifecycle<'a>,
    pub(crate) startup_probe: Probe,
    pub(crate) liveness_probe: Probe,
    pub(crate) readiness_probe: Probe,
    pub(crate) security_context: SecurityContext,
    pub(crate) volume_mounts: Vec<VolumeMount>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentVariable<'a> {
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_from: Option<ValueFrom>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValueFrom {
    pub(crate) field_ref: FieldReference,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldReference {
    pub(crate) field_path: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerPort {
    pub(crate) name: &'static str,
    pub(crate) container_port: u16,
    pub(crate) protocol: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probe {
    pub(crate) exec: Exec<'static>,
    pub(crate) period_seconds: u32,
    pub(crate) timeout_seconds: u32,
    pub(crate) failure_threshold: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) termination_grace_period_seconds: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lifecycle<'a> {
    pub(crate) pre_stop: Handler<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Handler<'a> {
    pub(crate) exec: Exec<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Exec<'a> {
    pub(crate) command: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecurityContext {
    pub(crate) allow_privilege_escalation: bool,
    pub(crate) read_only_root_filesystem: bool,
    pub(crate) capabilities: Capabilities,
}

#[derive(Debug, Serialize)]
pub(crate) struct Capabilities {
    pub(crate) drop: [&'static str; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VolumeMount {
    pub(crate) name: &'static str,
    pub(crate) mount_path: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) read_only: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Volume<'a> {
    pub(crate) name: &'static str,
    #[serde(flatten)]
    pub(crate) source: VolumeSource<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum VolumeSource<'a> {
    ConfigMap {
        name: &'a str,
        default_mode: u32,
    },
    EmptyDir {
        #[serde(skip_serializing_if = "Option::is_none")]
        medium: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size_limit: Option<&'static str>,
    },
    Secret {
        secret_name: &'a str,
        default_mode: u32,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        items: Vec<KeyToPath>,
    },
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeyToPath {
    pub(crate) key: &'static str,
    pub(crate) path: &'static str,
}
