//! Kubernetes Events.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event as Published, EventType as PublishedType, Recorder, Reporter},
};

use super::informer::describe;
use crate::model::{Event, EventType};

/// What Kubernetes allows for the text of an event.
const NOTE_BYTES_MAX: usize = 1024;

/// Publishes events; equal ones are counted by Kubernetes, not repeated.
#[derive(Clone)]
pub(super) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "operlet.dev/host".to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes an event. That it could not be is logged and changes nothing
    /// else: an event is a courtesy.
    pub(super) async fn publish(&self, event: &Event, about: &ObjectReference) {
        let published = Published {
            type_: match event.type_ {
                EventType::Normal => PublishedType::Normal,
                EventType::Warning => PublishedType::Warning,
            },
            reason: event.reason.clone(),
            note: Some(shorten(&event.message, NOTE_BYTES_MAX)),
            action: event.action.clone(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&published, about).await {
            tracing::warn!(reason = event.reason, error = describe(&error), "cannot publish an event");
        }
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
