//! The line between a host and the API server, which can be cut.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request};
use kube::{Client, client::Body};
use operlet_sim::{ApiServer, Endpoint};
use tower::{BoxError, Service};

/// What can be done to a host's line. A host that is cut off for good is to the rest
/// of the world one that has crashed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plug(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cut: AtomicBool,
    writes: AtomicU64,
    /// The write after which it is cut; none for 0.
    cut_after: AtomicU64,
}

impl Plug {
    /// One that is cut when so many writes have been made, so that the answer to the
    /// last of them is lost.
    pub(crate) fn cut_after(writes: u64) -> Self {
        let plug = Self::default();
        plug.0.cut_after.store(writes, Ordering::Relaxed);
        plug
    }

    /// How many writes went over it.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// A client over this line.
    pub(crate) fn client(&self, cluster: &ApiServer, user: &str) -> Client {
        Client::new(Line { plug: self.clone(), endpoint: cluster.endpoint(user) }, "default")
    }

    /// Notes a write, and says whether it is the last.
    fn write(&self) -> bool {
        let count = self.0.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let last = count == self.0.cut_after.load(Ordering::Relaxed);
        self.0.cut.fetch_or(last, Ordering::Relaxed);
        last
    }
}

#[derive(Clone)]
struct Line {
    plug: Plug,
    endpoint: Endpoint,
}

impl Service<Request<Body>> for Line {
    type Response = <Endpoint as Service<Request<Body>>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { plug, mut endpoint } = self.clone();
        // The Lease is renewed all the time, and reviews write nothing.
        let path = request.uri().path();
        let counts =
            *request.method() != Method::GET && !path.contains("/leases") && !path.contains("accessreviews");
        async move {
            if plug.is_cut() {
                return pending().await;
            }
            let last = counts && plug.write();
            let answer = endpoint.call(request).await;
            if last || plug.is_cut() { pending().await } else { answer }
        }
        .boxed()
    }
}
