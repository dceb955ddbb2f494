//! An API server in memory: what a client of Kubernetes sees of a cluster.

mod access;
mod custom;
mod delete;
mod discovery;
mod error;
mod evict;
mod kinds;
mod late;
mod manage;
mod names;
mod quantity;
mod read;
mod registry;
mod request;
mod route;
mod selector;
mod service;
mod shape;
mod state;
mod store;
mod structural;
mod watch;
mod write;

pub(crate) use delete::Deleting;
pub(crate) use error::Refusal;
pub(crate) use evict::allow_disruptions;
pub(crate) use registry::Resource;
pub(crate) use selector::LabelSelector;
pub use service::{ApiServer, Endpoint};
pub use state::{Clock, Seen};
pub(crate) use state::{State, letters};
pub(crate) use store::{Change, Fate, Place, Stored};
pub(crate) use write::{CLAIM_FINALIZER, DEFINITION_FINALIZER, Writing};
