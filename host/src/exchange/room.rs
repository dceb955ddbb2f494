//! How many bytes may still be received.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for what several exchanges side by side bring together: as much as their
/// component can be shown. Without it, many small bounds would add up to a large one.
#[derive(Debug)]
pub struct Room {
    left: AtomicUsize,
}

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// How many bytes there is room for.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Gives room back that was taken.
    pub fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes room for so many bytes; false if there is not as much left, and then
    /// none is taken.
    pub fn take(&self, bytes: usize) -> bool {
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let room = Room::new(10);
        assert!(room.take(6));
        assert!(!room.take(5));
        assert!(room.take(4));
        assert!(!room.take(1));
        room.give_back(3);
        assert_eq!(room.left(), 3);
    }
}
