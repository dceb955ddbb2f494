//! When the rounds of a probe begin.

use std::time::Duration;

use tokio::time::Instant;

/// The instants of rounds: even pauses, whatever a round takes.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the next round begins.
    pub(super) next: Instant,
    every: Duration,
}

/// Rounds begin at multiples of this. Those that begin together cost the host
/// one awakening together; and their replies come together as well. It divides
/// the usual pauses, so that what is together stays together.
const GRID: Duration = Duration::from_millis(10);

impl Schedule {
    /// The first round is at the multiple before `first`, so at once if that is
    /// now; multiples are counted from `origin`.
    pub(super) fn new(origin: Instant, first: Instant, every: Duration) -> Self {
        let beyond = first.saturating_duration_since(origin).as_nanos() % GRID.as_nanos();
        let beyond = Duration::from_nanos(u64::try_from(beyond).unwrap_or_default());
        Self { next: first - beyond, every }
    }

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
        let mut schedule = Schedule::new(begin, begin, Duration::from_millis(100));
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

    #[test]
    fn rounds_begin_together_wherever_their_probes_began() {
        let origin = Instant::now();
        let at = |microseconds| origin + Duration::from_micros(microseconds);
        let next = |first| Schedule::new(origin, at(first), Duration::from_secs(1)).next;
        assert_eq!([next(0), next(9_999)], [at(0); 2]);
        assert_eq!([next(70_000), next(70_001), next(79_999)], [at(70_000); 3]);
    }
}
