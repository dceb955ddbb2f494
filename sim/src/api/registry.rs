//! The kinds that are served.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    custom::Custom,
    kinds::{self, Rules},
};
use crate::schema::{Schema, TypeId, kubernetes, named};

/// A kind in one of its versions.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    /// The version in which objects are kept, whichever they are written in.
    pub(crate) stored_as: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether the status is written apart from the rest.
    pub(crate) has_status: bool,
    pub(crate) scale: Option<Scale>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) root: TypeId,
    pub(crate) rules: Rules,
    /// For a kind that a definition brings.
    pub(crate) custom: Option<Custom>,
}

/// Where the scale of an object is: JSON pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) replicas: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

impl Resource {
    /// As in `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether objects are kept as they are in this version.
    pub(crate) fn is_stored(&self) -> bool {
        self.version == self.stored_as
    }

    /// Says in an object that it is as in a version.
    pub(crate) fn name_version(&self, object: &mut Value, version: &str) {
        if self.custom.is_none() {
            return;
        }
        if let Some(object) = object.as_object_mut() {
            object.insert("apiVersion".to_owned(), format!("{}/{version}", self.group).into());
        }
    }

    /// As messages call many of it: `statefulsets.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// As messages call one of it: `StatefulSet.apps`.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

/// All kinds that are served, by where they are served.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<(String, String, String), Arc<Resource>>);

impl Registry {
    /// Kubernetes' own.
    pub(crate) fn kubernetes() -> Self {
        let mut registry = Self::default();
        for row in BUILT_IN {
            registry.insert(Arc::new(row.resource()));
        }
        registry
    }

    pub(crate) fn insert(&mut self, resource: Arc<Resource>) {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.0.insert(key, resource);
    }

    /// Serves this kind no longer, in no version.
    pub(crate) fn remove(&mut self, group: &str, plural: &str) {
        self.0.retain(|(known, _, name), _| known != group || name != plural);
    }

    pub(crate) fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.0.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The kind of this name, in any version.
    pub(crate) fn of_plural(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.0.values().find(|resource| resource.group == group && resource.plural == plural)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.0.values()
    }
}

struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    has_status: bool,
    /// The package of its type in the OpenAPI document.
    package: &'static str,
}

impl Row {
    fn resource(&self) -> Resource {
        let definition = format!("io.k8s.{}.{}.{}", self.package, self.version, self.kind);
        let schema = kubernetes();
        let scaled = ["StatefulSet", "Deployment", "ReplicaSet"].contains(&self.kind);
        let scale = scaled.then(|| Scale {
            replicas: "/spec/replicas".to_owned(),
            status: "/status/replicas".to_owned(),
            selector: None,
        });
        Resource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            stored_as: self.version.to_owned(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
            singular: self.kind.to_lowercase(),
            short_names: self.short.iter().map(|&name| name.to_owned()).collect(),
            namespaced: self.namespaced,
            has_status: self.has_status,
            scale,
            // A kind without a type may be anything.
            root: named(&definition).unwrap_or_else(|| schema.anything()),
            schema,
            rules: kinds::rules(self.group, self.kind),
            custom: None,
        }
    }
}

const fn row(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    [namespaced, has_status]: [bool; 2],
    package: &'static str,
) -> Row {
    Row { group, version: "v1", kind, plural, short, namespaced, has_status, package }
}

const OWN: bool = true;
const SHARED: bool = false;
const STATUS: bool = true;
const PLAIN: bool = false;

const BUILT_IN: &[Row] = &[
    row("", "Pod", "pods", &["po"], [OWN, STATUS], "api.core"),
    row("", "Service", "services", &["svc"], [OWN, STATUS], "api.core"),
    row("", "ConfigMap", "configmaps", &["cm"], [OWN, PLAIN], "api.core"),
    row("", "Secret", "secrets", &[], [OWN, PLAIN], "api.core"),
    row("", "Namespace", "namespaces", &["ns"], [SHARED, STATUS], "api.core"),
    row("", "Node", "nodes", &["no"], [SHARED, STATUS], "api.core"),
    row("", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], [OWN, STATUS], "api.core"),
    row("", "PersistentVolume", "persistentvolumes", &["pv"], [SHARED, STATUS], "api.core"),
    row("", "ServiceAccount", "serviceaccounts", &["sa"], [OWN, PLAIN], "api.core"),
    row("", "Event", "events", &["ev"], [OWN, PLAIN], "api.core"),
    row("events.k8s.io", "Event", "events", &["ev"], [OWN, PLAIN], "api.events"),
    row("apps", "StatefulSet", "statefulsets", &["sts"], [OWN, STATUS], "api.apps"),
    row("apps", "Deployment", "deployments", &["deploy"], [OWN, STATUS], "api.apps"),
    row("apps", "ReplicaSet", "replicasets", &["rs"], [OWN, STATUS], "api.apps"),
    row("apps", "ControllerRevision", "controllerrevisions", &[], [OWN, PLAIN], "api.apps"),
    row("batch", "Job", "jobs", &[], [OWN, STATUS], "api.batch"),
    row("batch", "CronJob", "cronjobs", &["cj"], [OWN, STATUS], "api.batch"),
    row("policy", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], [OWN, STATUS], "api.policy"),
    row("discovery.k8s.io", "EndpointSlice", "endpointslices", &[], [OWN, PLAIN], "api.discovery"),
    row("networking.k8s.io", "NetworkPolicy", "networkpolicies", &["netpol"], [OWN, PLAIN], "api.networking"),
    row("coordination.k8s.io", "Lease", "leases", &[], [OWN, PLAIN], "api.coordination"),
    row("rbac.authorization.k8s.io", "Role", "roles", &[], [OWN, PLAIN], "api.rbac"),
    row("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", &[], [OWN, PLAIN], "api.rbac"),
    row("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", &[], [SHARED, PLAIN], "api.rbac"),
    row(
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "clusterrolebindings",
        &[],
        [SHARED, PLAIN],
        "api.rbac",
    ),
    row("storage.k8s.io", "StorageClass", "storageclasses", &["sc"], [SHARED, PLAIN], "api.storage"),
    row(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd"],
        [SHARED, STATUS],
        "apiextensions-apiserver.pkg.apis.apiextensions",
    ),
];

/// The scale that an object has, as `autoscaling/v1` shows it.
pub(crate) fn shown_scale(scale: &Scale, object: &Value) -> Value {
    let at = |pointer: &str| object.pointer(pointer).cloned();
    let mut metadata = serde_json::Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.extend(at(&format!("/metadata/{key}")).map(|value| (key.to_owned(), value)));
    }
    let replicas = at(&scale.replicas).unwrap_or_else(|| 0.into());
    let mut status = serde_json::Map::new();
    status.insert("replicas".to_owned(), at(&scale.status).unwrap_or_else(|| 0.into()));
    let selector = match &scale.selector {
        Some(pointer) => at(pointer),
        None => at("/spec/selector/matchLabels").map(|labels| {
            let labels = labels.as_object().cloned().unwrap_or_default();
            let pairs =
                labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
            pairs.collect::<Vec<_>>().join(",").into()
        }),
    };
    status.extend(selector.map(|selector| ("selector".to_owned(), selector)));
    serde_json::json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": replicas }, "status": status,
    })
}
