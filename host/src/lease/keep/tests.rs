//! The Lease with an API server that is played.

use std::sync::Mutex;

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tower::BoxError;

use super::*;

/// An API server with one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
    /// Whether the next write is made and answered with an error.
    loses_answer: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let (status, body) = server.answer(&head.method, &body);
                Ok::<_, BoxError>(
                    Response::builder().status(status).body(Body::from(body.to_string().into_bytes()))?,
                )
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (u16, Value) {
        let mut stored = self.0.lock().unwrap();
        let refusal = |code: u16, reason: &str| {
            (
                code,
                json!({ "status": "Failure", "code": code, "reason": reason, "details": { "name": NAME } }),
            )
        };
        if *method == Method::GET {
            return stored.lease.clone().map_or_else(|| refusal(404, "NotFound"), |lease| (200, lease));
        }
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        let before = stored.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        match before {
            Some(_) if *method == Method::POST => return refusal(409, "AlreadyExists"),
            None if *method == Method::PUT => return refusal(404, "NotFound"),
            Some(version) if version != lease["metadata"]["resourceVersion"] => {
                return refusal(409, "Conflict");
            }
            _ => {}
        }
        stored.version += 1;
        lease["metadata"]["resourceVersion"] = stored.version.to_string().into();
        stored.lease = Some(lease.clone());
        if std::mem::take(&mut stored.loses_answer) { refusal(500, "InternalError") } else { (200, lease) }
    }

    fn lease(&self, identity: &str) -> Lease {
        Lease::new(LeaseOptions {
            client: self.client(),
            namespace: "operlet-system".to_owned(),
            identity: identity.to_owned(),
            metrics: Metrics::new(),
        })
    }

    fn holder(&self) -> Value {
        self.0.lock().unwrap().lease.clone().unwrap()["spec"]["holderIdentity"].clone()
    }
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

#[test]
fn the_first_gets_it_the_second_waits_and_gets_it_when_it_is_released() {
    block_on(async {
        let server = Server::default();
        let (mut first, mut second) = (server.lease("a"), server.lease("b"));
        let (one, two) = (first.leadership(), second.leadership());
        first.step().await.unwrap();
        second.step().await.unwrap();
        assert_eq!((one.may_write(), two.may_write()), (true, false));
        assert_eq!(two.holder().as_deref(), Some("a"));
        first.step().await.unwrap();
        second.step().await.unwrap();
        assert_eq!((one.may_write(), two.may_write()), (true, false));
        first.release().await;
        assert!(!one.may_write());
        assert_eq!(server.holder(), Value::Null);
        second.step().await.unwrap();
        assert!(two.may_write());
        assert_eq!(first.step().await, Err(Some("b".to_owned())), "it would be lost to the first");
    });
}

#[test]
fn a_write_without_an_answer_neither_loses_nor_extends_the_lease() {
    block_on(async {
        let server = Server::default();
        let mut lease = server.lease("a");
        let leadership = lease.leadership();
        server.0.lock().unwrap().loses_answer = true;
        lease.step().await.unwrap();
        assert!(!leadership.may_write(), "it is not known to be held");
        assert_eq!(server.holder(), "a");
        lease.step().await.unwrap();
        assert!(leadership.may_write());
        let held = leadership.held_until();
        server.0.lock().unwrap().loses_answer = true;
        lease.step().await.unwrap();
        assert_eq!(leadership.held_until(), held, "what was not answered does not count");
        lease.step().await.unwrap();
        assert!(leadership.held_until() > held);
    });
}

#[test]
fn one_that_was_away_learns_who_took_it() {
    block_on(async {
        let server = Server::default();
        let mut lease = server.lease("a");
        lease.step().await.unwrap();
        {
            let mut stored = server.0.lock().unwrap();
            stored.lease.as_mut().unwrap()["spec"]["holderIdentity"] = json!("b");
            stored.lease.as_mut().unwrap()["metadata"]["resourceVersion"] = json!("99");
        }
        let ended = lease.keep(CancellationToken::new()).await;
        assert_eq!(ended, Ended::Lost { holder: Some("b".to_owned()) });
        assert_eq!(server.holder(), "b", "it took nothing back");
    });
}

#[test]
fn one_that_ends_releases_it_even_if_the_last_answer_was_lost() {
    block_on(async {
        let server = Server::default();
        let mut lease = server.lease("a");
        lease.step().await.unwrap();
        server.0.lock().unwrap().loses_answer = true;
        lease.step().await.unwrap();
        lease.release().await;
        assert_eq!(server.holder(), Value::Null);
    });
}

#[test]
fn transitions_count_changes_of_the_holder_and_nothing_else() {
    let first = held(None, "a");
    let renewed = held(Some(&first), "a");
    let taken = held(Some(&renewed), "b");
    let again = held(Some(&released(&taken)), "a");
    let counts = [&first, &renewed, &taken, &again].map(|object| transitions(Some(object)));
    assert_eq!(counts, [0, 0, 1, 2]);
    let times = |object: &Object| object.spec.clone().unwrap().acquire_time;
    assert_eq!(times(&first), times(&renewed));
    assert_ne!(times(&first), times(&taken));
}

#[test]
fn a_released_lease_has_no_holder_and_keeps_what_others_wrote_into_it() {
    let mut object = held(None, "a");
    object.annotations_mut().insert("by".to_owned(), "hand".to_owned());
    let object = released(&object);
    assert_eq!(holder(&object), None);
    assert_eq!(object.annotations().len(), 1);
    assert_eq!(seen(&object).duration, Some(DURATION));
}
