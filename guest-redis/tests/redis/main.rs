//! Tests of the Redis operlet without a cluster.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, too, fail loudly where what they expect is not there"
)]

mod cluster;
mod crd;
mod decisions;
mod failover;
mod fixture;
mod objects;
mod properties;
mod server;
