//! The line between a host and the API server: what goes wrong on it.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use operlet_sim::{ApiServer, Endpoint};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service};

use crate::chance::Chance;

/// Says in whose name a request is made.
const IMPERSONATE: HeaderName = HeaderName::from_static("impersonate-user");

type Answer = Result<Response<UnsyncBoxBody<Bytes, Infallible>>, BoxError>;

/// A host's line. A host that is cut off for good is to the rest of the world one that
/// has crashed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plug(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cut: AtomicBool,
    writes: AtomicU64,
    /// The write after which it is cut; none for 0.
    cut_after: AtomicU64,
    weather: Mutex<Option<Weather>>,
}

/// What goes wrong by chance.
#[derive(Debug)]
struct Weather {
    chance: Chance,
    /// When it clears up.
    until: Instant,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is answered after a while.
    Answered,
    /// It never arrives.
    Lost,
    /// It is done, and the answer never arrives.
    Unheard,
    /// It is done, and the answer is an error all the same.
    Misreported,
    /// The API server has too much to do.
    Refused,
    /// The API server fails.
    Failed,
}

/// How long a request and its answer take on a good day, at most.
const TRAVEL: Duration = Duration::from_millis(3);

/// How long one takes on a bad day, at most: longer than the Lease is held.
const DELAY: Duration = Duration::from_secs(12);

/// How long a watch goes on on a bad day, at most.
const WATCH: Duration = Duration::from_secs(8);

impl Plug {
    /// One that is cut when so many writes have been made, so that the answer to the
    /// last of them is lost.
    pub(crate) fn cut_after(writes: u64) -> Self {
        let plug = Self::default();
        plug.0.cut_after.store(writes, Ordering::Relaxed);
        plug
    }

    /// One on which all kinds of things go wrong for so long.
    pub(crate) fn in_bad_weather(seed: u64, time: Duration) -> Self {
        let weather = Weather { chance: Chance::new(seed), until: Instant::now() + time };
        let plug = Self::default();
        *plug.0.weather.lock().unwrap_or_else(PoisonError::into_inner) = Some(weather);
        plug
    }

    /// Cuts it with so many writes from now on.
    pub(crate) fn cut_within(&self, writes: u64) {
        self.0.cut_after.store(self.writes() + writes, Ordering::Relaxed);
    }

    /// How many writes went over it.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Cuts it for good.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// A client over this line, of this user, who acts as another one.
    pub(crate) fn client(&self, cluster: &ApiServer, user: &str, acts_as: Option<&str>) -> Client {
        let acts_as = acts_as.and_then(|user| HeaderValue::from_str(user).ok());
        Client::new(Line { plug: self.clone(), endpoint: cluster.endpoint(user), acts_as }, "default")
    }

    /// Notes a write, and says whether it is the last.
    fn write(&self) -> bool {
        let count = self.0.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let last = count == self.0.cut_after.load(Ordering::Relaxed);
        self.0.cut.fetch_or(last, Ordering::Relaxed);
        last
    }

    /// What becomes of the next request: how long it travels, there and back, and how
    /// long it is watched.
    fn fate(&self) -> Option<(Fate, [Duration; 2], Duration)> {
        let mut weather = self.0.weather.lock().unwrap_or_else(PoisonError::into_inner);
        let Weather { chance, until } = weather.as_mut()?;
        let bad = Instant::now() < *until;
        let fate = match chance.below(100) {
            0..3 if bad => Fate::Lost,
            3..6 if bad => Fate::Unheard,
            6..9 if bad => Fate::Misreported,
            9..12 if bad => Fate::Refused,
            12..15 if bad => Fate::Failed,
            _ => Fate::Answered,
        };
        let slow = if bad && chance.below(50) == 0 { DELAY } else { TRAVEL };
        let travel = [chance.up_to(slow), chance.up_to(TRAVEL)];
        let watch = if bad { chance.up_to(WATCH) } else { Duration::from_secs(3_600) };
        Some((fate, travel, watch))
    }
}

#[derive(Clone)]
struct Line {
    plug: Plug,
    endpoint: Endpoint,
    acts_as: Option<HeaderValue>,
}

impl Line {
    async fn go(mut self, request: Request<Body>) -> Answer {
        let Some((fate, [there, back], watched)) = self.plug.fate() else {
            return self.endpoint.call(request).await;
        };
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        sleep(there).await;
        match fate {
            Fate::Lost => return Err("the connection was reset".into()),
            Fate::Refused => return Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")),
            Fate::Failed => return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Fate::Answered | Fate::Unheard | Fate::Misreported => {}
        }
        let answer = self.endpoint.call(request).await?;
        sleep(back).await;
        match fate {
            Fate::Unheard => Err("the connection was reset while an answer was waited for".into()),
            Fate::Misreported => Ok(refusal(StatusCode::GATEWAY_TIMEOUT, "Timeout")),
            _ if watches => Ok(answer.map(|body| ended_after(body, watched))),
            _ => Ok(answer),
        }
    }
}

/// A watch that breaks off after so long.
fn ended_after(body: UnsyncBoxBody<Bytes, Infallible>, time: Duration) -> UnsyncBoxBody<Bytes, Infallible> {
    let parts = body.into_data_stream().take_until(sleep(time));
    StreamBody::new(parts.map(|part| part.map(Frame::data))).boxed_unsync()
}

fn refusal(code: StatusCode, reason: &str) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the weather is bad", "reason": reason, "code": code.as_u16(),
    });
    let mut response = Response::new(Full::new(Bytes::from(status.to_string())).boxed_unsync());
    *response.status_mut() = code;
    response
}

impl Service<Request<Body>> for Line {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let line = self.clone();
        request.headers_mut().extend(line.acts_as.clone().map(|user| (IMPERSONATE, user)));
        // The Lease is renewed all the time, and reviews write nothing.
        let path = request.uri().path();
        let counts =
            *request.method() != Method::GET && !path.contains("/leases") && !path.contains("accessreviews");
        async move {
            let plug = line.plug.clone();
            if plug.is_cut() {
                return pending().await;
            }
            let last = counts && plug.write();
            let answer = line.go(request).await;
            if last || plug.is_cut() { pending().await } else { answer }
        }
        .boxed()
    }
}
