//! How long a container that ends again and again waits before it starts again.

use std::time::Duration;

/// The first wait, and the longest.
const WAIT: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(300)];

/// One that ran for so long is forgiven.
const FORGIVEN: Duration = Duration::from_secs(600);

/// What is remembered of a container's restarts.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    wait: Duration,
    last: Duration,
}

impl BackOff {
    /// How long one waits that has ended at this time.
    pub(super) fn wait(&mut self, ended: Duration) -> Duration {
        if ended.saturating_sub(self.last) > FORGIVEN {
            self.wait = Duration::ZERO;
        }
        self.wait
    }

    /// It is started again.
    pub(super) fn restart(&mut self, now: Duration) {
        let [first, longest] = WAIT;
        self.wait = if self.wait.is_zero() { first } else { (self.wait * 2).min(longest) };
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_again_waits_longer_and_who_lasts_is_forgiven() {
        let mut back_off = BackOff::default();
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = back_off.wait(now);
            waits.push(wait.as_secs());
            now += wait;
            back_off.restart(now);
            now += Duration::from_secs(5);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(back_off.wait(now + FORGIVEN), Duration::ZERO);
    }
}
