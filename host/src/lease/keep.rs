//! Gets the Lease, renews it, and gives it back.

use std::{convert::Infallible, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease as Object, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, ResourceExt as _, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ANSWER, DURATION, HOLD, LOOK, Leadership, NAME, RENEW,
    leadership::Known,
    state::{Next, Seen, State},
};
use crate::metrics::Metrics;

/// What a Lease is kept with.
pub struct LeaseOptions {
    /// A client that this Lease does not gate, and that tries nothing twice by
    /// itself: a renewal counts from its sending.
    pub client: Client,
    /// Where the Lease is.
    pub namespace: String,
    /// Who this process is: no other that lives may be called the same.
    pub identity: String,
    /// Where it is told.
    pub metrics: Metrics,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As was asked for; the next host may begin at once.
    Released,
    /// It is not this host's any more: what this process knows may be stale, so it
    /// must end.
    Lost {
        /// Who has it now, if it has a holder.
        holder: Option<String>,
    },
}

/// The Lease, as this process sees it.
pub struct Lease {
    api: Api<Object>,
    state: State,
    known: watch::Sender<Known>,
    /// The object as it was read or written last.
    object: Option<Object>,
    name: Arc<str>,
    metrics: Metrics,
    /// What went wrong last; it is told once.
    trouble: Option<String>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What was to be replaced is not there, or there is something already.
    #[error("it was changed meanwhile")]
    Changed,
    #[error("the API server did not answer within {} s", ANSWER.as_secs())]
    NoAnswer,
    #[error("{0}")]
    Api(String),
}

impl Lease {
    /// A Lease about which nothing was done yet.
    #[must_use]
    pub fn new(options: LeaseOptions) -> Self {
        let LeaseOptions { client, namespace, identity, metrics } = options;
        Self {
            api: Api::namespaced(client, &namespace),
            state: State::new(identity),
            known: watch::Sender::default(),
            object: None,
            name: format!("{namespace}/{NAME}").into(),
            metrics,
            trouble: None,
        }
    }

