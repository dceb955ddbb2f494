use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use crate::Text;

/// A Kubernetes object: its metadata and, in the author's own types, what of spec
/// and status the component reads. Fields that no type names are skipped.
///
/// ```
/// use operlet_sdk::Object;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Spec {
///     replicas: u32,
/// }
///
/// let text = r#"{"metadata": {"name": "web", "uid": "7"}, "spec": {"replicas": 2, "paused": true}}"#;
/// let object: Object<Spec> = serde_json::from_str(text)?;
/// assert_eq!(object.metadata.name, "web");
/// assert_eq!(object.spec.replicas, 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(bound(deserialize = "Spec: Deserialize<'de>, Status: Deserialize<'de>"))]
pub struct Object<'a, Spec, Status = IgnoredAny> {
    /// Who it is.
    #[serde(borrow)]
    pub metadata: ObjectMeta<'a>,
    /// How it should be.
    pub spec: Spec,
    /// How it is; none if there is no status yet.
    #[serde(default = "none")]
    pub status: Option<Status>,
}

/// The part of `metadata` that operators read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its namespace; empty for a cluster-scoped object.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Its uid.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// Its version, which only the API server can read.
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    /// How often its spec changed.
    pub generation: i64,
    /// When its deletion was asked for, if it was.
    #[serde(borrow)]
    pub deletion_timestamp: Option<Text<'a>>,
    /// Its labels.
    #[serde(borrow)]
    pub labels: BTreeMap<Text<'a>, Text<'a>>,
    /// Its annotations.
    #[serde(borrow)]
    pub annotations: BTreeMap<Text<'a>, Text<'a>>,
}

/// A status that is not there needs no `Default` of the author's type.
fn none<T>() -> Option<T> {
    None
}
