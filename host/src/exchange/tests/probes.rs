//! What is repeated on a connection that is kept.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    super::{
        ConnectionLimits, Exchanges, Observer, OperletExchanges, ProbeHooks, Probes, Resolve, Target, TcpDial,
    },
    LONG, SHORT_MS, bounded, expecting, line, partial, plain, replies,
    server::{Peer, Server},
    step,
};
use crate::model::{Exchange, ExchangeEnd, GroupVersionKind, ObjectKey, Probe, Step};

/// The least that the contract allows.
const EVERY_MS: u32 = 100;

/// What a close or a change may take to be seen, at the most: measured are a few
/// milliseconds, on an idle machine.
const PROMPT: Duration = Duration::from_millis(250);

fn key(name: &str) -> ObjectKey {
    let kind = GroupVersionKind { group: "g".into(), version: "v1".into(), kind: "K".into() };
    ObjectKey { kind: kind.into(), namespace: Some("n".into()), name: name.into() }
}

fn probe(id: &str, steps: &[Step]) -> Probe {
    Probe { id: id.into(), exchange: bounded(steps, 2_000), opening: Vec::new(), every_ms: EVERY_MS }
}

fn ping(id: &str) -> Probe {
    probe(id, &[step("PING\r\n", line())])
}

/// Pods, and where they are.
type Pods = Mutex<BTreeMap<String, Result<Target, ExchangeEnd>>>;

#[derive(Default)]
struct Found {
    pods: Pods,
    asked: AtomicUsize,
}

impl Resolve for Found {
    fn resolve<'a>(
        &'a self,
        _: &'a ObjectKey,
        exchange: &'a Exchange,
    ) -> BoxFuture<'a, Result<Target, ExchangeEnd>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.pods.lock().unwrap().get(&exchange.pod).cloned();
        Box::pin(async move { found.unwrap_or(Err(ExchangeEnd::Gone)) })
    }
}

#[derive(Default)]
struct Counted {
    rounds: Mutex<BTreeMap<&'static str, usize>>,
    wakes: AtomicUsize,
}

impl Observer for Counted {
    fn probe_round(&self, end: &'static str) {
        *self.rounds.lock().unwrap().entry(end).or_default() += 1;
    }

    fn probe_wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

/// Probes with all that they need.
struct Fixture {
    probes: Probes,
    exchanges: OperletExchanges,
    found: Arc<Found>,
    counted: Arc<Counted>,
    clock: Arc<AtomicU64>,
    wakes: mpsc::UnboundedReceiver<(ObjectKey, Instant)>,
}

impl Fixture {
    fn new(limits: ConnectionLimits) -> Self {
        let (found, counted, clock) =
            (Arc::new(Found::default()), Arc::new(Counted::default()), Arc::default());
        let (sender, wakes) = mpsc::unbounded_channel();
        let read: Arc<AtomicU64> = Arc::clone(&clock);
        let hooks = ProbeHooks {
            resolve: Arc::clone(&found) as _,
            wake: Arc::new(move |key| sender.send((key.clone(), Instant::now())).unwrap_or_default()),
            now_ms: Arc::new(move || read.load(Ordering::SeqCst)),
        };
        let exchanges = Exchanges::new(Arc::new(TcpDial), limits).operlet(Arc::clone(&counted) as _);
        Self { probes: Probes::new(exchanges.clone(), hooks), exchanges, found, counted, clock, wakes }
    }

    /// With the pod of [`exchange`] where a server is.
    fn at(server: &Server) -> Self {
        let fixture = Self::new(ConnectionLimits::default());
        fixture.place(Ok(plain(server.address)));
        fixture
    }

    fn place(&self, target: Result<Target, ExchangeEnd>) {
        self.found.pods.lock().unwrap().insert("pod-0".into(), target);
    }

    /// Waits for a wake, and says when it was.
    async fn woken(&mut self) -> Instant {
        let (woken, at) = timeout(LONG, self.wakes.recv()).await.unwrap().unwrap();
        assert_eq!(woken, key("a"));
        at
    }

    /// Sees that nobody is woken for some rounds.
    async fn quiet(&mut self) {
        let woken = timeout(4 * Duration::from_millis(u64::from(EVERY_MS)), self.wakes.recv()).await;
        assert!(woken.is_err(), "{:?}", self.ends());
    }

    fn ends(&self) -> Vec<(String, ExchangeEnd)> {
        self.probes.reports(&key("a")).into_iter().map(|report| (report.id, report.end)).collect()
    }

    #[track_caller]
    fn check(&self, end: &ExchangeEnd) {
        assert_eq!(self.ends(), [("p".to_owned(), end.clone())]);
    }

