//! What the Redis operlet says, said to real servers: without Kubernetes, each on
//! an address of its own of this machine's loopback network. Run by
//! `cargo xtask test lab`, before the lab comes up.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop, and says what it saw"
)]

mod image;
mod model;
mod operator;
mod server;
mod settings;
mod survival;
mod wire;
mod words;
