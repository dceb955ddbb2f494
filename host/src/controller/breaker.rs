//! Slows a resource down that keeps changing its own objects: pure.
//!
//! A reconcile is *futile* if it wrote though nothing but this host's own writes
//! had changed, or if it wrote once more just what it had written before because
//! somebody undid it. A few in a row are how things settle; many are a loop. What
//! is slowed down misses nothing: the reconcile that comes later sees everything
//! that happened meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::pause;
use crate::plan::Fingerprint;

/// Futile reconciles that are borne before a resource is slowed down.
const FUTILE_MAX: u32 = 30;

/// In this time one futile reconcile is forgiven.
const FORGIVEN_EACH: Duration = Duration::from_secs(2);

/// So many are forgiven for each that somebody else gave a reason for: what happens takes
/// some steps to be dealt with.
const FORGIVEN_FOR_REASON: u32 = 5;

const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

/// The state of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    futile: u32,
    counted: Option<Instant>,
    /// Pauses in a row.
    pauses: u32,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Instant,
    until: Instant,
    generation: Option<i64>,
    /// What others had written; none if it is they who undo what is written.
    foreign: Option<Fingerprint>,
}

/// What is known of a reconcile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    /// The generation of the resource.
    pub(super) generation: Option<i64>,
    /// What others have written.
    pub(super) foreign: Fingerprint,
}

impl Breaker {
    /// How long the resource must still wait: not at all once somebody changed its spec,
    /// and no longer than the shortest pause once anything else has happened.
    pub(super) fn left(&self, now: Instant, cause: Cause) -> Option<Duration> {
        let held = self.held.filter(|held| held.generation == cause.generation)?;
        let happened = held.foreign.is_some_and(|foreign| foreign != cause.foreign);
        let soon = held.since.checked_add(PAUSE_FIRST).filter(|_| happened);
        let until = soon.map_or(held.until, |soon| soon.min(held.until));
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Counts a reconcile, futile or not, which others undid or not; the pause that must
    /// follow it, if it was one too many.
    pub(super) fn count(
        &mut self,
        futile: bool,
        undone: bool,
        now: Instant,
        cause: Cause,
        chance: u8,
    ) -> Option<Duration> {
        self.forgive(now);
        let generation = cause.generation;
        if self.held.is_some_and(|held| held.generation != generation) {
            *self = Self::default();
        }
        if !futile {
            self.futile = self.futile.saturating_sub(FORGIVEN_FOR_REASON);
            // Quiet for once is not yet quiet for good.
            if self.futile < FUTILE_MAX / 2 {
                self.pauses = 0;
                self.held = None;
            }
            return None;
        }
        self.futile = self.futile.saturating_add(1);
        if self.futile <= FUTILE_MAX {
            return None;
        }
        self.futile = FUTILE_MAX;
        self.pauses = self.pauses.saturating_add(1);
        let pause = pause(PAUSE_FIRST, PAUSE_LONGEST, self.pauses, chance);
        let foreign = (!undone).then_some(cause.foreign);
        self.held = now.checked_add(pause).map(|until| Held { since: now, until, generation, foreign });
        // To be paused is no merit.
        self.counted = self.held.map(|held| held.until);
        Some(pause)
    }

    fn forgive(&mut self, now: Instant) {
        let since = self.counted.map_or(Duration::ZERO, |counted| now.saturating_duration_since(counted));
        let forgiven = since.as_secs() / FORGIVEN_EACH.as_secs();
        if forgiven > 0 || self.counted.is_none() {
            self.futile = self.futile.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
            self.counted = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn cause(generation: i64, foreign: u8) -> Cause {
        Cause { generation: Some(generation), foreign: [foreign; 32] }
    }

    const SAME: u8 = 0;

    #[test]
    fn a_resource_that_settles_is_never_slowed_down() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for minute in 0..100 {
            for _ in 0..5 {
                assert_eq!(breaker.count(true, false, after(start, minute * 60), cause(1, SAME), 0), None);
            }
            assert_eq!(breaker.count(false, false, after(start, minute * 60 + 1), cause(1, SAME), 0), None);
        }
    }

    #[test]
    fn a_loop_is_slowed_down_more_and_more() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FUTILE_MAX {
            assert_eq!(breaker.count(true, false, start, cause(1, SAME), 0), None);
        }
        let mut now = start;
        let mut reconciles = 0;
        while now < after(start, 600) {
            let pause = breaker.count(true, false, now, cause(1, SAME), 0).unwrap_or_default();
            assert_eq!(breaker.left(now, cause(1, SAME)).unwrap_or_default(), pause);
            now += pause.max(Duration::from_millis(10));
            reconciles += 1;
        }
        assert!(reconciles < 90, "{reconciles} in ten minutes");
    }

    #[test]
    fn a_new_spec_is_looked_at_at_once() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..=FUTILE_MAX {
            breaker.count(true, false, start, cause(1, SAME), 0);
        }
        assert!(breaker.left(start, cause(1, SAME)).is_some());
        assert_eq!(breaker.left(start, cause(2, SAME)), None);
        assert_eq!(breaker.count(true, false, start, cause(2, SAME), 0), None, "and begins anew");
    }

    #[test]
    fn after_a_while_of_quiet_all_is_forgiven() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FUTILE_MAX * 2 {
            breaker.count(true, false, start, cause(1, SAME), 0);
        }
        let later = after(start, u64::from(FUTILE_MAX) * FORGIVEN_EACH.as_secs() + PAUSE_LONGEST.as_secs());
        assert_eq!(breaker.count(false, false, later, cause(1, SAME), 0), None);
        assert_eq!(breaker.count(true, false, later, cause(1, SAME), 0), None);
        assert_eq!(breaker.left(later, cause(1, SAME)), None);
    }

    #[test]
    fn what_happens_meanwhile_is_looked_at_soon_unless_it_is_somebody_who_undoes() {
        let start = Instant::now();
        for (undone, left) in [(false, None), (true, Some(Duration::from_secs(1)))] {
            let mut breaker = Breaker::default();
            let mut paused = Duration::ZERO;
            for _ in 0..FUTILE_MAX + 2 {
                paused = breaker.count(true, undone, start, cause(1, SAME), 0).unwrap_or_default();
            }
            assert!(paused >= Duration::from_secs(2), "{paused:?}");
            let now = start + paused - Duration::from_secs(1);
            assert_eq!(breaker.left(now, cause(1, SAME)), Some(Duration::from_secs(1)));
            assert_eq!(breaker.left(now, cause(1, 1)), left);
        }
    }

    /// Each pod that is replaced brings news for some seconds, and each piece of news a few
    /// reconciles that only follow from one another.
    #[test]
    fn a_roll_of_nine_pods_is_not_slowed_down() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for tick in 0..9 * 6 {
            let now = after(start, tick);
            assert_eq!(breaker.count(false, false, now, cause(1, SAME), 0), None);
            for _ in 0..5 {
                assert_eq!(breaker.count(true, false, now, cause(1, SAME), 0), None, "{tick}");
            }
        }
    }
}
