//! Waiting for what should come about, and saying why it did not.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// How long anything may take that should come about after a fault: a node that
/// comes back, pods that are evicted, and a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

const PAUSE: Duration = Duration::from_millis(300);

/// Tries until it succeeds; the error is that of the last try.
pub(crate) fn until<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => sleep(PAUSE),
            outcome => {
                return outcome.with_context(|| format!("waited {} s in vain: {what}", limit.as_secs()));
            }
        }
    }
}
