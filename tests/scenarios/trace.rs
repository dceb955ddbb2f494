//! What happens in a run: a line for each request, and a hash of all of them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// What has happened so far.
#[derive(Clone)]
pub(crate) struct Trace {
    begun: Instant,
    shown: bool,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    hash: u64,
    lines: u64,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self { begun: Instant::now(), shown, inner: Arc::default() }
    }

    /// Shows what can be told of what was noted, where it is shown at all.
    pub(crate) fn explain(&self, what: impl FnOnce() -> Option<String>) {
        if self.shown
            && let Some(what) = what()
        {
            println!("{:>10} {what}", "");
        }
    }

    /// Notes what happened.
    pub(crate) fn note(&self, what: &str) {
        let line = format!("{:>10.3} {what}", self.begun.elapsed().as_secs_f64());
        if self.shown {
            println!("{line}");
        }
        self.add(line.as_bytes());
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).lines += 1;
    }

    /// Lets the hash depend on this, too: FNV-1a.
    pub(crate) fn add(&self, bytes: &[u8]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            inner.hash = (inner.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash of all lines, and their number.
    pub(crate) fn end(&self) -> (u64, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.hash, inner.lines)
    }
}
