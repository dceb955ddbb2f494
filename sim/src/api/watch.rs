//! Watches: what of the changes somebody wants to hear, and how it is told.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    selector::{FieldSelector, LabelSelector},
    store::{Change, Fate, Place, Stored},
};

/// What somebody wants to hear of.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) metadata_only: bool,
    /// The version that is asked for, if objects are kept in another one.
    pub(crate) converted: Option<String>,
}

impl Wanted {
    /// Whether this object is wanted.
    pub(crate) fn includes(&self, place: &Place, stored: &Stored) -> bool {
        place.group == self.group
            && place.plural == self.plural
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == place.namespace)
            && self.labels.matches(&stored.value)
            && self.fields.matches(&stored.value)
    }

    /// What is told of a change. An object that is not selected any more is told as
    /// deleted, one that is from now on as added.
    pub(crate) fn event(&self, change: &Change) -> Option<Bytes> {
        let before = change.before.as_ref().is_some_and(|before| self.includes(&change.place, before));
        let now = change.fate != Fate::Deleted && self.includes(&change.place, &change.now);
        let name = match (before, now) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        // What leaves a selection is told as it was, with the version of the change.
        if let (true, Fate::Modified, Some(before)) = (name == "DELETED", change.fate, &change.before) {
            let left = Stored::new(before.value.clone(), before.managers.clone(), change.now.version);
            return Some(self.told(name, &left));
        }
        Some(self.told(name, &change.now))
    }

    /// An event about an object.
    pub(crate) fn told(&self, name: &str, stored: &Stored) -> Bytes {
        let object = self.shown(stored);
        let mut line = Vec::with_capacity(object.len() + 40);
        line.extend_from_slice(br#"{"type":""#);
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(br#"","object":"#);
        line.extend_from_slice(&object);
        line.extend_from_slice(b"}\n");
        line.into()
    }

    /// The object as it was asked for.
    pub(crate) fn shown(&self, stored: &Stored) -> Bytes {
        match &self.converted {
            _ if self.metadata_only => partial(&stored.full()).to_string().into(),
            Some(version) => stored.converted(version),
            None => stored.json(),
        }
    }
}

/// Only the metadata of an object.
pub(crate) fn partial(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata })
}

/// How far a watch has come, with nothing else to tell.
pub(crate) fn bookmark(api_version: &str, kind: &str, version: u64, initial_end: bool) -> Bytes {
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if initial_end && let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("annotations".to_owned(), json!({ "k8s.io/initial-events-end": "true" }));
    }
    let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
    format!("{}\n", json!({ "type": "BOOKMARK", "object": object })).into()
}

/// That a watch cannot go on.
pub(crate) fn failed(status: &Value) -> Bytes {
    format!("{}\n", json!({ "type": "ERROR", "object": status })).into()
}
