//! One probe: a task with a connection that it keeps.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::model::{Exchange, ExchangeEnd, ObjectKey, Probe, ProbeReport};

use super::{
    OperletExchanges, Target, bytes_max, connection::Connection, conversation::poll_receive, due,
    schedule::Schedule, slots::Use, transcript::Transcript,
};

/// Finds out where a probe goes, at the start of each connection.
pub trait Resolve: Send + Sync {
    /// The target, or why there is none. An end with varying words would wake the
    /// resource each time.
    fn resolve<'a>(
        &'a self,
        resource: &'a ObjectKey,
        exchange: &'a Exchange,
    ) -> BoxFuture<'a, Result<Target, ExchangeEnd>>;
}

/// What probes need of their surroundings.
#[derive(Clone)]
pub struct ProbeHooks {
    /// Finds the pods.
    pub resolve: Arc<dyn Resolve>,
    /// Is told that a probe of this resource ended differently than before. It
    /// must not block.
    pub wake: Arc<dyn Fn(&ObjectKey) + Send + Sync>,
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// How a probe ended last.
#[derive(Debug)]
pub(super) struct Latest {
    end: ExchangeEnd,
    since_ms: u64,
}

/// The name of the usual end, as [`ExchangeEnd::name`] has it.
const REPLIES: &str = "replies";

/// Shared by the task and those who ask for reports.
pub(super) type Slate = Arc<Mutex<Option<Latest>>>;

/// The latest of a probe, once a round has ended.
pub(super) fn report(id: &str, slate: &Slate) -> Option<ProbeReport> {
    let latest = slate.lock().unwrap_or_else(PoisonError::into_inner);
    latest.as_ref().map(|Latest { end, since_ms }| ProbeReport {
        id: id.to_owned(),
        end: end.clone(),
        since_ms: *since_ms,
    })
}

/// A probe while it runs.
pub(super) struct Running {
    pub(super) exchanges: OperletExchanges,
    pub(super) hooks: Arc<ProbeHooks>,
    pub(super) resource: ObjectKey,
    pub(super) probe: Arc<Probe>,
    pub(super) slate: Slate,
    pub(super) transcript: Transcript,
}

impl Running {
    /// Goes on until it is dropped.
    pub(super) async fn run(mut self, first: Instant) {
        let every = Duration::from_millis(u64::from(self.probe.every_ms));
        let mut schedule = Schedule::new(self.exchanges.host.origin, first, every);
        loop {
            sleep_until(schedule.next).await;
            let Err(end) = self.connection(&mut schedule).await;
            self.conclude(end);
            schedule.skip_past(Instant::now());
        }
    }

    /// The rounds on one connection, until something fails.
    async fn connection(&mut self, schedule: &mut Schedule) -> Result<Infallible, ExchangeEnd> {
        let mut connection = self.open().await?;
        let probe = Arc::clone(&self.probe);
        let bytes_max = bytes_max(&probe.exchange);
        let pause = sleep_until(schedule.next);
        tokio::pin!(pause);
        loop {
            let (steps, due) = (&probe.exchange.steps, due(&probe.exchange));
            connection.converse(steps, bytes_max, &mut self.transcript, due).await?;
            if !self.transcript.rest().is_empty() {
                return Err(self.strayed(bytes_max));
            }
            self.agree();
            schedule.skip_past(Instant::now());
            pause.as_mut().reset(schedule.next);
            tokio::select! {
                // A close that came together with the tick is seen first: what
                // would be sent then could only be lost.
                biased;
                () = self.disturbed(&mut connection, bytes_max) => return Err(self.strayed(bytes_max)),
                () = &mut pause => {}
            }
        }
    }

    async fn open(&mut self) -> Result<Connection, ExchangeEnd> {
        let Probe { exchange, opening, .. } = &*self.probe;
        self.transcript.reset();
        let due = due(exchange);
        let resolve = self.hooks.resolve.resolve(&self.resource, exchange);
        let target = timeout_at(due, resolve).await.unwrap_or_else(|_| {
            Err(ExchangeEnd::Unreachable("the host could not find the pod's address in time".to_owned()))
        })?;
        let mut connection = Connection::open(&self.exchanges, &target, Use::Kept, due).await?;
        connection.converse(opening, bytes_max(exchange), &mut self.transcript, due).await?;
        Ok(connection)
    }

    /// Waits until something happens on the connection although nothing was
    /// asked.
    async fn disturbed(&mut self, connection: &mut Connection, bytes_max: usize) {
        self.transcript.begin();
        let room = bytes_max.saturating_add(1);
        // Whatever it is: bytes, the end or a failure.
        let _ = poll_fn(|context| poll_receive(&mut connection.stream, &mut self.transcript, room, context))
            .await;
    }

    /// How a connection ends that closed, or that brought bytes nobody asked for.
    /// The latter would be taken for the reply of the next round, and each
    /// further reply for the one after it; so there must be a new connection.
    fn strayed(&self, bytes_max: usize) -> ExchangeEnd {
        ExchangeEnd::Reset(self.transcript.to_partial(bytes_max))
    }

    /// A round ended with replies: the usual case, which compares them in place.
    fn agree(&self) {
        let mut latest = self.slate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = matches!(&*latest, Some(Latest { end: ExchangeEnd::Replies(replies), .. })
            if self.transcript.equals(replies));
        if is_same {
            drop(latest);
            self.exchanges.observer.probe_round(REPLIES);
        } else {
            let end = ExchangeEnd::Replies(self.transcript.to_replies());
            *latest = Some(Latest { end, since_ms: (self.hooks.now_ms)() });
            drop(latest);
            self.exchanges.observer.probe_round(REPLIES);
            self.wake();
        }
    }

    fn conclude(&self, end: ExchangeEnd) {
        let name = end.name();
        let mut latest = self.slate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = latest.as_ref().is_some_and(|latest| latest.end == end);
        if !is_same {
            *latest = Some(Latest { end, since_ms: (self.hooks.now_ms)() });
        }
        drop(latest);
        self.exchanges.observer.probe_round(name);
        if !is_same {
            self.wake();
        }
    }

    fn wake(&self) {
        self.exchanges.observer.probe_wake();
        (self.hooks.wake)(&self.resource);
    }
}
