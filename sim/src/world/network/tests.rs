use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

use super::{Network, NetworkStream, Process};
use crate::world::{Act, Application, Connection, Event, Exec};

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 1));
const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 2));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// What processes heard, and when.
type Log = Arc<Mutex<Vec<(Duration, String)>>>;

/// Says everything back, and ends when it is asked to.
struct Echo {
    log: Log,
    due: Option<Duration>,
}

impl Application for Echo {
    fn happen(&mut self, now: Duration, event: Event, acts: &mut Vec<Act>) {
        let told = match &event {
            Event::Received { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            event => format!("{event:?}").split(' ').next().unwrap_or_default().to_owned(),
        };
        self.log.lock().unwrap().push((now, told));
        match event {
            Event::Received { connection, bytes } => acts.push(Act::Send { connection, bytes }),
            Event::Due => self.due = None,
            Event::Terminate => acts.push(Act::Exit(3)),
            _ => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        self.due
    }

    fn exec(&mut self, _: Duration, command: &[String]) -> Exec {
        Exec::Ended { code: 0, message: command.first().cloned() }
    }
}

/// Dials another, and says a number every second as long as it stands.
struct Dialer {
    log: Log,
    to: SocketAddr,
    said: u64,
    stands: bool,
    due: Option<Duration>,
}

const OWN: Connection = Connection(Connection::OWN);

impl Application for Dialer {
    fn happen(&mut self, now: Duration, event: Event, acts: &mut Vec<Act>) {
        let told = match &event {
            Event::Received { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            event => format!("{event:?}").split(' ').next().unwrap_or_default().to_owned(),
        };
        if event != Event::Due {
            self.log.lock().unwrap().push((now, told));
        }
        match event {
            Event::Due if self.stands => {
                self.said += 1;
                acts.push(Act::Send { connection: OWN, bytes: format!("{};", self.said).into() });
                self.due = Some(now + Duration::from_secs(1));
            }
            Event::Due => {
                acts.push(Act::Connect { connection: OWN, to: self.to });
                self.due = None;
            }
            Event::Connected { .. } => (self.stands, self.due) = (true, Some(now)),
            Event::Closed { .. } => (self.stands, self.due) = (false, None),
            _ => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        self.due
    }

    fn exec(&mut self, _: Duration, _: &[String]) -> Exec {
        Exec::Running
    }
}

fn network(seed: u64) -> Network {
    let network = Network::new(seed);
    tokio::spawn(network.clone().run());
    network
}

fn echo(network: &Network, node: &str, address: IpAddr, due: Option<Duration>) -> (Process, Log) {
    let log = Log::default();
    (network.start(node, address, Box::new(Echo { log: log.clone(), due })), log)
}

fn dialer(network: &Network, node: &str, address: IpAddr, to: SocketAddr) -> (Process, Log) {
    let log = Log::default();
    let dialer = Dialer { log: log.clone(), to, said: 0, stands: false, due: Some(Duration::ZERO) };
    (network.start(node, address, Box::new(dialer)), log)
}

fn at(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 6379)
}

fn words(log: &Log) -> Vec<String> {
    log.lock().unwrap().iter().map(|(_, word)| word.clone()).collect()
}

async fn dial(network: &Network, to: IpAddr) -> std::io::Result<NetworkStream> {
    network.stream(Network::OUTSIDE, CLIENT, at(to)).await
}

async fn hear(stream: &mut NetworkStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_comes_back_from_an_echo() {
    let network = network(1);
    let (_, log) = echo(&network, "a", ONE, None);
    let mut stream = dial(&network, ONE).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    hear(&mut stream, "hello").await;
    assert!(network.now() < Duration::from_millis(5), "it took {:?}", network.now());
    drop(stream);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(words(&log), ["Accepted", "hello", "Closed"]);
    assert!(network.with(|state| state.links.is_empty()), "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn an_end_of_what_is_sent_is_answered_with_an_end() {
    let network = network(1);
    let (_, log) = echo(&network, "a", ONE, None);
    let mut stream = dial(&network, ONE).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert_eq!(
        (all.as_str(), words(&log)),
        ("hello", vec!["Accepted".into(), "hello".into(), "Closed".into()])
    );
}

#[tokio::test(start_paused = true)]
async fn where_nobody_listens_connections_are_refused() {
    let network = network(1);
    network.assign(ONE, "a");
    assert_eq!(dial(&network, ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let (_, log) = dialer(&network, "a", TWO, at(ONE));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(words(&log), ["Closed"]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_nobody_answers() {
    let network = network(1);
    let waited = timeout(Duration::from_secs(60), dial(&network, ONE)).await;
    assert!(waited.is_err(), "it should wait");
    assert!(network.with(|state| state.links.is_empty()), "who waits no more leaves nothing");
    assert_eq!(dial(&network, ONE).await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_partition_makes_late_and_loses_nothing() {
    let network = network(1);
    let (_, log) = echo(&network, "a", ONE, None);
    let (_, heard) = dialer(&network, "b", TWO, at(ONE));
    sleep(Duration::from_millis(2_500)).await;
    network.partition("b", "a");
    let mut outside = dial(&network, ONE).await.unwrap();
    outside.write_all(b"still here").await.unwrap();
    hear(&mut outside, "still here").await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(words(&heard).concat(), "Connected1;2;3;");
    network.heal("a", "b");
    let healed = network.now();
    sleep(Duration::from_secs(20)).await;
    let all: String = (1..=43).map(|number| format!("{number};")).collect();
    assert_eq!(words(&heard).concat(), format!("Connected{all}"));
    let late = log.lock().unwrap().iter().find(|(_, word)| word.starts_with("4;")).map(|(time, _)| *time);
    let late = late.unwrap() - healed;
    assert!(late < Duration::from_secs(15), "it came after {late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_those_who_knock() {
    let network = network(1);
    echo(&network, "a", ONE, None);
    network.partition("a", Network::OUTSIDE);
    assert!(timeout(Duration::from_secs(5), dial(&network, ONE)).await.is_err());
    let knocking = tokio::spawn({
        let network = network.clone();
        async move { dial(&network, ONE).await.map(drop) }
    });
    sleep(Duration::from_secs(5)).await;
    network.heal_all();
    knocking.await.unwrap().unwrap();
    assert!(network.now() > Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn who_was_frozen_hears_first_what_came_and_then_that_it_is_due() {
    let network = network(1);
    let (process, log) = echo(&network, "a", ONE, Some(Duration::from_secs(2)));
    let mut before = dial(&network, ONE).await.unwrap();
    network.freeze(process);
    let mut meanwhile = dial(&network, ONE).await.unwrap();
    before.write_all(b"one ").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    meanwhile.write_all(b"two").await.unwrap();
    before.write_all(b"more").await.unwrap();
    drop(meanwhile);
    sleep(Duration::from_secs(9)).await;
    assert_eq!(words(&log), ["Accepted"]);
    assert_eq!(network.exec(process, &["ask".to_owned()]), Some(Exec::Running));
    network.thaw(process);
    hear(&mut before, "one more").await;
    assert_eq!(words(&log), ["Accepted", "Accepted", "one more", "two", "Closed", "Due"]);
    let answered = Exec::Ended { code: 0, message: Some("ask".to_owned()) };
    assert_eq!(network.exec(process, &["ask".to_owned()]), Some(answered));
}

#[tokio::test(start_paused = true)]
async fn a_kill_closes_connections() {
    let network = network(1);
    let (process, _) = echo(&network, "a", ONE, None);
    let (_, heard) = dialer(&network, "b", TWO, at(ONE));
    let mut stream = dial(&network, ONE).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    network.kill(process);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(words(&heard), ["Connected", "1;", "Closed"]);
    let ended: Vec<i32> = network.ended().iter().map(|ended| ended.code).collect();
    assert_eq!((ended, network.exec(process, &[])), (vec![137], None));
    assert_eq!(dial(&network, ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_end_says_how_it_ended() {
    let network = network(1);
    let (process, _) = echo(&network, "a", ONE, None);
    let mut stream = dial(&network, ONE).await.unwrap();
    network.terminate(process);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(network.ended().first().map(|ended| ended.code), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_is_silent_until_somebody_answers_there() {
    let network = network(1);
    echo(&network, "a", ONE, None);
    let mut quiet = dial(&network, ONE).await.unwrap();
    let mut stream = dial(&network, ONE).await.unwrap();
    network.cut_power("a");
    stream.write_all(b"hello").await.unwrap();
    let silence = timeout(Duration::from_secs(30), stream.read(&mut [0; 8])).await;
    assert!(silence.is_err(), "nothing comes");
    assert!(timeout(Duration::from_secs(30), dial(&network, ONE)).await.is_err());
    assert!(network.ended().is_empty(), "nobody saw it end");
    network.restore_power("a");
    assert_eq!(dial(&network, ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let silence = timeout(Duration::from_secs(30), quiet.read(&mut [0; 8])).await;
    assert!(silence.is_err(), "who says nothing hears nothing");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_let_go_of_is_silent() {
    let network = network(1);
    let (process, _) = echo(&network, "a", ONE, None);
    network.partition("a", Network::OUTSIDE);
    let held = network.stream("b", CLIENT, at(ONE)).await.unwrap();
    network.kill(process);
    sleep(Duration::from_secs(1)).await;
    network.release(ONE);
    network.heal_all();
    assert!(timeout(Duration::from_secs(30), dial(&network, ONE)).await.is_err());
    drop(held);
}

/// All that was heard in a run, and when.
fn heard(seed: u64) -> Vec<(Duration, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let network = network(seed);
        let (_, one) = echo(&network, "a", ONE, None);
        for number in 3..8 {
            let (_, _) = dialer(&network, "b", IpAddr::V4(Ipv4Addr::new(10, 244, 0, number)), at(ONE));
        }
        sleep(Duration::from_secs(10)).await;
        one.lock().unwrap().clone()
    })
}

#[test]
fn a_seed_decides_every_order() {
    assert_eq!(heard(1), heard(1));
    assert_ne!(heard(1), heard(2));
}

#[tokio::test(start_paused = true)]
async fn nobody_wakes_when_nothing_is_due() {
    let network = network(1);
    echo(&network, "a", ONE, None);
    let begun = Instant::now();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3_600));
    assert!(network.with(|state| state.wait().is_none()));
}
