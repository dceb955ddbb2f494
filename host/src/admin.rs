//! What the host tells about itself over HTTP: whether it lives and is ready, and
//! what it has measured.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    lease::Leadership,
    metrics::{self, Metrics},
};

/// What is told.
#[derive(Clone)]
pub struct Admin {
    /// Whether the Operlets are known.
    pub ready: watch::Receiver<bool>,
    /// Whether this host holds the Lease.
    pub leadership: Leadership,
    /// What was measured.
    pub metrics: Metrics,
}

impl Admin {
    /// Serves `/healthz`, `/readyz` and `/metrics` on this address until the process
    /// ends.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn serve(self, address: SocketAddr) -> std::io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        loop {
            let Ok((connection, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: others must give some back first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = admin.answer(hyper::Request::uri(&request).path());
                    async move { Ok::<_, Infallible>(answer) }
                });
                // A peer that breaks off is its own affair.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
            });
        }
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => match self.metrics.encode() {
                Ok(page) => {
                    let mut response = text(StatusCode::OK, page);
                    let content = HeaderValue::from_static(metrics::CONTENT_TYPE);
                    response.headers_mut().insert(CONTENT_TYPE, content);
                    response
                }
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
            },
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n"),
        }
    }

    /// A host that stands by is ready to take over, and a rollout must not wait for
    /// it to do so.
    fn readiness(&self) -> Response<Full<Bytes>> {
        if *self.ready.borrow() {
            return text(StatusCode::OK, "ok\n");
        }
        match self.leadership.holder() {
            Some(holder) if self.leadership.held_until().is_none() => {
                let lease = self.leadership.lease();
                text(StatusCode::OK, format!("standing by: the Lease {lease} is held by {holder}\n"))
            }
            Some(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the Operlets are not known yet\n"),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "it is not known yet who holds the Lease\n"),
        }
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
