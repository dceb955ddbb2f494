//! The contract at version 0.1.0, from `wit/`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "generated code; the documentation stands in wit/"
)]

/// The version as it stands in the names of interfaces.
pub(in crate::engine) const VERSION: &str = "0.1.0";

wasmtime::component::bindgen!({
    path: "../wit",
    world: "operator",
    exports: { default: async },
    additional_derives: [PartialEq],
});
