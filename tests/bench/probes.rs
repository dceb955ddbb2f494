//! What probes cost, and how fast they tell: `cargo bench --bench probes`.
//!
//! A thousand probes of a round a second each, against a peer in a process of its
//! own, so that only the host's side is counted. Meanwhile the peer closes
//! connections and changes replies, and says when it did. The last line is JSON.

#![allow(clippy::print_stdout, reason = "the result is for whoever runs it")]

#[path = "probes/peer.rs"]
mod peer;

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use operlet::{
    exchange::{ConnectionLimits, Exchanges, Observer, ProbeHooks, Probes, Resolve, Target, TcpDial},
    model::{Effect, Exchange, ExchangeEnd, GroupVersionKind, ObjectKey, Probe, Step, Transport, Until},
};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::time::{Instant, sleep};

const PROBES: usize = 1_000;
const EVERY: Duration = Duration::from_secs(1);
const SECONDS: u64 = 20;

/// What the first round of all probes may take.
const START_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut seconds = SECONDS;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => return peer::serve(PROBES),
            "--seconds" => seconds = arguments.next().context("--seconds needs a number")?.parse()?,
            // Cargo says so.
            "--bench" => {}
            other => bail!("unknown argument {other:?}: there is --seconds N"),
        }
    }
    raise_file_limit()?;
    let measured = tokio::runtime::Runtime::new()?.block_on(measure(Duration::from_secs(seconds)))?;
    measured.print();
    Ok(())
}

/// A thousand connections are more files than a shell allows by default.
fn raise_file_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the limit of open files")
}

/// Nanoseconds on a clock, the same for all processes of the machine.
fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}

struct Measured {
    seconds: f64,
    rounds: u64,
    cpu_seconds: f64,
    wakes: u64,
    events: usize,
    /// In milliseconds, sorted.
    latencies: Vec<f64>,
}

impl Measured {
    fn print(&self) {
        let Self { seconds, rounds, cpu_seconds, wakes, events, latencies } = self;
        let rate = per(*rounds, *seconds);
        let percent = 100.0 * cpu_seconds / seconds;
        let each = if *rounds == 0 { 0.0 } else { cpu_seconds * 1e6 / per(*rounds, 1.0) };
        let (median, worst) = (quantile(latencies, 50), quantile(latencies, 99));
        println!("probes                     {PROBES:>10}");
        println!("rounds a second            {rate:>10.1}");
        println!("CPU, percent of one core   {percent:>10.2}");
        println!("CPU a round, microseconds  {each:>10.1}");
        println!("closes and changes         {events:>10}");
        println!("wakes                      {wakes:>10}");
        println!("wake, median, ms           {median:>10.3}");
        println!("wake, 99 %, ms             {worst:>10.3}");
        println!(
            "{}",
            serde_json::json!({
                "bench": "probes",
                "probes": PROBES,
                "seconds": seconds,
                "rounds_per_second": rate,
                "cpu_percent": percent,
                "events": events,
                "wakes": wakes,
                "wake_ms_p50": median,
                "wake_ms_p99": worst,
            })
        );
    }
}

fn per(count: u64, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).or(sorted.last()).copied().unwrap_or_default()
}

#[derive(Default)]
struct Rounds(AtomicU64);

