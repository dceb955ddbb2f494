//! When the rounds of a probe begin.

use std::time::Duration;

use tokio::time::Instant;

/// The instants of rounds: even pauses, whatever a round takes.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) next: Instant,
    pub(super) every: Duration,
}

impl Schedule {
    /// Goes on to the first instant after `now`. Those that were missed are left
    /// out: rounds in a row would tell nothing, and a peer that is too slow
    /// already would get more to do.
    pub(super) fn skip_past(&mut self, now: Instant) {
        let Some(late) = now.checked_duration_since(self.next) else { return };
        let missed = late.as_nanos() / self.every.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.next += self.every.saturating_mul(missed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks where a schedule that is due at 0 every 100 ms goes on at an
    /// instant, both in milliseconds.
    #[track_caller]
    fn check(now: u64, next: u64) {
        let begin = Instant::now() + Duration::from_secs(1);
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut schedule = Schedule { next: begin, every: Duration::from_millis(100) };
        schedule.skip_past(at(now));
        assert_eq!(schedule.next, at(next));
        schedule.skip_past(begin);
        assert_eq!(schedule.next, at(next), "what is in the future stays");
    }

    #[test]
    fn rounds_that_were_missed_are_left_out() {
        check(0, 100);
        check(1, 100);
        check(99, 100);
        check(100, 200);
        check(250, 300);
        check(86_400_000, 86_400_100);
    }
}
