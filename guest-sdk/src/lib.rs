//! What an author of an operlet in Rust depends on: the types of the contract
//! (`wit/`), typed access to what is observed, and builders for what is decided.
//!
//! An operlet is a pure function. What it may know arrives in an [`Observation`],
//! what it wants done leaves in a [`Decision`]; it opens no socket, reads no clock
//! and keeps nothing between calls. So the same crate is a component for the host
//! and an ordinary library for native tests.
//!
//! ```
//! use operlet_sdk::{
//!     ConditionStatus, Decision, Failure, Kind, Manifest, Observation, Object, Operator, Outcome, kinds,
//! };
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! const GREETING: Kind = Kind::new("example.dev", "v1", "Greeting", "greetings", true);
//!
//! #[derive(Deserialize)]
//! struct Spec {
//!     text: String,
//! }
//!
//! struct Greeter;
//!
//! impl Operator for Greeter {
//!     fn describe() -> Manifest {
//!         Manifest::new("greeter", env!("CARGO_PKG_VERSION"), &GREETING).child(&kinds::CONFIG_MAP)
//!     }
//!
//!     fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
//!         let greeting: Object<Spec> = observation.resource_as()?;
//!         let mut outcome = Outcome::new();
//!         outcome.ensure(&json!({
//!             "apiVersion": "v1",
//!             "kind": "ConfigMap",
//!             "metadata": {"name": greeting.metadata.name},
//!             "data": {"text": greeting.spec.text},
//!         }))?;
//!         outcome.condition("Ready", ConditionStatus::True, "Written", "the greeting is written");
//!         Ok(outcome.settle())
//!     }
//! }
//!
//! operlet_sdk::export!(Greeter);
//! # fn main() {}
//! ```
//!
//! # Habits worth keeping
//!
//! - Use ordered maps and no floating-point numbers: the same observation must give
//!   the same decision, byte for byte.
//! - Answer [`Failure::invalid`] when the resource is wrong and say which field;
//!   never panic for it. A panic is reported, and counted against the component.
//! - Name every object that should stay: what an earlier decision ensured and this
//!   one does not name is deleted, if its kind may be.

mod decision;
mod exchange;
mod failure;
mod kind;
pub mod log;
mod manifest;
mod object;
mod observation;
mod outcome;
mod parse;
#[doc(hidden)]
pub mod runtime;
pub mod testing;
mod text;

/// The types of the contract as they are generated from `wit/`.
///
/// Authors rarely need this module: what they use stands at the root of the crate.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated from wit/")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "operator",
        pub_export_macro: true,
        default_bindings_module: "operlet_sdk::bindings",
        additional_derives: [PartialEq, Eq],
        generate_all,
    });
}

pub use bindings::exports::operlet::operator::reconciler::{
    Amend, Answer, Checkpoint, ChildKind, Condition, ConditionStatus, Create, Decision, Ensure, Event,
    EventType, Failure, Intent, ListQuery, Manifest, ObjectsOfKind, Observation, ObservedVersion, Outcome,
    Question, Remove, Request, Response, Retry,
};
pub use bindings::operlet::operator::exchanges::{
    Effect, Exchange, ExchangeEnd, PartialReplies, Probe, ProbeReport, SecretEntry, Step, Tls, Transport,
    Until,
};
pub use bindings::operlet::operator::types::{
    GroupVersionKind, Limits, ObjectKey, ResourceKind, StateVersions,
};
pub use kind::{Kind, kinds};
pub use object::{Object, ObjectMeta};
pub use runtime::CONTRACT_VERSION;
pub use text::Text;

/// An operator: it turns resources of one kind into other objects.
///
/// Both functions must be pure. The host calls `describe` twice, in two instances,
/// and refuses a component whose answers differ; it may repeat `reconcile` with the
/// same observation at any time and compare.
pub trait Operator {
    /// What the component is: its kinds, and what it asks of the host.
    fn describe() -> Manifest;

    /// Decides about one resource.
    ///
    /// # Errors
    ///
    /// A [`Failure`] changes and deletes nothing. Which one decides when the host
    /// calls again; see there.
    fn reconcile(observation: &Observation) -> Result<Decision, Failure>;
}

/// Exports an [`Operator`] from a component; once in a crate.
///
/// On wasm the crate, built as a `cdylib`, becomes a component with the single
/// import `diagnostics`. On any other target this only checks the type, so that
/// the same crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($operator:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::exports::operlet::operator::reconciler::Guest for Exported {
                fn describe() -> $crate::Manifest {
                    $crate::runtime::describe::<$operator>()
                }
                fn reconcile(
                    observation: $crate::Observation,
                ) -> ::core::result::Result<$crate::Decision, $crate::Failure> {
                    $crate::runtime::reconcile::<$operator>(&observation)
                }
            }
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = $crate::runtime::is_operator::<$operator>();
    };
}
