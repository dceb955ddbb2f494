//! How long a Job waits after failures until it makes the next pod.

use jiff::{SignedDuration, Timestamp};

use super::counts::Ended;

/// The first wait, and the longest.
const WAIT: [SignedDuration; 2] = [SignedDuration::from_secs(10), SignedDuration::from_secs(600)];

/// The same after the API server has refused a pod.
const WAIT_REFUSED: [SignedDuration; 2] = [SignedDuration::from_secs(1), SignedDuration::from_secs(60)];

/// The failures since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackOff {
    /// How often in a row a pod was refused.
    refusals: u32,
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
        self.last?.checked_add(doubled(WAIT, self.failures)?).ok()
    }

    /// How long it is waited after a pod was refused, if one was.
    pub(super) fn refused(&mut self, is: bool) -> Option<SignedDuration> {
        self.refusals = if is { self.refusals.saturating_add(1) } else { 0 };
        doubled(WAIT_REFUSED, self.refusals)
    }
}

/// The wait after so many times, if there were any.
fn doubled([first, longest]: [SignedDuration; 2], times: u32) -> Option<SignedDuration> {
    let doublings = times.checked_sub(1)?.min(10);
    Some(first.checked_mul(1 << doublings).unwrap_or(longest).min(longest))
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

    #[test]
    fn a_pod_that_is_refused_is_tried_again_later_each_time() {
        let mut back_off = BackOff::default();
        let waits: Vec<_> =
            (0..8).filter_map(|_| back_off.refused(true)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((back_off.refused(false), back_off), (None, BackOff::default()));
    }
}
