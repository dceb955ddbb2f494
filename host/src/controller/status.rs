//! Writes the status of a resource, if nobody changed the resource since it was
//! observed.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    informer::{api_for, describe},
    resource_status::{NewStatus, next_status},
    runtime::{Live, Runtime},
    store::Stored,
};
use crate::model::ObjectKey;

/// What came of it.
pub(super) enum Wrote {
    /// It is so already.
    Unchanged,
    /// The resource as it is now.
    Written(Arc<Stored>),
    /// The resource is not the one observed any more.
    Stale,
    /// There is no such resource any more.
    Gone,
}

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the status of {key}: {message}")]
pub(super) struct StatusError {
    key: ObjectKey,
    message: String,
    /// Whether it is for want of a right.
    pub(super) forbidden: bool,
}

/// What of a resource a status follows from.
#[derive(Default, Deserialize)]
struct Current {
    #[serde(default)]
    status: Map<String, Value>,
}

/// Writes a status, guarded by the version of the resource.
pub(super) async fn write(
    runtime: &Runtime,
    live: &Live,
    resource: &Stored,
    new: &NewStatus<'_>,
) -> Result<Wrote, StatusError> {
    let key = &resource.key;
    let Current { status: before } = serde_json::from_str(&resource.json).unwrap_or_default();
    let Some(status) = next_status(&before, new) else { return Ok(Wrote::Unchanged) };
    let mut metadata = json!({
        "name": key.name,
        "uid": resource.uid(),
        "resourceVersion": resource.resource_version(),
    });
    if let (Some(namespace), Some(map)) = (&key.namespace, metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), Value::from(namespace.as_str()));
    }
    let body = json!({
        "apiVersion": key.kind.api_version(), "kind": key.kind.kind, "metadata": metadata, "status": status,
    });
    let api = api_for(&runtime.client, &live.manifest.primary, key.namespace.as_deref());
    let params = PatchParams::apply(&runtime.field_manager()).force();
    match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
        Ok(object) => Ok(Wrote::Written(runtime.store.put_own(Stored::new(&key.kind, object)))),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Wrote::Gone),
        // A changed uid is answered as an invalid change of an immutable field.
        Err(kube::Error::Api(status)) if status.is_conflict() || super::apply::uid_mismatch(&status) => {
            Ok(Wrote::Stale)
        }
        Err(error) => {
            let forbidden = matches!(&error, kube::Error::Api(status) if status.is_forbidden());
            Err(StatusError { key: ObjectKey::clone(key), message: describe(&error), forbidden })
        }
    }
}
