//! The pipeline: watch, observe, decide, plan, apply, report.
//!
//! [`supervisor`] keeps one [`installation`] for each Operlet; an installation
//! keeps one component live and the kinds it needs watched; [`reconcile`] is what
//! happens to one resource.

mod answer;
mod apply;
mod breaker;
mod clients;
mod conclude;
mod deletions;
mod dependencies;
mod events;
mod finalizer;
mod informer;
mod installation;
mod memory;
mod observe;
mod queue;
mod reach;
mod reconcile;
mod report;
mod resource_status;
mod rights;
mod rounds;
mod runtime;
mod source_watch;
mod status;
pub mod store;
mod supervisor;
mod waiting;
mod woken;
mod working;

pub use clients::{Clients, Connect, Impersonation, NotHolder};
pub use supervisor::{Supervisor, SupervisorOptions};
