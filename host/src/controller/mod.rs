//! The pipeline: watch, observe, decide, plan, apply, report.
//!
//! [`supervisor`] keeps one [`installation`] for each Operlet; an installation
//! keeps one component live and the kinds it needs watched; [`reconcile`] is what
//! happens to one resource.

mod apply;
mod conclude;
mod events;
mod informer;
mod installation;
mod observe;
mod queue;
mod reconcile;
mod report;
mod resource_status;
mod runtime;
mod source_watch;
pub mod store;
mod supervisor;
mod working;

pub use supervisor::{Supervisor, SupervisorOptions};