    fn rounds(&self, end: &str) -> usize {
        self.counted.rounds.lock().unwrap().get(end).copied().unwrap_or_default()
    }
}

/// Answers each line with what is in a cell, and closes when it is empty.
async fn answering(answer: watch::Receiver<&'static str>) -> Server {
    answering_at("127.0.0.1:0", answer).await
}

async fn answering_at(address: &str, answer: watch::Receiver<&'static str>) -> Server {
    Server::start_at(address.parse().unwrap(), move |mut peer: Peer| {
        let mut answer = answer.clone();
        async move {
            loop {
                tokio::select! {
                    line = peer.line() => match line? {
                        None => return Ok(()),
                        Some(_) => {
                            let text = *answer.borrow();
                            peer.say(text).await?;
                        }
                    },
                    () = async { drop(answer.wait_for(|text| text.is_empty()).await) } => return Ok(()),
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_first_result_wakes_and_equal_ones_do_not() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    fixture.clock.store(1_000, Ordering::SeqCst);
    assert_eq!(fixture.probes.reports(&key("a")), []);
    let begin = Instant::now();
    fixture.probes.set(&key("a"), vec![ping("p")]);
    // A probe that starts alone starts at once.
    assert!(fixture.woken().await - begin < PROMPT);
    fixture.clock.store(2_000, Ordering::SeqCst);
    fixture.quiet().await;
    fixture.check(&replies(&["+PONG\r\n"]));
    assert_eq!(fixture.probes.reports(&key("a"))[0].since_ms, 1_000);
    assert!(fixture.rounds("replies") >= 3, "{}", fixture.rounds("replies"));
    // One may be under way.
    assert!(server.count("PING") - fixture.rounds("replies") <= 1);
    assert_eq!(fixture.counted.wakes.load(Ordering::SeqCst), 1);
    assert_eq!([server.accepted(), fixture.found.asked.load(Ordering::SeqCst)], [1, 1]);
}

#[tokio::test]
async fn changed_replies_wake_once() {
    let (answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    fixture.clock.store(5, Ordering::SeqCst);
    answer.send("-LOADING\r\n").unwrap();
    fixture.woken().await;
    fixture.check(&replies(&["-LOADING\r\n"]));
    assert_eq!(fixture.probes.reports(&key("a"))[0].since_ms, 5);
    fixture.quiet().await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_close_is_seen_at_once_and_connected_anew() {
    let (answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    // The rounds alone would see it seconds later.
    fixture.probes.set(&key("a"), vec![Probe { every_ms: 1_500, ..ping("p") }]);
    let mut latencies = Vec::new();
    for _ in 0..3 {
        fixture.woken().await;
        fixture.check(&replies(&["+PONG\r\n"]));
        let closed = Instant::now();
        answer.send("").unwrap();
        latencies.push(fixture.woken().await - closed);
        fixture.check(&ExchangeEnd::Reset(partial(&[], "")));
        answer.send("+PONG\r\n").unwrap();
    }
    latencies.sort();
    println!("a close was seen after {latencies:?}");
    assert!(latencies[1] < PROMPT, "{latencies:?}");
    fixture.woken().await;
    assert_eq!(server.accepted(), 4);
    assert_eq!([fixture.rounds("replies"), fixture.rounds("reset")], [4, 3]);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_break_the_connection() {
    let (stray, cell) = watch::channel(false);
    let server = Server::start(move |mut peer| {
        let mut cell = cell.clone();
        async move {
            while peer.line().await?.is_some() {
                peer.say("+PONG\r\n").await?;
                cell.wait_for(|stray| *stray).await.unwrap();
                peer.say("+MORE\r\n").await?;
            }
            Ok(())
        }
    })
    .await;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![Probe { every_ms: 1_500, ..ping("p") }]);
    fixture.woken().await;
    fixture.check(&replies(&["+PONG\r\n"]));
    let said = Instant::now();
    stray.send(true).unwrap();
    assert!(fixture.woken().await - said < PROMPT);
    fixture.check(&ExchangeEnd::Reset(partial(&[], "+MORE\r\n")));
    // Never taken for the reply of the next round.
    fixture.woken().await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn bytes_that_come_with_a_reply_break_the_connection_too() {
    let (_answer, cell) = watch::channel("+PONG\r\n+MO");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&ExchangeEnd::Reset(partial(&["+PONG\r\n"], "+MO")));
    assert!(server.accepted() >= 3, "{}", server.accepted());
}

#[tokio::test]
async fn the_opening_is_said_once_on_each_connection() {
    let (hang_up, cell) = watch::channel(0);
    let server = Server::start(move |mut peer| {
        let mut cell = cell.clone();
        async move {
            cell.mark_unchanged();
            peer.hear("AUTH\r\n").await?;
            peer.say("+OK\r\n").await?;
            loop {
                tokio::select! {
                    line = peer.line() => {
                        assert_eq!(line?.as_deref(), Some("PING"));
                        peer.say("+PONG\r\n").await?;
                    }
                    _ = cell.changed() => return Ok(()),
                }
            }
        }
    })
    .await;
    let mut fixture = Fixture::at(&server);
    let opening = vec![expecting("AUTH\r\n", line(), &["+OK"])];
    fixture.probes.set(&key("a"), vec![Probe { opening, ..ping("p") }]);
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&replies(&["+PONG\r\n"]));
    assert_eq!(server.count("AUTH"), 1);
    hang_up.send(1).unwrap();
    fixture.woken().await;
    fixture.woken().await;
    fixture.check(&replies(&["+PONG\r\n"]));
    assert_eq!([server.count("AUTH"), server.accepted()], [2, 2]);
}

#[tokio::test]
async fn an_opening_that_is_refused_ends_the_round_and_is_tried_again() {
    let server = Server::start(|mut peer| async move {
        peer.hear("AUTH\r\n").await?;
        peer.say("-ERR\r\n").await?;
        peer.linger().await
    })
    .await;
    let mut fixture = Fixture::at(&server);
    let opening = vec![expecting("AUTH\r\n", line(), &["+OK"])];
    fixture.probes.set(&key("a"), vec![Probe { opening, ..ping("p") }]);
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&ExchangeEnd::Unexpected(partial(&["-ERR\r\n"], "")));
    assert!(server.accepted() >= 3, "{}", server.accepted());
    assert_eq!(server.count("PING"), 0);
}

#[tokio::test]
async fn what_is_beyond_the_opening_belongs_to_the_first_round() {
    let server = Server::start(|mut peer| async move {
        peer.hear("AUTH\r\n").await?;
        peer.say("+OK\r\n+PO").await?;
        let mut first = true;
        while peer.line().await?.is_some() {
            // The beginning of the first reply is there already.
            peer.say(if first { "NG\r\n" } else { "+PONG\r\n" }).await?;
            first = false;
        }
        Ok(())
    })
    .await;
    let mut fixture = Fixture::at(&server);
    let opening = vec![step("AUTH\r\n", line())];
    fixture.probes.set(&key("a"), vec![Probe { opening, ..ping("p") }]);
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&replies(&["+PONG\r\n"]));
}

#[tokio::test]
async fn an_equal_set_disturbs_nothing_and_another_one_ends_and_starts() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![ping("p"), ping("q")]);
    fixture.woken().await;
    fixture.woken().await;
    assert_eq!(fixture.probes.len(), 2);
    fixture.probes.set(&key("a"), vec![ping("q"), ping("p")]);
    fixture.quiet().await;
    assert_eq!(server.accepted(), 2);
    let ids: Vec<_> = fixture.ends().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["p", "q"]);
    // One changes, the other goes on.
    fixture.probes.set(&key("a"), vec![probe("q", &[step("ECHO\r\n", line())]), ping("p")]);
    assert_eq!(fixture.ends().len(), 1);
    fixture.woken().await;
    fixture.quiet().await;
    assert_eq!([server.accepted(), fixture.ends().len(), fixture.probes.len()], [3, 2, 2]);
    assert!(server.count("ECHO") > 0);
}

#[tokio::test]
async fn a_probe_that_is_not_set_any_more_ends_and_closes() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            while let Ok(Some(_)) = peer.line().await {
                peer.say("+PONG\r\n").await?;
            }
            closed.send(()).unwrap_or_default();
            Ok(())
        }
    })
    .await;
    let mut fixture = Fixture::at(&server);
    let ends: [fn(&Probes); 3] =
        [|probes| probes.set(&key("a"), Vec::new()), |probes| probes.clear(&key("a")), Probes::clear_all];
    for end in ends {
        fixture.probes.set(&key("a"), vec![ping("p")]);
        fixture.woken().await;
        assert!(!fixture.probes.is_empty());
        end(&fixture.probes);
        timeout(PROMPT, seen.recv()).await.unwrap().unwrap();
        assert_eq!(fixture.ends(), []);
        assert!(fixture.probes.is_empty());
        let heard = server.count("PING");
        fixture.quiet().await;
        assert_eq!(server.count("PING"), heard);
    }
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    drop(fixture.probes);
    timeout(PROMPT, seen.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell.clone()).await;
    let address = server.address;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    server.stop().await;
    fixture.woken().await;
    assert_eq!(fixture.ends()[0].1.name(), "reset");
    fixture.woken().await;
    fixture.check(&ExchangeEnd::Refused);
    fixture.quiet().await;
    assert!(fixture.rounds("refused") >= 3, "{}", fixture.rounds("refused"));
    let _server = answering_at(&address.to_string(), cell).await;
    fixture.woken().await;
    fixture.check(&replies(&["+PONG\r\n"]));
}

