//! How a server ends that is asked to.

use std::time::Duration;

use super::Redis;
use crate::world::Act;

/// How often it looks whether it may end, each time that it is about to tell its replicas
/// something, too.
const LOOK: Duration = Duration::from_millis(100);

/// It was asked to end.
#[derive(Debug)]
pub(super) struct Ending {
    /// When it looks next.
    look_at: Duration,
    /// How long it waits for its replicas, and lets no write happen; none before it has
    /// looked once.
    until: Option<Duration>,
}

impl Redis {
    /// It is to end as soon as its replicas have everything, or have had time enough.
    pub(super) fn be_asked_to_end(&mut self) {
        if self.ending.is_none() {
            let left = self.cron_at.saturating_sub(self.now).as_nanos() % LOOK.as_nanos();
            let look_at = self.now + Duration::from_nanos(u64::try_from(left).unwrap_or_default());
            self.ending = Some(Ending { look_at, until: None });
        }
    }

    pub(super) fn look_at_end(&self) -> Option<Duration> {
        self.ending.as_ref().map(|ending| ending.look_at)
    }

    /// Whether it writes nothing, because somebody said so or because it ends.
    pub(super) fn is_paused(&self) -> bool {
        let waits = self.ending.as_ref().is_some_and(|ending| ending.until.is_some());
        waits || self.paused_until.is_some()
    }

    /// Ends, if it is to and nobody is waited for.
    pub(super) fn look_whether_to_end(&mut self) {
        let now = self.now;
        let patience = Duration::from_secs(self.settings.number("shutdown-timeout"));
        let Some(ending) = self.ending.as_mut().filter(|ending| ending.look_at <= now) else { return };
        ending.look_at = now + LOOK;
        let until = *ending.until.get_or_insert(now + patience);
        if until <= now || self.is_caught_up_with() {
            if self.log_at.is_some() {
                // There is no log yet: it goes on, and has forgotten that it was asked.
                self.ending = None;
                if self.paused_until.is_none() {
                    self.unpause();
                }
                return;
            }
            self.save_at_end();
            self.before_sleep();
            self.acts.push(Act::Exit(0));
        }
    }

    /// Whether every replica that has its copy has said that it has all the rest.
    fn is_caught_up_with(&self) -> bool {
        let mut replicas = self.clients.values().filter_map(|client| client.replica.as_ref());
        replicas.all(|replica| !replica.is_online() || replica.acked == self.history.offset)
    }
}
