//! Kubernetes Events.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event as Published, EventType as PublishedType, Recorder, Reporter},
};

use super::{informer::describe, store::Stored};
use crate::model::{Event, EventType};

/// What Kubernetes allows for the text of an event.
const NOTE_BYTES_MAX: usize = 1024;

/// So many different texts are told apart; beyond that counting begins anew.
const TEXTS_MAX: usize = 256;

/// Publishes events; equal ones are counted by Kubernetes, not repeated.
///
/// A recorder takes events of one reason for equal, whatever they say, and keeps
/// the first text. One recorder for each text keeps different ones apart.
#[derive(Clone)]
pub(super) struct Events {
    client: Client,
    reporter: Reporter,
    recorders: Arc<Mutex<HashMap<String, Recorder>>>,
}

impl Events {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "operlet.dev/host".to_owned(), instance: Some(instance.to_owned()) };
        Self { client, reporter, recorders: Arc::default() }
    }

    /// Publishes an event. That it could not be is logged and changes nothing
    /// else: an event is a courtesy.
    pub(super) async fn publish(&self, event: &Event, about: &ObjectReference) {
        let note = shorten(&event.message, NOTE_BYTES_MAX);
        let recorder = self.recorder(&note);
        let published = Published {
            type_: match event.type_ {
                EventType::Normal => PublishedType::Normal,
                EventType::Warning => PublishedType::Warning,
            },
            reason: event.reason.clone(),
            note: Some(note),
            action: event.action.clone(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&published, about).await {
            tracing::warn!(reason = event.reason, error = describe(&error), "cannot publish an event");
        }
    }

    fn recorder(&self, note: &str) -> Recorder {
        let mut recorders = self.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        if recorders.len() >= TEXTS_MAX && !recorders.contains_key(note) {
            recorders.clear();
        }
        let make = || Recorder::new(self.client.clone(), self.reporter.clone());
        recorders.entry(note.to_owned()).or_insert_with(make).clone()
    }
}

/// A resource as events name it.
pub(super) fn about(resource: &Stored) -> ObjectReference {
    let key = &resource.key;
    ObjectReference {
        api_version: Some(key.kind.api_version()),
        kind: Some(key.kind.kind.clone()),
        name: Some(key.name.clone()),
        namespace: key.namespace.clone(),
        uid: Some(resource.uid().to_owned()),
        ..ObjectReference::default()
    }
}

/// A text of at most so many bytes, marked where it was cut.
pub(super) fn shorten(text: &str, bytes_max: usize) -> String {
    const MARK: &str = " ...";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(MARK.len()));
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_marked() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("äöüäöüäöü", 10), "äöü ...");
    }
}
