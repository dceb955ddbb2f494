//! Bounds on connections, and failures before there is one.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures::future::BoxFuture;

use super::{
    super::{BoxStream, ConnectionLimits, Dial, Exchanges, Observer, Room, TcpDial},
    SHORT_MS, bounded, exchange, later, line, plain, replies,
    server::Server,
    step,
};
use crate::model::{Effect, Exchange, ExchangeEnd};

#[derive(Default)]
struct Heard(Mutex<Vec<(Effect, &'static str)>>);

impl Observer for Heard {
    fn exchange_ended(&self, effect: Effect, end: &'static str) {
        self.0.lock().unwrap().push((effect, end));
    }
}

fn limited(host: usize, operlet: usize) -> Exchanges {
    Exchanges::new(Arc::new(TcpDial), ConnectionLimits { host, operlet })
}

/// Answers the second line that comes.
async fn slow() -> Server {
    Server::start(|mut peer| async move {
        peer.line().await?;
        peer.line().await?;
        peer.say("done\r\n").await?;
        peer.linger().await
    })
    .await
}

#[track_caller]
fn check_unreachable(end: &ExchangeEnd, words: &str) {
    let ExchangeEnd::Unreachable(text) = end else { panic!("{end:?}") };
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn an_operlet_at_its_limit_is_told_so_and_leaves_room_to_others() {
    let (server, exchanges) = (slow().await, limited(100, 1));
    let (first, second) = (exchanges.operlet(Arc::new(())), exchanges.operlet(Arc::new(())));
    let (target, waiting) = (plain(server.address), bounded(&[step("one\r\n", line())], SHORT_MS));
    let longer = Exchange { timeout_ms: 3 * SHORT_MS, ..waiting.clone() };
    let (one, other, others) = tokio::join!(
        first.run(&longer, &target, later()),
        first.run(&waiting, &target, later()),
        second.run(&waiting, &target, later()),
    );
    assert_eq!([one.name(), others.name()], ["timeout", "timeout"]);
    check_unreachable(&other, "all 1 connections that one operlet may have at a time were in use");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn the_host_has_a_limit_for_all_operlets_together() {
    let (server, exchanges) = (slow().await, limited(1, 100));
    let (first, second) = (exchanges.operlet(Arc::new(())), exchanges.operlet(Arc::new(())));
    let (target, waiting) = (plain(server.address), bounded(&[step("one\r\n", line())], SHORT_MS));
    let longer = Exchange { timeout_ms: 3 * SHORT_MS, ..waiting.clone() };
    let (one, other) =
        tokio::join!(first.run(&longer, &target, later()), second.run(&waiting, &target, later()));
    assert_eq!(one.name(), "timeout");
    check_unreachable(&other, "all 1 connections that this host may have");
}

#[tokio::test]
async fn an_exchange_waits_for_room_and_then_is_made() {
    let (server, operlet) = (slow().await, limited(100, 1).operlet(Arc::new(())));
    let (target, waiting) = (plain(server.address), bounded(&[step("one\r\n", line())], SHORT_MS));
    let patient = exchange(&[step("one\r\ntwo\r\n", line())]);
    let (one, other) =
        tokio::join!(operlet.run(&waiting, &target, later()), operlet.run(&patient, &target, later()));
    assert_eq!(one.name(), "timeout");
    assert_eq!(other, replies(&["done\r\n"]));
}

/// A network without an end, or without anything.
enum Network {
    Silent,
    Down,
}

impl Dial for Network {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        match self {
            Self::Silent => Box::pin(std::future::pending()),
            Self::Down => Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) }),
        }
    }
}

#[tokio::test]
async fn a_network_that_fails_before_anything_is_sent_is_unreachable() {
    for (network, words) in [
        (Network::Silent, "10.1.2.3:6379 did not accept a connection in time"),
        (Network::Down, "10.1.2.3:6379 cannot be reached: host unreachable"),
    ] {
        let heard = Arc::new(Heard::default());
        let exchanges = Exchanges::new(Arc::new(network), ConnectionLimits::default());
        let target = plain("10.1.2.3:6379".parse().unwrap());
        let end = exchanges
            .operlet(Arc::clone(&heard) as _)
            .run(&bounded(&[step("", line())], SHORT_MS), &target, later())
            .await;
        check_unreachable(&end, words);
        assert_eq!(*heard.0.lock().unwrap(), [(Effect::Probe, "unreachable")]);
    }
}

#[tokio::test]
async fn exchanges_within_one_room_share_it() {
    let server = Server::start(|mut peer| async move {
        peer.say("12345678\r\n").await?;
        peer.linger().await
    })
    .await;
    let room = Arc::new(Room::new(25));
    let exchanges = limited(100, 100).operlet(Arc::new(()));
    let (within, target) = (exchanges.within(&room), plain(server.address));
    let ask = exchange(&[step("", line())]);
    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push(within.run(&ask, &target, later()).await);
    }
    let all = replies(&["12345678\r\n"]);
    assert_eq!(ends[..2], [all.clone(), all.clone()]);
    let ExchangeEnd::TooLarge(partial) = &ends[2] else { panic!("{:?}", ends[2]) };
    assert!(partial.replies.is_empty() && partial.rest.len() <= 5, "{partial:?}");
    assert_eq!(exchanges.run(&ask, &target, later()).await, all, "others have room");
}
