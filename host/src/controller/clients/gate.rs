//! Lets requests through that change nothing, and others while the Lease is held.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use kube::{Client, client::Body};
use tokio::time::{Instant, sleep_until};
use tower::{BoxError, Service};

use super::request::Asked;
use crate::{lease::Leadership, metrics::OperletMetrics};

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHolder {
    /// It was not sent.
    #[error("this host does not hold the Lease {lease} ({}): nothing is written", held_by(holder.as_deref()))]
    Refused {
        /// The Lease, as namespace and name.
        lease: String,
        /// Who holds it, as far as is known.
        holder: Option<Arc<str>>,
    },
    /// It was not sent: nobody else may have the Lease yet, but this host's time is over.
    #[error("this host could not renew the Lease {lease} in time: nothing is written until it can")]
    NotRenewed {
        /// The Lease, as namespace and name.
        lease: String,
    },
    /// It was sent, and broken off before another host could begin.
    #[error(
        "the API server did not answer before this host's hold on the Lease {lease} ended: the write was \
         broken off, and may have been made"
    )]
    BrokenOff {
        /// The Lease, as namespace and name.
        lease: String,
    },
}

impl NotHolder {
    /// Whether this is why a request failed.
    #[must_use]
    pub fn of(error: &kube::Error) -> Option<&Self> {
        match error {
            kube::Error::Service(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

fn held_by(holder: Option<&str>) -> String {
    holder.map_or_else(|| "it is not known who does".to_owned(), |holder| format!("held by {holder}"))
}

/// A client behind the gate.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) client: Client,
    pub(super) leadership: Leadership,
    pub(super) metrics: OperletMetrics,
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The client waits for its own readiness when it sends.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { client, leadership, metrics } = self.clone();
        let asked = Asked::of(request.method(), request.uri());
        let harmless = asked.is_harmless(request.method());
        async move {
            if harmless {
                metrics.api_request(asked.verb, &asked.resource);
                return Ok(client.send(request).await?);
            }
            if !leadership.may_write() {
                return Err(refused(&leadership).into());
            }
            metrics.api_request(asked.verb, &asked.resource);
            Ok(while_held(&leadership, client.send(request)).await??)
        }
        .boxed()
    }
}

fn refused(leadership: &Leadership) -> NotHolder {
    let lease = leadership.lease().to_owned();
    match leadership.held_until() {
        Some(_) => NotHolder::NotRenewed { lease },
        None => NotHolder::Refused { lease, holder: leadership.holder() },
    }
}

/// Goes on with a request as long as no other host may begin.
async fn while_held<T>(leadership: &Leadership, request: impl Future<Output = T>) -> Result<T, NotHolder> {
    let mut request = pin!(request);
    loop {
        let end = leadership.hard_end();
        let mut timer = pin!(sleep_until(end.unwrap_or_else(Instant::now)));
        let answered = std::future::poll_fn(|context| {
            // The clock first, and not the timer, which may not have noticed yet: this
            // process may have been stopped for minutes just before.
            if end.is_none_or(|end| Instant::now() >= end) {
                return Poll::Ready(None);
            }
            match request.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => timer.as_mut().poll(context).map(|()| None),
            }
        });
        match answered.await {
            Some(answer) => return Ok(answer),
            // It was renewed meanwhile.
            None if leadership.hard_end().is_some_and(|end| Instant::now() < end) => {}
            None => return Err(NotHolder::BrokenOff { lease: leadership.lease().to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lease::DURATION;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn what_is_in_flight_is_broken_off_when_another_host_may_begin() {
        runtime().block_on(async {
            let (lease, leadership) = Leadership::played();
            lease.renewed(DURATION - Duration::from_millis(50));
            let end = leadership.hard_end().unwrap();
            let never = std::future::pending::<()>();
            let broken = while_held(&leadership, never).await.unwrap_err();
            assert!(matches!(broken, NotHolder::BrokenOff { .. }));
            assert!(Instant::now() >= end);
        });
    }

    #[test]
    fn what_is_in_flight_goes_on_when_the_lease_is_renewed_meanwhile() {
        runtime().block_on(async {
            let (lease, leadership) = Leadership::played();
            lease.renewed(DURATION - Duration::from_millis(50));
            let slow = async {
                lease.renewed(Duration::ZERO);
                tokio::time::sleep(Duration::from_millis(200)).await;
                7
            };
            assert_eq!(while_held(&leadership, slow).await, Ok(7));
        });
    }

    #[test]
    fn a_process_that_was_stopped_does_not_go_on_with_what_it_was_about_to_send() {
        runtime().block_on(async {
            let (lease, leadership) = Leadership::played();
            lease.renewed(DURATION);
            let mut sent = false;
            let broken = while_held(&leadership, async { sent = true }).await;
            assert!(broken.is_err());
            assert!(!sent);
        });
    }
}
