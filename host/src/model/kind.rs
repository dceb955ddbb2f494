//! How kinds and objects of the Kubernetes API are named.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A kind of the Kubernetes API at one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, for instance `v1`.
    pub version: String,
    /// The kind, for instance `StatefulSet`.
    pub kind: String,
}

impl GroupVersionKind {
    /// `apiVersion` as it stands in objects: `group/version`, or the version
    /// alone for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The kind of an object with this `apiVersion` and `kind`.
    #[must_use]
    pub fn from_type(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.kind, self.version)?;
        if self.group.is_empty() { Ok(()) } else { write!(formatter, ".{}", self.group) }
    }
}

/// A kind with what is needed to address it without discovery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKind {
    /// Group, version and kind.
    pub kind: GroupVersionKind,
    /// The plural name in lower case, as it stands in the API's paths.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// What it is; shared, for there are many objects of few kinds.
    pub kind: Arc<GroupVersionKind>,
    /// Its namespace; none for a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Its `metadata.name`.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_is_read_back_as_it_was_written() {
        for api_version in ["v1", "apps/v1", "platform.operlet.dev/v1alpha1"] {
            assert_eq!(GroupVersionKind::from_type(api_version, "Thing").api_version(), api_version);
        }
    }
}
