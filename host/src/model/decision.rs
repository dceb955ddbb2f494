//! What a component answers.

use super::{ObjectKey, Probe, Question};

/// The very state of an object that an intent relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedVersion {
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
}

/// An object that should be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensure {
    /// The wanted fields, as JSON.
    pub object: String,
    /// Write only while the object is still this one at this version.
    pub if_unchanged: Option<ObservedVersion>,
}

/// Fields to be set on an object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amend {
    /// The fields, as JSON.
    pub object: String,
    /// The object's uid.
    pub uid: String,
}

/// An object to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove {
    /// Which one.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
}

/// What should become of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It should be so.
    Ensure(Ensure),
    /// It should exist; the JSON it is made from.
    Create(String),
    /// These fields should be set on it.
    Amend(Amend),
    /// It should go.
    Remove(Remove),
    /// It should stay just as it is.
    Keep(ObjectKey),
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl ConditionStatus {
    /// As it stands in `status.conditions`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition, before times and generation are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The type, in CamelCase.
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// How an event is classed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An event of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class.
    pub type_: EventType,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// What happened, in words.
    pub message: String,
    /// What was done, in one CamelCase word.
    pub action: String,
}

/// How it should be, as far as the component can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What should become of which objects.
    pub intents: Vec<Intent>,
    /// The whole status but for what the host stamps, as JSON; none leaves it.
    pub status: Option<String>,
    /// The conditions it speaks of.
    pub conditions: Vec<Condition>,
    /// Events to record.
    pub events: Vec<Event>,
    /// When to be called again though nothing changes, in milliseconds.
    pub requeue_after_ms: Option<u64>,
    /// Handed to the next reconcile.
    pub carry: Vec<u8>,
    /// The resource may go.
    pub released: bool,
    /// The probes that should run from now on, all of them.
    pub probes: Vec<Probe>,
}

/// What a component answers to an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It needs to know more.
    Ask(Vec<Question>),
    /// This status, as JSON, must be on record first.
    Checkpoint(String),
    /// How it should be.
    Settle(Outcome),
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something that should pass.
    Retry {
        /// What is in the way.
        message: String,
        /// When to try again, in milliseconds.
        after_ms: Option<u64>,
    },
    /// The resource is wrong, in words for its author.
    Invalid(String),
    /// The component is wrong, in words for its author.
    Bug(String),
}
