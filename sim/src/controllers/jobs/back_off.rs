//! How long a Job waits after failures until it makes the next pod.

use jiff::{SignedDuration, Timestamp};

use super::counts::Ended;

/// The first wait, and the longest.
const WAIT: [SignedDuration; 2] = [SignedDuration::from_secs(10), SignedDuration::from_secs(600)];

/// The failures since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackOff {
    failures: u32,
    last: Option<Timestamp>,
}

impl BackOff {
    /// What is known after these pods have ended, too.
    pub(super) fn after(self, ended: &Ended) -> Self {
        let mut next = self;
        let mut since = Timestamp::MIN;
        if let Some(success) = ended.new_successes.last() {
            (next, since) = (Self::default(), *success);
        }
        let mut failures = ended.new_failures.iter().filter(|failure| **failure > since);
        next.failures =
            next.failures.saturating_add(u32::try_from(failures.clone().count()).unwrap_or(u32::MAX));
        next.last = failures.next_back().copied().or(next.last);
        next
    }

    /// Until when no pod is made.
    pub(super) fn until(self) -> Option<Timestamp> {
        let [first, longest] = WAIT;
        let doublings = self.failures.checked_sub(1)?.min(10);
        let wait = first.checked_mul(1 << doublings).unwrap_or(longest).min(longest);
        self.last?.checked_add(wait).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn ended(successes: &[i64], failures: &[i64]) -> Ended {
        Ended {
            new_successes: successes.iter().copied().map(at).collect(),
            new_failures: failures.iter().copied().map(at).collect(),
            ..Ended::default()
        }
    }

    #[test]
    fn who_fails_again_waits_longer_and_a_success_is_the_end_of_it() {
        let none = BackOff::default();
        assert_eq!(none.until(), None);
        let one = none.after(&ended(&[], &[100]));
        assert_eq!(one.until(), Some(at(110)));
        assert_eq!(one.after(&ended(&[], &[])), one);
        let three = one.after(&ended(&[], &[200, 210]));
        assert_eq!(three.until(), Some(at(250)));
        assert_eq!(three.after(&ended(&[300], &[])), none);
        assert_eq!(three.after(&ended(&[300], &[290, 305])).until(), Some(at(315)));
        let many = none.after(&ended(&[], &(0..50).collect::<Vec<_>>()));
        assert_eq!(many.until(), Some(at(49 + 600)));
    }
}
