//! The Lease: of all hosts that run, one writes and acts.
//!
//! Two hosts would work against each other, so a host writes only while it holds
//! the Lease `operlet` of its namespace (`coordination.k8s.io/v1`).
//!
//! Guarantees
//! - A holder that cannot renew stops by itself [`HOLD`] after the *sending* of its
//!   last successful renewal. A challenger takes over only after it has itself seen
//!   the Lease unchanged for the whole [`DURATION`] since it *received* it. The
//!   receiving comes after the sending, so the stop comes first, and what is left
//!   between the two is for requests that are in flight.
//! - Both measure on their own monotonic clocks. The times that are written into
//!   the Lease are for people and never compared.
//! - Every write of the Lease names the version that it replaces.
//!
//! Assumptions
//! - The API server does not carry a request out that it received longer ago than
//!   that margin and whose sender broke the connection off.
//! - The machine's monotonic clock goes on. It stands still while a machine is
//!   suspended, so a virtual machine with a host in it must not be.
//! - Nobody removes the Lease while hosts run.

mod keep;
mod leadership;
mod state;

use std::time::Duration;

pub use keep::{Ended, Lease, LeaseOptions};
pub use leadership::Leadership;

/// The name of the Lease, in the host's namespace.
pub const NAME: &str = "operlet";

/// How long a Lease that is not renewed keeps others out: ten times what an API
/// server may take to answer while it is busy, and little enough to wait for after
/// a host has crashed.
pub const DURATION: Duration = Duration::from_secs(10);

/// How often it is renewed: three renewals may fail before the holder stops.
pub const RENEW: Duration = Duration::from_secs(2);

/// How long after the sending of its last successful renewal a holder starts
/// nothing more. What it began before may go on until [`DURATION`]; the difference
/// of 3 s is for requests that are in flight.
pub const HOLD: Duration = Duration::from_secs(7);

/// How long the API server may take to answer. Two tries fit before [`HOLD`] ends.
const ANSWER: Duration = Duration::from_secs(3);

/// The pause after a failed try, and between two looks of a host that waits: what
/// a released Lease lies unused.
const LOOK: Duration = Duration::from_millis(500);
