use std::fmt;

use crate::{GroupVersionKind, ObjectKey, ResourceKind};

/// A kind of the Kubernetes API, as a constant.
///
/// ```
/// use operlet_sdk::Kind;
///
/// const WIDGET: Kind = Kind::new("example.dev", "v1", "Widget", "widgets", true);
/// assert_eq!(WIDGET.api_version(), "example.dev/v1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version, for instance `v1`.
    pub version: &'static str,
    /// The kind, for instance `StatefulSet`.
    pub kind: &'static str,
    /// The plural name in lower case, as it stands in the API's paths.
    pub plural: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// A kind by its names.
    pub const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        namespaced: bool,
    ) -> Self {
        Self { group, version, kind, plural, namespaced }
    }

    /// What objects of the kind have as `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The key of an object in the resource's own namespace, or in none if the
    /// kind is cluster-scoped.
    pub fn key(&self, name: impl Into<String>) -> ObjectKey {
        ObjectKey { kind: self.into(), namespace: None, name: name.into() }
    }

    /// Whether this is the kind of the contract's type.
    pub(crate) fn is(&self, other: &GroupVersionKind) -> bool {
        self.kind == other.kind && self.group == other.group && self.version == other.version
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind)
    }
}

impl From<&Kind> for GroupVersionKind {
    fn from(kind: &Kind) -> Self {
        Self { group: kind.group.to_owned(), version: kind.version.to_owned(), kind: kind.kind.to_owned() }
    }
}

impl From<&Kind> for ResourceKind {
    fn from(kind: &Kind) -> Self {
        Self { kind: kind.into(), plural: kind.plural.to_owned(), namespaced: kind.namespaced }
    }
}

/// Kinds that Kubernetes itself serves and operators often bring about.
pub mod kinds {
    use super::Kind;

    /// `v1` `ConfigMap`
    pub const CONFIG_MAP: Kind = Kind::new("", "v1", "ConfigMap", "configmaps", true);
    /// `discovery.k8s.io/v1` `EndpointSlice`
    pub const ENDPOINT_SLICE: Kind =
        Kind::new("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true);
    /// `v1` `LimitRange`
    pub const LIMIT_RANGE: Kind = Kind::new("", "v1", "LimitRange", "limitranges", true);
    /// `v1` `PersistentVolumeClaim`
    pub const PERSISTENT_VOLUME_CLAIM: Kind =
        Kind::new("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true);
    /// `v1` `Pod`
    pub const POD: Kind = Kind::new("", "v1", "Pod", "pods", true);
    /// `v1` `ResourceQuota`
    pub const RESOURCE_QUOTA: Kind = Kind::new("", "v1", "ResourceQuota", "resourcequotas", true);
    /// `v1` `Secret`
    pub const SECRET: Kind = Kind::new("", "v1", "Secret", "secrets", true);
    /// `v1` `Service`
    pub const SERVICE: Kind = Kind::new("", "v1", "Service", "services", true);
    /// `v1` `ServiceAccount`
    pub const SERVICE_ACCOUNT: Kind = Kind::new("", "v1", "ServiceAccount", "serviceaccounts", true);
    /// `apps/v1` `Deployment`
    pub const DEPLOYMENT: Kind = Kind::new("apps", "v1", "Deployment", "deployments", true);
    /// `apps/v1` `StatefulSet`
    pub const STATEFUL_SET: Kind = Kind::new("apps", "v1", "StatefulSet", "statefulsets", true);
    /// `batch/v1` `CronJob`
    pub const CRON_JOB: Kind = Kind::new("batch", "v1", "CronJob", "cronjobs", true);
    /// `batch/v1` `Job`
    pub const JOB: Kind = Kind::new("batch", "v1", "Job", "jobs", true);
    /// `networking.k8s.io/v1` `NetworkPolicy`
    pub const NETWORK_POLICY: Kind =
        Kind::new("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true);
    /// `policy/v1` `PodDisruptionBudget`
    pub const POD_DISRUPTION_BUDGET: Kind =
        Kind::new("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true);
    /// `storage.k8s.io/v1` `StorageClass`
    pub const STORAGE_CLASS: Kind =
        Kind::new("storage.k8s.io", "v1", "StorageClass", "storageclasses", false);
    /// `rbac.authorization.k8s.io/v1` `Role`
    pub const ROLE: Kind = Kind::new("rbac.authorization.k8s.io", "v1", "Role", "roles", true);
    /// `rbac.authorization.k8s.io/v1` `RoleBinding`
    pub const ROLE_BINDING: Kind =
        Kind::new("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true);
}
