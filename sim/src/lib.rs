//! A Kubernetes in memory, on which the host runs as it is.
//!
//! [`ApiServer`] is a service for [`kube::Client`]: whatever speaks to a cluster through
//! such a client speaks to it. What it does is held to what a real API server does by
//! one suite of tests that runs on both.

mod api;
mod chance;
mod controllers;
mod fields;
pub mod models;
mod schema;
mod typed;
mod world;

pub use api::{ApiServer, Clock, Endpoint, Seen};
pub use controllers::{Controllers, World};
pub use world::{
    Act, Application, Connection, Container, Event, Exec, Images, Network, NetworkStream, Process, Volume,
};
