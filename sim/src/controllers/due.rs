//! When controllers have something to do although nothing has changed.

use jiff::{SignedDuration, Timestamp};

/// The first of the times at which something is due.
#[derive(Debug, Default)]
pub(super) struct Due(Option<Timestamp>);

impl Due {
    /// Something is due at this time.
    pub(super) fn at(&mut self, time: Timestamp) {
        self.0 = Some(self.0.map_or(time, |known| known.min(time)));
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        self.0
    }
}

/// So many seconds after a time that an object notes.
pub(super) fn after(noted: &str, seconds: i64) -> Option<Timestamp> {
    let time: Timestamp = noted.parse().ok()?;
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}