#[tokio::test]
async fn a_pod_that_is_not_there_yet_is_looked_for_at_each_round() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::new(ConnectionLimits::default());
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&ExchangeEnd::Gone);
    fixture.place(Err(ExchangeEnd::Denied("no".into())));
    fixture.woken().await;
    fixture.quiet().await;
    fixture.check(&ExchangeEnd::Denied("no".into()));
    fixture.place(Ok(plain(server.address)));
    fixture.woken().await;
    fixture.check(&replies(&["+PONG\r\n"]));
}

#[tokio::test]
async fn a_round_that_takes_too_long_ends_with_its_connection() {
    let server = Server::start(|mut peer| async move {
        peer.line().await?;
        peer.say("+PO").await?;
        peer.linger().await
    })
    .await;
    let mut fixture = Fixture::at(&server);
    let slow = Probe { exchange: bounded(&[step("PING\r\n", line())], SHORT_MS), ..ping("p") };
    let begin = Instant::now();
    fixture.probes.set(&key("a"), vec![slow]);
    let woken = fixture.woken().await - begin;
    assert!(woken >= Duration::from_millis(u64::from(SHORT_MS)), "{woken:?}");
    fixture.check(&ExchangeEnd::Timeout(partial(&[], "+PO")));
    // Each round takes two pauses; the ones missed are not made up for.
    sleep(Duration::from_millis(1_200)).await;
    let rounds = fixture.rounds("timeout");
    assert!((2..=6).contains(&rounds), "{rounds}");
    assert!(server.accepted().abs_diff(rounds) <= 1);
    assert_eq!(fixture.counted.wakes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rounds_begin_at_even_pauses() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    fixture.probes.set(&key("a"), vec![ping("p")]);
    fixture.woken().await;
    sleep(Duration::from_millis(1_950)).await;
    let rounds = fixture.rounds("replies");
    assert!((12..=20).contains(&rounds), "{rounds}");
}

#[tokio::test]
async fn many_that_start_together_are_spread_out() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::at(&server);
    let begin = Instant::now();
    let probes = (0..50).map(|number| Probe { every_ms: 60_000, ..ping(&format!("{number:02}")) });
    fixture.probes.set(&key("a"), probes.collect());
    let mut last = begin;
    for _ in 0..50 {
        last = fixture.woken().await;
    }
    // They start a millisecond apart, and those of ten milliseconds together.
    assert!(last - begin >= Duration::from_millis(39), "{:?}", last - begin);
    assert_eq!(fixture.ends().len(), 50);
}

