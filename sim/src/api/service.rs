//! The API server as a service that clients are made of.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{Request, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tower::{BoxError, Service};

use super::{
    access::ADMINISTRATOR,
    late::{Delays, Pending, Told},
    read::Watching,
    request::Asked,
    route::Answer,
    state::{Clock, EVENTS, Seen, State},
    watch::bookmark,
};
use crate::chance::Chance;

/// How often those who watch and hear nothing are told how far they have come.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// A watch without a time of its own ends after so long, as a cluster's do after
/// thirty to sixty minutes.
const WATCH: Duration = Duration::from_secs(45 * 60);

/// An API server. Cloning it gives the same one.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    /// An API server with the namespaces that every cluster has. The seed decides
    /// uids and generated names.
    #[must_use]
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(clock, seed))) }
    }

    /// What a client that acts as this user is made of.
    #[must_use]
    pub fn endpoint(&self, user: &str) -> Endpoint {
        Endpoint { server: self.clone(), user: user.into() }
    }

    /// A client that acts as this user.
    #[must_use]
    pub fn client(&self, user: &str) -> Client {
        Client::new(self.endpoint(user), "default")
    }

    /// All objects as they are.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        self.state().store.all().map(|(_, stored)| stored.full()).collect()
    }

    /// A client that may do everything.
    #[must_use]
    pub fn administrator(&self) -> Client {
        self.client(ADMINISTRATOR)
    }

    /// Forgets what happened before now: watches that would begin earlier are refused.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Ends all watches, as a restarted API server does.
    pub fn drop_watches(&self) {
        self.state().drop_watchers();
    }

    /// Lets watches hear late of all changes until then, each in order and later by up to
    /// this. Lists that may be old are from some changes ago. The seed decides.
    pub fn delay_watches(&self, longest: Duration, until: Instant) {
        let mut state = self.state();
        let chance = Chance::new(state.random());
        state.delays = Some(Delays::new(longest, until, chance));
    }

    /// Calls this with each request that was answered, in order.
    pub fn observe(&self, observer: impl FnMut(&Seen<'_>) + Send + 'static) {
        self.state().observe(Box::new(observer));
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, user: &str, request: Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let sent = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let content_type =
            head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asked = Asked::read(&head.method, &head.uri, &head.headers, user);
        let who = asked.as_ref().map_or_else(|_| user.to_owned(), |asked| asked.user.clone());
        let answer = asked.and_then(|asked| {
            let answer = self.state().answer(&head.method, &asked, content_type, &sent);
            answer.map(|answer| (answer, asked))
        });
        let (code, body) = match answer {
            Ok((Answer::Whole(code, body), _)) => (code, Full::new(body).boxed_unsync()),
            Ok((Answer::Watch(watching), asked)) => {
                let told = self.clone().told(watching, &asked);
                let frames = told.map(|line| Ok::<_, Infallible>(Frame::data(line)));
                (http::StatusCode::OK, StreamBody::new(frames).boxed_unsync())
            }
            Err(refusal) => {
                let body = Full::new(refusal.to_json().to_string().into());
                (refusal.status(), body.boxed_unsync())
            }
        };
        let path = head.uri.path_and_query().map_or_else(|| head.uri.path(), http::uri::PathAndQuery::as_str);
        self.state().see(&Seen {
            user: &who,
            method: head.method.as_str(),
            path,
            body: &sent,
            code: code.as_u16(),
        });
        let mut response = Response::new(body);
        *response.status_mut() = code;
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }

    /// The lines of a watch.
    fn told(self, watching: Watching, asked: &Asked) -> BoxStream<'static, Bytes> {
        let Watching { first, then, api_version, kind } = watching;
        let first = stream::iter(first);
        let Some(receiver) = then else { return first.boxed() };
        let now = Instant::now();
        let limit = asked.options.timeout_seconds.map_or(WATCH, Duration::from_secs);
        let line = Line {
            server: self,
            receiver,
            pending: Pending::default(),
            end: now + limit,
            bookmark: asked.options.bookmarks.then_some(now + BOOKMARKS),
            api_version,
            kind,
        };
        first.chain(line.lines()).boxed()
    }
}

/// What is left of a watch.
struct Line {
    server: ApiServer,
    receiver: mpsc::Receiver<Told>,
    pending: Pending,
    end: Instant,
    /// When to say next how far it has come.
    bookmark: Option<Instant>,
    api_version: String,
    kind: String,
}

impl Line {
    fn lines(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, async |mut line| line.next().await.map(|told| (told, line)))
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(told) = self.pending.take() {
                return Some(told);
            }
            let next = self.bookmark.map_or(self.end, |bookmark| bookmark.min(self.end));
            let due = self.pending.due().unwrap_or(next).min(next);
            tokio::select! {
                biased;
                // What was not heard yet when a watch breaks off is not heard at all.
                told = self.receiver.recv(), if self.pending.len() < EVENTS => {
                    if let Some(line) = self.pending.put(told?) {
                        return Some(line);
                    }
                }
                () = sleep_until(due) => {
                    if due >= self.end {
                        return None;
                    }
                    if due >= next {
                        self.bookmark = Some(next + BOOKMARKS);
                        return Some(self.come_so_far());
                    }
                }
            }
        }
    }

    /// All that has happened, and that this was all, unless something is not due yet.
    fn come_so_far(&mut self) -> Bytes {
        let state = self.server.state();
        let mut lines = Vec::new();
        while let Ok(told) = self.receiver.try_recv() {
            lines.extend(self.pending.put(told));
        }
        while let Some(line) = self.pending.take() {
            lines.push(line);
        }
        if self.pending.due().is_none() {
            lines.push(bookmark(&self.api_version, &self.kind, state.store.version(), false));
        }
        lines.concat().into()
    }
}

/// Answers the requests of one user: a service for [`Client::new`].
#[derive(Clone)]
pub struct Endpoint {
    server: ApiServer,
    user: Arc<str>,
}

impl Service<Request<Body>> for Endpoint {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { server, user } = self.clone();
        async move { Ok(server.answer(&user, request).await) }.boxed()
    }
}
