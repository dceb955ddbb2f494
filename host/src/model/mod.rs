//! Plain data that every other part speaks in: no I/O, no async, no clock.
//!
//! Names follow the contract in `wit/`; the engine converts between the bindings
//! of a contract version and these types, so nothing else knows that version.

mod decision;
mod digest;
mod exchange;
mod kind;
mod limits;
mod manifest;
mod observation;
mod owner;
mod question;

pub use decision::{
    Amend, Condition, ConditionStatus, Decision, Ensure, Event, EventType, Failure, Intent, ObservedVersion,
    Outcome, Remove,
};
pub use digest::{Digest, DigestError};
pub use exchange::{
    Effect, Exchange, ExchangeEnd, PartialReplies, Probe, ProbeReport, SecretEntry, Step, Tls, Transport,
    Until,
};
pub use kind::{GroupVersionKind, ObjectKey, ResourceKind};
pub use limits::{COMPONENT_BYTES_MAX, Limits};
pub use manifest::{ChildKind, Manifest, RequestedLimits, StateVersions};
pub use observation::{ObjectsOfKind, Observation};
pub use owner::{APPLIED_BY_ANNOTATION, OWNER_LABEL, Owner};
pub use question::{Answer, Question, Request, Response};
