//! Tests of single decisions of the failover protocol. What follows from sequences of
//! them is for the explorer, beside this.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests, too, fail loudly where what they expect is not there"
)]

mod case;
mod properties;
mod transitions;
#[path = "../explore/words.rs"]
mod words;
