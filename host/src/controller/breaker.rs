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

/// Futile reconciles that are borne before a resource is slowed down.
const FUTILE_MAX: u32 = 10;

/// In this time one futile reconcile is forgiven.
const FORGIVEN_EACH: Duration = Duration::from_secs(10);

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
    until: Instant,
    generation: Option<i64>,
}

impl Breaker {
    /// How long the resource must still wait; nothing once somebody changed its
    /// spec, which is a reason to look at once.
    pub(super) fn left(&self, now: Instant, generation: Option<i64>) -> Option<Duration> {
        let held = self.held.filter(|held| held.generation == generation)?;
        let left = held.until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Counts a reconcile; the pause that must follow it, if it was one too many.
    pub(super) fn count(
        &mut self,
        futile: bool,
        now: Instant,
        generation: Option<i64>,
        chance: u8,
    ) -> Option<Duration> {
        self.forgive(now);
        if self.held.is_some_and(|held| held.generation != generation) {
            *self = Self::default();
        }
        if !futile {
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
        self.held = now.checked_add(pause).map(|until| Held { until, generation });
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

    #[test]
    fn a_resource_that_settles_is_never_slowed_down() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for minute in 0..100 {
            for _ in 0..5 {
                assert_eq!(breaker.count(true, after(start, minute * 60), Some(1), 0), None);
            }
            assert_eq!(breaker.count(false, after(start, minute * 60 + 1), Some(1), 0), None);
        }
    }

    #[test]
    fn a_loop_is_slowed_down_more_and_more() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FUTILE_MAX {
            assert_eq!(breaker.count(true, start, Some(1), 0), None);
        }
        let mut now = start;
        let mut reconciles = 0;
        while now < after(start, 600) {
            let pause = breaker.count(true, now, Some(1), 0).unwrap_or_default();
            assert_eq!(breaker.left(now, Some(1)).unwrap_or_default(), pause);
            now += pause.max(Duration::from_millis(10));
            reconciles += 1;
        }
        assert!(reconciles < 90, "{reconciles} in ten minutes");
    }

    #[test]
    fn a_new_spec_is_looked_at_at_once() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..=FUTILE_MAX {
            breaker.count(true, start, Some(1), 0);
        }
        assert!(breaker.left(start, Some(1)).is_some());
        assert_eq!(breaker.left(start, Some(2)), None);
        assert_eq!(breaker.count(true, start, Some(2), 0), None, "and begins anew");
    }

    #[test]
    fn after_a_while_of_quiet_all_is_forgiven() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FUTILE_MAX * 2 {
            breaker.count(true, start, Some(1), 0);
        }
        let later = after(start, 10 * FORGIVEN_EACH.as_secs());
        assert_eq!(breaker.count(false, later, Some(1), 0), None);
        assert_eq!(breaker.count(true, later, Some(1), 0), None);
        assert_eq!(breaker.left(later, Some(1)), None);
    }
}