    /// Whether this process holds it, for all who want to know.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        Leadership::new(Arc::clone(&self.name), self.known.subscribe())
    }

    /// Gets the Lease as soon as it may be had and keeps it, until it is to be
    /// given back or somebody else has it.
    pub async fn keep(self, release: CancellationToken) -> Ended {
        let (leadership, metrics) = (self.leadership(), self.metrics.clone());
        tokio::select! {
            ended = self.keep_silently(release) => ended,
            never = tell(leadership, metrics) => match never {},
        }
    }

    async fn keep_silently(mut self, release: CancellationToken) -> Ended {
        loop {
            let pause = match self.step().await {
                Ok(pause) => pause,
                Err(holder) => {
                    self.known(None, holder.as_deref());
                    return Ended::Lost { holder };
                }
            };
            tokio::select! {
                () = release.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        self.release().await;
        Ended::Released
    }

    /// Looks at the Lease or renews it, and says when to do so again. The error is
    /// who has what was this host's.
    async fn step(&mut self) -> Result<Duration, Option<String>> {
        let done = match self.state.held_since() {
            Some(_) => self.write().await,
            None => Err(Failure::Changed),
        };
        let done = match done {
            Err(Failure::Changed) => match self.look().await {
                Ok(Next::Wait) => Ok(LOOK),
                Ok(Next::Create | Next::Write) => self.write().await,
                Ok(Next::Lost { holder }) => return Err(holder),
                Err(failure) => Err(failure),
            },
            done => done,
        };
        Ok(done.unwrap_or_else(|failure| {
            self.failed(&failure);
            LOOK
        }))
    }

    async fn look(&mut self) -> Result<Next, Failure> {
        let found = answer(self.api.get_opt(NAME)).await?;
        let received = Instant::now();
        self.trouble = None;
        self.object = found;
        let seen = self.object.as_ref().map(seen);
        let next = self.state.read(seen, received);
        self.metrics.lease_transitions(transitions(self.object.as_ref()));
        if self.state.held_since().is_none() {
            let holder = self.object.as_ref().and_then(holder).map(str::to_owned);
            self.known(None, holder.as_deref());
        }
        Ok(next)
    }

    /// Writes this host into the Lease as it was read last.
    async fn write(&mut self) -> Result<Duration, Failure> {
        let object = held(self.object.as_ref(), self.state.identity());
        let params = PostParams::default();
        let sent = Instant::now();
        let written = match &self.object {
            Some(_) => answer(self.api.replace(NAME, &params, &object)).await?,
            None => answer(self.api.create(&params, &object)).await?,
        };
        self.state.written(sent);
        self.trouble = None;
        self.object = Some(written);
        self.metrics.lease_transitions(transitions(self.object.as_ref()));
        self.known(Some(sent), Some(self.state.identity()));
        Ok(RENEW.saturating_sub(sent.elapsed()))
    }

    /// Lets the next host begin at once. What this one began is over by now.
    async fn release(&mut self) {
        if self.state.held_since().is_none() {
            return;
        }
        self.known(None, None);
        for _ in 0..2 {
            let Some(object) = self.object.as_ref().map(released) else { return };
            match answer(self.api.replace(NAME, &PostParams::default(), &object)).await {
                Ok(_) => return tracing::info!(lease = %self.name, "released the Lease"),
                // The answer to the last renewal may have been lost.
                Err(Failure::Changed) if matches!(self.look().await, Ok(Next::Write)) => {}
                Err(failure) => {
                    let wait = DURATION.as_secs();
                    tracing::warn!(
                        lease = %self.name, error = %failure,
                        "cannot release the Lease: the next host waits for up to {wait} s"
                    );
                    return;
                }
            }
        }
    }

    fn known(&self, sent: Option<Instant>, holder: Option<&str>) {
        let holder = holder.map(Arc::from);
        self.known.send_if_modified(|known| {
            let changed = known.sent != sent || known.holder != holder;
            *known = Known { sent, holder };
            changed
        });
    }

    fn failed(&mut self, failure: &Failure) {
        let text = failure.to_string();
        if self.trouble.as_ref() != Some(&text) {
            let what = if self.state.held_since().is_some() { "renew" } else { "get" };
            tracing::warn!(lease = %self.name, error = text, "cannot {what} the Lease: trying again");
            self.trouble = Some(text);
        }
    }
}

/// Says when this host begins and stops, and whom it waits for.
async fn tell(leadership: Leadership, metrics: Metrics) -> Infallible {
    let lease = leadership.lease();
    let mut told = (false, None);
    loop {
        leadership.comes_to(|now| (now.may_write(), now.holder()) != told).await;
        let now = (leadership.may_write(), leadership.holder());
        metrics.lease_held(now.0);
        match &now {
            (true, Some(identity)) if !told.0 => tracing::info!(lease, %identity, "holds the Lease"),
            (true, _) => {}
            (false, _) if told.0 && leadership.held_until().is_some() => tracing::warn!(
                lease,
                "nothing is written any more: the Lease could not be renewed for {} s",
                HOLD.as_secs()
            ),
            (false, Some(holder)) => {
                tracing::info!(lease, %holder, "standing by: another host holds the Lease")
            }
            (false, None) => {}
        }
        told = now;
    }
}

async fn answer<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match timeout(ANSWER, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
            Err(Failure::Changed)
        }
        // Its namespace may be what is missing.
        Ok(Err(kube::Error::Api(status)))
            if status.is_not_found() && status.details.as_ref().is_some_and(|about| about.name == NAME) =>
        {
            Err(Failure::Changed)
        }
        Ok(Err(kube::Error::Api(status))) => Err(Failure::Api(status.message.clone())),
        Ok(Err(error)) => Err(Failure::Api(error.to_string())),
        Err(_) => Err(Failure::NoAnswer),
    }
}

fn seen(object: &Object) -> Seen {
    let seconds = object.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    Seen {
        version: object.resource_version().unwrap_or_default(),
        holder: holder(object).map(str::to_owned),
        duration: seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
    }
}

fn holder(object: &Object) -> Option<&str> {
    let holder = object.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.filter(|holder| !holder.is_empty())
}

fn transitions(object: Option<&Object>) -> u64 {
    let transitions = object.and_then(|object| object.spec.as_ref()?.lease_transitions);
    transitions.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
}

/// The Lease with this host as its holder from now on.
fn held(before: Option<&Object>, identity: &str) -> Object {
    let now = MicroTime(Timestamp::now());
    let mut object = before.cloned().unwrap_or_default();
    object.metadata.name = Some(NAME.to_owned());
    let spec = object.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(identity) {
        spec.holder_identity = Some(identity.to_owned());
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(match before {
            Some(_) => spec.lease_transitions.unwrap_or_default().saturating_add(1),
            None => 0,
        });
    }
    spec.renew_time = Some(now);
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
    object
}

/// The Lease without a holder.
fn released(before: &Object) -> Object {
    let mut object = before.clone();
    let spec: &mut LeaseSpec = object.spec.get_or_insert_default();
    spec.holder_identity = None;
    spec.renew_time = Some(MicroTime(Timestamp::now()));
    object
}

#[cfg(test)]
mod tests;