#[tokio::test]
async fn probes_leave_room_for_exchanges() {
    let (_answer, cell) = watch::channel("+PONG\r\n");
    let server = answering(cell).await;
    let mut fixture = Fixture::new(ConnectionLimits { host: 100, operlet: 8 });
    fixture.place(Ok(plain(server.address)));
    let short = |id: &str| Probe { exchange: bounded(&[step("PING\r\n", line())], SHORT_MS), ..ping(id) };
    let kept: Vec<_> = (0..7).map(|number| short(&number.to_string())).collect();
    fixture.probes.set(&key("a"), kept.clone());
    for _ in 0..7 {
        fixture.woken().await;
    }
    fixture.probes.set(&key("a"), [kept, vec![short("one too many")]].concat());
    fixture.woken().await;
    let (_, end) = fixture.ends().pop().unwrap();
    let ExchangeEnd::Unreachable(text) = end else { panic!("{end:?}") };
    assert!(text.contains("all 7 connections that probes of one operlet may keep (of 8"), "{text}");
    let exchange = bounded(&[step("PING\r\n", line())], 2_000);
    let end = fixture.exchanges.run(&exchange, &plain(server.address), super::later()).await;
    assert_eq!(end, replies(&["+PONG\r\n"]));
    // Room that is made is used.
    fixture.probes.set(&key("a"), vec![short("one too many")]);
    fixture.woken().await;
    assert_eq!(fixture.ends(), [("one too many".to_owned(), replies(&["+PONG\r\n"]))]);
}
