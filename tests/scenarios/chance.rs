//! Numbers that a seed decides.

use std::time::Duration;

use crate::determinism::next;

/// A sequence of numbers.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below this.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let (state, number) = next(self.0);
        self.0 = state;
        number % bound.max(1)
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy, const COUNT: usize>(&mut self, from: [T; COUNT]) -> T {
        *from.get(self.below(COUNT as u64) as usize).expect("one to take")
    }

    /// The next time up to this.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)))
    }
}
