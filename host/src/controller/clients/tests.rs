//! What passes, with an API server that is played.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use kube::client::Body;
use tower::BoxError;

use super::*;
use crate::controller::informer::describe;

/// Answers every request as it is told to, and counts them.
#[derive(Clone, Default)]
struct Server {
    requests: Arc<AtomicUsize>,
    user: Arc<Mutex<Option<String>>>,
    /// What happens with a request before it is answered; the status of the answer.
    answer: Arc<Mutex<Option<Answer>>>,
}

type Answer = Box<dyn FnMut() -> u16 + Send>;

impl Connect for Server {
    fn connect(&self, user: Option<&str>) -> Result<Client, kube::Error> {
        *self.user.lock().unwrap() = user.map(str::to_owned);
        let server = self.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            server.requests.fetch_add(1, Ordering::Relaxed);
            let status = server.answer.lock().unwrap().as_mut().map_or(200, |answer| answer());
            let body = Body::from(format!("{{\"status\":\"Failure\",\"code\":{status}}}").into_bytes());
            let answer = Response::builder().status(status).header("Retry-After", "0").body(body).unwrap();
            async move { Ok::<_, BoxError>(answer) }
        });
        Ok(Client::new(service, "default"))
    }
}

fn request(method: &str, path: &str) -> Request<Vec<u8>> {
    Request::builder().method(method).uri(path).body(b"{}".to_vec()).unwrap()
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

fn clients(server: &Server, leadership: Leadership) -> Clients {
    Clients::new(Arc::new(server.clone()), "operlet-system", leadership, Metrics::new())
}

const POD: &str = "/api/v1/namespaces/a/pods/b";

#[test]
fn without_the_lease_nothing_that_changes_something_is_sent() {
    block_on(async {
        let server = Server::default();
        let (lease, leadership) = Leadership::played();
        lease.taken("host-2");
        let clients = clients(&server, leadership);
        for client in [clients.host().unwrap(), clients.impersonate("things").unwrap().on_behalf_of("things")]
        {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                let error = client.request_text(request(method, POD)).await.unwrap_err();
                assert!(matches!(NotHolder::of(&error), Some(NotHolder::Refused { .. })), "{method}");
                assert_eq!(
                    describe(&error),
                    "this host does not hold the Lease operlet-system/operlet (held by host-2): nothing is written"
                );
            }
        }
        assert_eq!(server.requests.load(Ordering::Relaxed), 0);
        assert!(!clients.metrics().encode().unwrap().contains("operlet_api_requests_total{"));
    });
}

#[test]
fn without_the_lease_all_can_still_be_read() {
    block_on(async {
        let server = Server::default();
        let (lease, leadership) = Leadership::played();
        lease.taken("host-2");
        let client = clients(&server, leadership).host().unwrap();
        client.request_text(request("GET", POD)).await.unwrap();
        let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        client.request_text(request("POST", review)).await.unwrap();
        assert_eq!(server.requests.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn with_the_lease_requests_pass_and_are_counted() {
    block_on(async {
        let server = Server::default();
        let (lease, leadership) = Leadership::played();
        lease.renewed(Duration::ZERO);
        let clients = clients(&server, leadership);
        let client = clients.impersonate("things").unwrap().on_behalf_of("things");
        assert_eq!(
            server.user.lock().unwrap().as_deref(),
            Some("system:serviceaccount:operlet-system:things")
        );
        client.request_text(request("PATCH", POD)).await.unwrap();
        client.request_text(request("GET", "/api/v1/pods?watch=true")).await.unwrap();
        let page = clients.metrics().encode().unwrap();
        for line in [
            r#"operlet_api_requests_total{operlet="things",verb="patch",resource="pods"} 1"#,
            r#"operlet_api_requests_total{operlet="things",verb="watch",resource="pods"} 1"#,
        ] {
            assert!(page.contains(line), "no {line} in\n{page}");
        }
    });
}

#[test]
fn a_holder_that_could_not_renew_says_so() {
    block_on(async {
        let server = Server::default();
        let (lease, leadership) = Leadership::played();
        lease.renewed(crate::lease::HOLD);
        let error = clients(&server, leadership).host().unwrap().request_text(request("PATCH", POD)).await;
        let error = error.unwrap_err();
        assert!(matches!(NotHolder::of(&error), Some(NotHolder::NotRenewed { .. })));
        assert_eq!(server.requests.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn what_is_tried_again_passes_the_gate_again() {
    block_on(async {
        let server = Server::default();
        let (lease, leadership) = Leadership::played();
        lease.renewed(Duration::ZERO);
        let client = clients(&server, leadership).host().unwrap();
        *server.answer.lock().unwrap() = Some(Box::new(move || {
            lease.taken("host-2");
            429
        }));
        let error = client.request_text(request("PATCH", POD)).await.unwrap_err();
        assert!(matches!(NotHolder::of(&error), Some(NotHolder::Refused { .. })), "{error}");
        assert_eq!(server.requests.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_busy_server_is_asked_again() {
    block_on(async {
        let server = Server::default();
        let client = clients(&server, Leadership::always()).host().unwrap();
        let mut busy = 2;
        *server.answer.lock().unwrap() = Some(Box::new(move || {
            busy -= 1;
            if busy >= 0 { 429 } else { 200 }
        }));
        client.request_text(request("PATCH", POD)).await.unwrap();
        assert_eq!(server.requests.load(Ordering::Relaxed), 3);
    });
}
