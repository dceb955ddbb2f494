//! End-to-end tests on the lab: a real Kubernetes with real pods.
//!
//! `cargo xtask test lab` brings the lab up, builds what is installed there and
//! runs these. Each test has a namespace of its own; one that stops or replaces
//! the host holds the cluster alone meanwhile.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what is unexpected fails a test, and what was measured is printed"
)]

mod authoring;
mod cluster;
mod components;
mod encrypted;
mod failover;
mod host;
mod kubectl;
mod lease;
mod lifecycle;
#[path = "../outage/mod.rs"]
#[allow(dead_code, reason = "what is shared serves a benchmark, too")]
mod outage;
mod ownership;
mod redis;
mod rejected;
mod sample;
mod scaling;
mod swap;
mod things;
