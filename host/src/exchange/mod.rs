//! Bytes to and from the pods that resources own: the only place that dials.
//!
//! # Guarantees
//! - Nothing is sent twice: no exchange is made again, however it ended. Only
//!   probes are repeated, as the component asked.
//! - Time, bytes and connections are bounded; what exchanges within one [`Room`]
//!   bring is bounded together.
//! - An end other than `timeout`, `reset`, `too-large`, `unexpected` and
//!   `replies` says that no step was sent.
//!
//! # Assumptions
//! The caller asked [`address`] for the address of a [`Target`], and, before an
//! act, looked whether it may still be made.

mod connection;
mod conversation;
mod dial;
mod probe;
mod probes;
mod room;
mod rules;
mod schedule;
mod search;
mod slots;
#[cfg(test)]
mod tests;
mod tls;
mod tls_words;
mod transcript;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::model::{Effect, Exchange, ExchangeEnd};

pub use dial::{BoxStream, Dial, Stream, TcpDial};
pub use probe::{ProbeHooks, Resolve};
pub use probes::Probes;
pub use room::Room;
pub use rules::{PodFacts, PodUnreadable, address};
pub use slots::ConnectionLimits;
pub use tls::{ClientCertificate, TlsMaterial};

use connection::Connection;
use slots::{Slots, Use};
use transcript::Transcript;

/// Where an exchange goes. Nothing here is checked any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pod's address, and the port.
    pub address: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<TlsMaterial>,
}

/// Hears what happens, for metrics. The ends are those of [`ExchangeEnd::name`].
pub trait Observer: Send + Sync {
    /// An exchange was run and ended. One that the caller ended before, as
    /// `denied`, `gone` or `stale`, is not among them.
    fn exchange_ended(&self, effect: Effect, end: &'static str) {
        let _ = (effect, end);
    }

    /// A round of a probe ended, or its connection did between two of them.
    fn probe_round(&self, end: &'static str) {
        let _ = end;
    }

    /// A resource was woken because a probe ended differently.
    fn probe_wake(&self) {}
}

/// Nobody listens.
impl Observer for () {}

/// Makes exchanges for the whole host. Clones share the limits.
#[derive(Clone)]
pub struct Exchanges {
    host: Arc<Host>,
}

struct Host {
    dial: Arc<dyn Dial>,
    limits: ConnectionLimits,
    slots: Slots,
    /// From when on the instants of rounds are counted.
    origin: Instant,
}

impl Exchanges {
    /// Exchanges over connections that `dial` opens.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, limits: ConnectionLimits) -> Self {
        let slots = Slots::new("this host", limits.host);
        Self { host: Arc::new(Host { dial, limits, slots, origin: Instant::now() }) }
    }

    /// The exchanges of one operlet, with a limit and an observer of its own.
    #[must_use]
    pub fn operlet(&self, observer: Arc<dyn Observer>) -> OperletExchanges {
        let slots = Arc::new(Slots::new("one operlet", self.host.limits.operlet));
        OperletExchanges { host: Arc::clone(&self.host), slots, observer, room: None }
    }
}

/// Makes exchanges for one operlet. Clones share its limit.
#[derive(Clone)]
pub struct OperletExchanges {
    host: Arc<Host>,
    slots: Arc<Slots>,
    observer: Arc<dyn Observer>,
    room: Option<Arc<Room>>,
}

impl OperletExchanges {
    /// The same exchanges with a bound on what they bring together. One for whose
    /// reply there is no room ends as `too-large`.
    #[must_use]
    pub fn within(&self, room: &Arc<Room>) -> Self {
        Self { room: Some(Arc::clone(room)), ..self.clone() }
    }

    /// Makes an exchange, once. It ends when its own time is up or at the
    /// deadline, whichever comes first.
    pub async fn run(&self, exchange: &Exchange, target: &Target, deadline: Instant) -> ExchangeEnd {
        self.run_if(exchange, target, deadline, std::future::ready(true)).await
    }

    /// As [`OperletExchanges::run`], but what `may_go_on` says once the connection
    /// stands decides whether anything is sent; if not, it ends as `stale`.
    pub async fn run_if(
        &self,
        exchange: &Exchange,
        target: &Target,
        deadline: Instant,
        may_go_on: impl Future<Output = bool>,
    ) -> ExchangeEnd {
        let end = self.exchange(exchange, target, deadline.min(due(exchange)), may_go_on).await;
        self.observer.exchange_ended(exchange.effect, end.name());
        end
    }

    async fn exchange(
        &self,
        exchange: &Exchange,
        target: &Target,
        deadline: Instant,
        may_go_on: impl Future<Output = bool>,
    ) -> ExchangeEnd {
        let mut connection = match Connection::open(self, target, Use::Once, deadline).await {
            Ok(connection) => connection,
            Err(end) => return end,
        };
        if !tokio::time::timeout_at(deadline, may_go_on).await.unwrap_or(false) {
            return ExchangeEnd::Stale;
        }
        let mut transcript = Transcript::within(self.room.clone());
        let steps = &exchange.steps;
        let result = connection.converse(steps, bytes_max(exchange), &mut transcript, deadline).await;
        connection.close();
        match result {
            Ok(()) => ExchangeEnd::Replies(transcript.to_replies()),
            Err(end) => end,
        }
    }
}

/// When the time of an exchange that begins now is up.
fn due(exchange: &Exchange) -> Instant {
    Instant::now() + Duration::from_millis(u64::from(exchange.timeout_ms))
}

fn bytes_max(exchange: &Exchange) -> usize {
    usize::try_from(exchange.max_bytes).unwrap_or(usize::MAX)
}
