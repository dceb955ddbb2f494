//! What [`export!`](crate::export) calls: not for authors.

use crate::{Decision, Failure, Manifest, Observation, Operator};

/// The version of the contract that this crate was written against.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Compiles only for an operator.
pub const fn is_operator<T: Operator>() {}

/// `describe` with panics made visible.
pub fn describe<T: Operator>() -> Manifest {
    report_panics();
    T::describe()
}

/// `reconcile` with panics made visible.
///
/// # Errors
///
/// Those of the operator.
pub fn reconcile<T: Operator>(observation: &Observation) -> Result<Decision, Failure> {
    report_panics();
    T::reconcile(observation)
}

/// A component has no standard error: without this hook the message of a panic
/// would be lost and only the trap be seen. Each call has a fresh instance, so the
/// hook is set in each.
#[cfg(target_family = "wasm")]
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| crate::log::error(panic.to_string())));
}

/// Natively the test harness shows panics.
#[cfg(not(target_family = "wasm"))]
fn report_panics() {}
