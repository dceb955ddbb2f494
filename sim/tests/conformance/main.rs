//! What an API server does, asked of the one in memory and of a real one.
//!
//! Each case is a series of requests. What a real API server answered is kept in
//! `golden/`, and both must answer that. Without more said the server in memory is
//! asked; with `OPERLET_CONFORMANCE_KUBECONFIG`, the cluster of that file. Its answers
//! are kept with
//! `OPERLET_BLESS=1 OPERLET_CONFORMANCE_KUBECONFIG=... cargo test --package operlet-sim --test conformance`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what is unexpected fails a test"
)]

mod cases;
mod check;
mod normal;
mod script;
