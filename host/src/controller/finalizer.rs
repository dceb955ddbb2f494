//! The host's finalizer on resources, and how it is taken off again.

use std::time::Duration;

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
    core::ObjectMeta,
};
use serde::Deserialize;
use serde_json::json;

use super::{informer::api_for, store::Given};
use crate::model::ResourceKind;

/// The finalizer of a resource whose component has something to do before it
/// goes. It is the host's, whichever operlet is at work, so that an operlet that
/// takes a kind over finishes what its predecessor began.
pub(super) const FINALIZER: &str = "operlet.dev/finalizer";

/// What the metadata of a resource says about its end.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ending {
    finalizers: Vec<String>,
    deletion_timestamp: Option<Timestamp>,
    resource_version: String,
    uid: String,
}

impl Ending {
    /// Of a resource's JSON.
    pub(super) fn of(json: &str) -> Self {
        #[derive(Deserialize)]
        struct Resource {
            #[serde(default)]
            metadata: Ending,
        }
        // It was read before, or it would not be in the store.
        serde_json::from_str::<Resource>(json).map(|resource| resource.metadata).unwrap_or_default()
    }

    fn of_metadata(metadata: ObjectMeta) -> Self {
        Self {
            finalizers: metadata.finalizers.unwrap_or_default(),
            deletion_timestamp: metadata.deletion_timestamp.map(|time| time.0),
            resource_version: metadata.resource_version.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
        }
    }

    /// Whether it waits for this host.
    pub(super) fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// How long it has been waiting, in seconds; none if it is not being deleted.
    pub(super) fn waiting_seconds(&self, now: Timestamp) -> Option<u64> {
        let since = now.duration_since(self.deletion_timestamp?).as_secs();
        Some(u64::try_from(since).unwrap_or_default())
    }

    fn with_finalizer(&self, wanted: bool) -> Vec<&str> {
        let others = self.finalizers.iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER);
        others.chain(wanted.then_some(FINALIZER)).collect()
    }
}

/// Puts the finalizer on or takes it off, if nobody changed the resource since.
pub(super) async fn set(
    api: &Api<Given>,
    name: &str,
    ending: &Ending,
    wanted: bool,
) -> Result<Given, kube::Error> {
    let patch = json!({ "metadata": {
        "uid": ending.uid,
        // A list is replaced as a whole, so it must not have changed meanwhile.
        "resourceVersion": ending.resource_version,
        "finalizers": ending.with_finalizer(wanted),
    } });
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await
}

/// Takes the finalizer off all resources of a kind, or off those that have been
/// waiting for longer than this; how many there were. The last error is returned
/// after all were tried.
pub(super) async fn release_all(
    client: &Client,
    kind: &ResourceKind,
    waiting: Option<Duration>,
) -> Result<usize, kube::Error> {
    let now = Timestamp::now();
    let (mut released, mut failed) = (0, None);
    for found in api_for(client, kind, None).list_metadata(&ListParams::default()).await?.items {
        let (name, namespace) = (found.metadata.name.clone(), found.metadata.namespace.clone());
        let ending = Ending::of_metadata(found.metadata);
        let waited = ending.waiting_seconds(now).map(Duration::from_secs);
        let due = waiting.is_none_or(|least| waited.is_some_and(|waited| waited >= least));
        if !due || !ending.has_finalizer() {
            continue;
        }
        let api = api_for(client, kind, namespace.as_deref());
        match set(&api, &name.unwrap_or_default(), &ending, false).await {
            Ok(_) => released += 1,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(released), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finalizers_of_others_stay() {
        let json = r#"{"metadata": {"finalizers": ["a/b", "operlet.dev/finalizer"], "uid": "u",
            "deletionTimestamp": "2026-01-01T00:00:00Z"}}"#;
        let ending = Ending::of(json);
        assert!(ending.has_finalizer());
        assert_eq!(ending.with_finalizer(false), ["a/b"]);
        assert_eq!(ending.with_finalizer(true), ["a/b", FINALIZER]);
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        assert_eq!(ending.waiting_seconds(now), Some(90));
        let alive = Ending::of(r#"{"metadata": {"name": "a"}}"#);
        assert!(!alive.has_finalizer());
        assert_eq!(alive.waiting_seconds(now), None);
    }
}
