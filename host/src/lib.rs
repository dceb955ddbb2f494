//! Operlet runs Kubernetes operators as sandboxed WebAssembly components.
//!
//! The architecture and its rules are in `docs/architecture.md`.

pub mod admin;
pub mod cli;
pub mod controller;
pub mod engine;
pub mod exchange;
pub mod lease;
pub mod metrics;
pub mod model;
pub mod operlets;
pub mod plan;
pub mod run;
pub mod telemetry;