impl Observer for Rounds {
    fn probe_round(&self, _: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct At(SocketAddr);

impl Resolve for At {
    fn resolve<'a>(
        &'a self,
        _: &'a ObjectKey,
        _: &'a Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Target, ExchangeEnd>> + Send + 'a>> {
        let target = Target { address: self.0, tls: None };
        Box::pin(async { Ok(target) })
    }
}

/// Which resources were woken, and when.
type Wakes = Arc<Mutex<Vec<(ObjectKey, u64)>>>;

async fn measure(time: Duration) -> Result<Measured> {
    let mut peer = Peer::start()?;
    let (rounds, wakes) = (Arc::new(Rounds::default()), Wakes::default());
    let seen = Arc::clone(&wakes);
    let limits = ConnectionLimits { host: 2 * PROBES, operlet: 2 * PROBES };
    let exchanges = Exchanges::new(Arc::new(TcpDial), limits);
    let hooks = ProbeHooks {
        resolve: Arc::new(At(peer.address)),
        wake: Arc::new(move |key| {
            let at = nanoseconds(ClockId::Monotonic);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), at));
        }),
        now_ms: Arc::new(|| 0),
    };
    let probes = Probes::new(exchanges.operlet(Arc::clone(&rounds) as _), hooks);
    let keys: Vec<ObjectKey> = (0..PROBES).map(key).collect();
    for (number, key) in keys.iter().enumerate() {
        probes.set(key, vec![probe(number)]);
    }
    let begin = Instant::now();
    let answered =
        |key: &ObjectKey| matches!(&*probes.reports(key), [report] if report.end.name() == "replies");
    while !keys.iter().all(answered) {
        ensure!(begin.elapsed() < START_MAX, "not all probes had an answer within {START_MAX:?}");
        sleep(EVERY / 10).await;
    }
    sleep(EVERY).await;

    peer.tell("go")?;
    let woken = || wakes.lock().unwrap_or_else(PoisonError::into_inner).len();
    let now = || (nanoseconds(ClockId::Monotonic), nanoseconds(ClockId::ProcessCPUTime));
    let (before, woken_before, (begin, cpu_begin)) = (rounds.0.load(Ordering::Relaxed), woken(), now());
    sleep(time).await;
    let (after, woken_after, (end, cpu_end)) = (rounds.0.load(Ordering::Relaxed), woken(), now());
    peer.tell("stop")?;
    // A change is seen in the next round.
    sleep(EVERY + EVERY / 2).await;
    ensure!(keys.iter().all(answered), "not all probes have an answer at the end");
    let events = peer.end()?;
    let wakes = wakes.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64();
    Ok(Measured {
        seconds: seconds(end - begin),
        rounds: after - before,
        cpu_seconds: seconds(cpu_end - cpu_begin),
        wakes: u64::try_from(woken_after - woken_before)?,
        events: events.len(),
        latencies: latencies(&events, &wakes)?,
    })
}

/// From each event to the first wake of its resource.
fn latencies(events: &[(usize, u64)], wakes: &[(ObjectKey, u64)]) -> Result<Vec<f64>> {
    let mut of_key: HashMap<&ObjectKey, Vec<u64>> = HashMap::new();
    for (key, at) in wakes {
        of_key.entry(key).or_default().push(*at);
    }
    let mut all = Vec::new();
    for (number, event) in events {
        let wake = of_key.get(&key(*number)).into_iter().flatten().find(|at| *at >= event);
        let wake = wake.ok_or_else(|| anyhow!("nobody was woken by what happened to probe {number}"))?;
        all.push(Duration::from_nanos(wake - event).as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

fn key(number: usize) -> ObjectKey {
    let kind = GroupVersionKind { group: "example.com".into(), version: "v1".into(), kind: "Example".into() };
    ObjectKey { kind: kind.into(), namespace: Some("default".into()), name: format!("example-{number}") }
}

/// A round as a component would have it: a request whose end is echoed.
fn probe(number: usize) -> Probe {
    let step = Step {
        send: format!("STATE\r\nECHO {number}\r\n").into_bytes(),
        until: Until::Delimiter(format!("\r\n+{number}\r\n").into_bytes()),
        expect: vec![b"role:".to_vec()],
    };
    let exchange = Exchange {
        pod: format!("pod-{number}"),
        pod_uid: format!("uid-{number}"),
        port: 6379,
        transport: Transport::Plain,
        steps: vec![step],
        effect: Effect::Probe,
        timeout_ms: 1_000,
        max_bytes: 64 * 1024,
    };
    let every_ms = u32::try_from(EVERY.as_millis()).unwrap_or(u32::MAX);
    Probe { id: "state".into(), exchange, opening: Vec::new(), every_ms }
}

/// What the peer did: to which probe, and when.
type Events = Vec<(usize, u64)>;

/// The process that answers.
struct Peer {
    address: SocketAddr,
    child: Child,
    events: Option<JoinHandle<Result<Events>>>,
}

impl Peer {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--peer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the peer")?;
        let mut lines = BufReader::new(child.stdout.take().context("the peer has no output")?).lines();
        let address = lines.next().context("the peer said nothing")??.parse()?;
        let events = thread::spawn(move || lines.map(|line| event(&line?)).collect());
        Ok(Self { address, child, events: Some(events) })
    }

    fn tell(&mut self, word: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the peer has no input")?;
        writeln!(input, "{word}").context("telling the peer")
    }

    /// Ends it, and says what it did.
    fn end(mut self) -> Result<Events> {
        // It ends with its input.
        self.child.stdin.take();
        let events = self.events.take().context("the peer has ended before")?;
        events.join().map_err(|_| anyhow!("the peer's output could not be read"))?
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(line: &str) -> Result<(usize, u64)> {
    let (number, at) = line.split_once(' ').with_context(|| format!("the peer said {line:?}"))?;
    Ok((number.parse()?, at.parse()?))
}
