//! Lines for the host's log, the only thing that leaves a component beside its
//! decision.
//!
//! The host marks each line with the operlet, the component's digest and the
//! resource. At most 100 lines a call and 4 KiB a line are kept. Never log a secret.
//!
//! ```
//! operlet_sdk::log::info(format!("{} of {} pods are ready", 2, 3));
//! ```

pub use crate::bindings::operlet::operator::diagnostics::Level;

/// A line for the author of the component.
pub fn debug(message: impl AsRef<str>) {
    log(Level::Debug, message.as_ref());
}

/// A line for the person who operates the component.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, message.as_ref());
}

/// Something is not as it should be, and the component copes.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, message.as_ref());
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    log(Level::Error, message.as_ref());
}

/// A line at the given level.
#[cfg(target_family = "wasm")]
pub fn log(level: Level, message: &str) {
    crate::bindings::operlet::operator::diagnostics::log(level, message);
}

/// A line at the given level. Natively, in tests, it goes to standard error.
#[cfg(not(target_family = "wasm"))]
pub fn log(level: Level, message: &str) {
    use std::io::Write as _;
    // A test whose standard error is closed has nobody to tell.
    let _ = writeln!(std::io::stderr(), "{level:?}: {message}");
}
