//! Real components in the real engine.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop, wherever it is; the names of tests are their docs"
)]

mod behaviour;
mod contract;
mod covered;
mod determinism;
mod guests;
mod limits;
mod load;
mod log;
mod rules;
mod scripted;
mod speed;
