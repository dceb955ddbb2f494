//! Whether this host may write, for all who want to.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{DURATION, HOLD};

/// As good as for ever, for one that needs no Lease.
const ALWAYS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is known of the Lease.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// When the last successful renewal was sent, if this host has the Lease.
    pub(super) sent: Option<Instant>,
    /// Who has it.
    pub(super) holder: Option<Arc<str>>,
}

/// Whether this host holds the Lease. Cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Leadership {
    lease: Arc<str>,
    /// None if no Lease is needed.
    known: Option<watch::Receiver<Known>>,
}

impl Leadership {
    pub(super) fn new(lease: Arc<str>, known: watch::Receiver<Known>) -> Self {
        Self { lease, known: Some(known) }
    }

    /// Of one that is alone by nature, such as a simulation: it may always write.
    #[must_use]
    pub fn always() -> Self {
        Self { lease: "".into(), known: None }
    }

    /// The Lease, as namespace and name.
    #[must_use]
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// Who holds it, as far as is known.
    #[must_use]
    pub fn holder(&self) -> Option<Arc<str>> {
        self.known.as_ref().and_then(|known| known.borrow().holder.clone())
    }

    /// Whether something may be written or done at this moment.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.held_until().is_some_and(|until| Instant::now() < until)
    }

    /// Until when something may be begun, unless the Lease is renewed before; it
    /// may have passed. None if somebody else holds the Lease.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        self.end_after(HOLD)
    }

    /// When another host may begin, unless the Lease is renewed before: whatever
    /// changes something must be over by then.
    #[must_use]
    pub fn hard_end(&self) -> Option<Instant> {
        self.end_after(DURATION)
    }

    fn end_after(&self, time: Duration) -> Option<Instant> {
        match &self.known {
            None => Some(Instant::now() + ALWAYS),
            Some(known) => known.borrow().sent.map(|sent| sent + time),
        }
    }

    /// Waits until [`Leadership::may_write`] or [`Leadership::holder`] changes.
    pub async fn changed(&self) {
        let before = (self.may_write(), self.holder());
        self.comes_to(|now| (now.may_write(), now.holder()) != before).await;
    }

    /// Waits until something may be written.
    pub async fn acquired(&self) {
        self.comes_to(Self::may_write).await;
    }

    /// Waits until this holds; it is asked whenever something about the Lease changes.
    pub async fn comes_to(&self, holds: impl Fn(&Self) -> bool) {
        let mut known = self.known.clone();
        while !holds(self) {
            let expiry = self.held_until().filter(|until| Instant::now() < *until);
            let expired = async {
                match expiry {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let told = async {
                let told = match &mut known {
                    Some(known) => known.changed().await.is_ok(),
                    None => false,
                };
                if !told {
                    // Nobody renews it any more; it can only expire.
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = expired => {}
                () = told => {}
            }
        }
    }
}

/// Plays the Lease for tests of what depends on it.
#[cfg(test)]
pub(crate) struct Played(watch::Sender<Known>);

#[cfg(test)]
impl Played {
    /// It was renewed so long ago.
    pub(crate) fn renewed(&self, ago: Duration) {
        self.0.send_replace(Known { sent: Instant::now().checked_sub(ago), holder: Some("me".into()) });
    }

    /// Somebody else has it.
    pub(crate) fn taken(&self, holder: &str) {
        self.0.send_replace(Known { sent: None, holder: Some(holder.into()) });
    }
}

#[cfg(test)]
impl Leadership {
    pub(crate) fn played() -> (Played, Self) {
        let known = watch::Sender::default();
        let leadership = Self::new("operlet-system/operlet".into(), known.subscribe());
        (Played(known), leadership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn known(sent: Option<Instant>) -> (watch::Sender<Known>, Leadership) {
        let sender = watch::Sender::new(Known { sent, holder: None });
        let leadership = Leadership::new("system/operlet".into(), sender.subscribe());
        (sender, leadership)
    }

    #[test]
    fn one_that_holds_the_lease_stops_by_itself() {
        let now = Instant::now();
        let (sender, leadership) = known(None);
        assert!(!leadership.may_write());
        assert_eq!(leadership.held_until(), None);
        sender.send_replace(Known { sent: Some(now), holder: None });
        assert!(leadership.may_write());
        assert_eq!(leadership.held_until(), Some(now + HOLD));
        assert_eq!(leadership.hard_end(), Some(now + DURATION));
        let Some(past) = now.checked_sub(HOLD) else { return };
        sender.send_replace(Known { sent: Some(past), holder: None });
        assert!(!leadership.may_write());
        assert!(leadership.hard_end() > Some(now), "what is in flight has time to end");
    }

    #[test]
    fn an_end_by_expiry_is_a_change_too_and_a_renewal_is_none() {
        runtime().block_on(async {
            let Some(sent) = Instant::now().checked_sub(HOLD - Duration::from_millis(50)) else { return };
            let (sender, leadership) = known(Some(sent));
            assert!(leadership.may_write());
            sender.send_replace(Known { sent: Some(sent + Duration::from_millis(50)), holder: None });
            leadership.changed().await;
            assert!(!leadership.may_write());
            assert!(Instant::now() >= sent + HOLD + Duration::from_millis(50));
        });
    }

    #[test]
    fn without_a_lease_one_may_always_write() {
        assert!(Leadership::always().may_write());
    }
}
