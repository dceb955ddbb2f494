//! Exchanges and probes over real sockets of this machine.

mod act;
mod conversation;
mod limits;
mod probes;
mod rules;
mod server;
mod splitting;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ConnectionLimits, Exchanges, OperletExchanges, Target, TcpDial};
use crate::model::{Effect, Exchange, ExchangeEnd, PartialReplies, Step, Transport, Until};

/// Long enough on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(20);

/// What is to end by itself, so that the bound is waited for.
const SHORT_MS: u32 = 200;

fn line() -> Until {
    Until::Delimiter(b"\r\n".to_vec())
}

fn step(send: &str, until: Until) -> Step {
    Step { send: send.into(), until, expect: Vec::new() }
}

fn expecting(send: &str, until: Until, expect: &[&str]) -> Step {
    Step { expect: expect.iter().map(|text| text.as_bytes().to_vec()).collect(), ..step(send, until) }
}

fn exchange(steps: &[Step]) -> Exchange {
    Exchange {
        pod: "pod-0".into(),
        pod_uid: "uid-0".into(),
        port: 6379,
        transport: Transport::Plain,
        steps: steps.to_vec(),
        effect: Effect::Probe,
        timeout_ms: u32::try_from(LONG.as_millis()).unwrap(),
        max_bytes: 1024 * 1024,
    }
}

fn bounded(steps: &[Step], timeout_ms: u32) -> Exchange {
    Exchange { timeout_ms, ..exchange(steps) }
}

fn plain(address: SocketAddr) -> Target {
    Target { address, tls: None }
}

fn exchanges() -> OperletExchanges {
    Exchanges::new(Arc::new(TcpDial), ConnectionLimits::default()).operlet(Arc::new(()))
}

fn later() -> Instant {
    Instant::now() + LONG
}

async fn run(exchange: &Exchange, address: SocketAddr) -> ExchangeEnd {
    exchanges().run(exchange, &plain(address), later()).await
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn replies(texts: &[&str]) -> ExchangeEnd {
    ExchangeEnd::Replies(bytes(texts))
}

fn partial(texts: &[&str], rest: &str) -> PartialReplies {
    PartialReplies { replies: bytes(texts), rest: rest.into() }
}
