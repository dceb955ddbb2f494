//! What a component asks, and what it is answered.

use std::sync::Arc;

use super::{Exchange, ExchangeEnd, GroupVersionKind, ObjectKey};

/// A fact that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One object.
    Get(ObjectKey),
    /// All objects of a kind that match a selector.
    List {
        /// The kind.
        kind: GroupVersionKind,
        /// A label selector as in the API's `labelSelector`; empty selects all.
        selector: String,
    },
    /// An exchange with a pod that the resource owns.
    Exchange(Exchange),
}

/// A request with a name for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Chosen by the component, unique within one reconcile.
    pub id: String,
    /// What is asked.
    pub request: Request,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To `get`: the object, or none if it does not exist.
    Object(Option<Arc<str>>),
    /// To `list`: what matches, ordered by name.
    Objects(Vec<Arc<str>>),
    /// To `exchange`: how it ended.
    Exchange(ExchangeEnd),
    /// The question may not be asked, in words for a person.
    Denied(String),
    /// The question could not be answered now, in words for a person.
    Unavailable(String),
}

impl Response {
    /// How many bytes it carries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Object(object) => object.as_ref().map_or(0, |object| object.len()),
            Self::Objects(objects) => objects.iter().map(|object| object.len()).sum(),
            Self::Exchange(end) => end.bytes(),
            Self::Denied(text) | Self::Unavailable(text) => text.len(),
        }
    }
}

/// The answer to one question of an earlier round of this reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question's id.
    pub id: String,
    /// What came of it.
    pub response: Response,
}
