//! One run: what is done, and what came of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use operlet_sim::ApiServer;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{cluster, determinism, host, outcome::Outcome, plug::Plug, prepared::Prepared, trace::Trace};

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(20);

/// How long everything may take to come to rest then. A host waits for the Lease of
/// the one before it, and half a minute and more before it tries for the fifth time.
const REST: Duration = Duration::from_secs(120);

/// How long it is then watched that nothing is written any more.
const QUIET: Duration = Duration::from_secs(20);

/// What fails in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Nothing,
    /// The host crashes after so many writes, and another one takes its place.
    CrashAfter(u64),
    /// Requests are slow, lost and refused, answers too, and watches break off.
    BadWeather,
}

/// Runs a seed.
pub(crate) fn run(prepared: &Prepared, seed: u64, fault: Fault, shown: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        determinism::begin();
        let trace = Trace::new(shown);
        let mut outcome = Outcome { seed, ..Outcome::default() };
        if let Err(error) = scenario(prepared, fault, &trace, &mut outcome).await {
            outcome.problems.push(format!("{error:#}"));
        }
        (outcome.hash, outcome.requests) = trace.end();
        outcome
    })
}

/// A host that runs.
struct Host {
    plug: Plug,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Host {
    fn start(server: &ApiServer, prepared: &Prepared, plug: Plug, instance: &'static str) -> Self {
        let stop = CancellationToken::new();
        let run = host::run(server.clone(), plug.clone(), prepared.engine.clone(), instance, stop.clone());
        Self { plug, stop, running: tokio::spawn(run) }
    }
}

/// What must be there at the end of every run, that of the reference included.
fn missing(end: &[(String, Value)]) -> Vec<String> {
    let condition = |object: &str, kind: &str, status: &str| {
        let found = end
            .iter()
            .find(|(name, _)| name == object)
            .and_then(|(_, object)| object.pointer("/status/conditions"));
        let conditions = found.and_then(Value::as_array).into_iter().flatten();
        let said = conditions.filter(|condition| condition.get("type").is_some_and(|is| is == kind));
        let good = said.into_iter().any(|condition| condition.get("status").is_some_and(|is| is == status));
        (!good).then(|| format!("{object} does not say {kind}={status} at the end"))
    };
    let pods = (0..3).map(|ordinal| condition(&format!("Pod/default/cache-{ordinal}"), "Ready", "True"));
    // Nobody answers in these pods yet, so that there is no primary.
    let said = [
        condition("Operlet//redis", "Ready", "True"),
        condition("Operlet//redis", "Authorized", "True"),
        condition("Redis/default/cache", "Reconciled", "True"),
        condition("Redis/default/cache", "PrimaryAvailable", "False"),
    ];
    said.into_iter().chain(pods).flatten().collect()
}

async fn scenario(prepared: &Prepared, fault: Fault, trace: &Trace, outcome: &mut Outcome) -> Result<()> {
    let server = cluster::new(prepared, outcome.seed, trace).await?;
    let client = server.administrator();
    let plug = match fault {
        Fault::Nothing => Plug::default(),
        Fault::CrashAfter(writes) => Plug::cut_after(writes),
        Fault::BadWeather => Plug::in_bad_weather(outcome.seed, TROUBLE),
    };
    let mut host = Host::start(&server, prepared, plug, "one");
    let redis = json!({
        "apiVersion": "redis.operlet.dev/v1", "kind": "Redis",
        "metadata": { "name": "cache", "namespace": "default" }, "spec": { "replicas": 2 },
    });
    cluster::apply(&client, &redis).await?;
    sleep(TROUBLE).await;
    if let Fault::CrashAfter(writes) = fault {
        if !host.plug.is_cut() {
            outcome.problems.push(format!("the host did not crash: it wrote less than {writes} times"));
        }
        outcome.writes += host.plug.writes();
        trace.note("another host");
        host = Host::start(&server, prepared, Plug::default(), "two");
    }
    sleep(REST).await;
    let before = host.plug.writes();
    sleep(QUIET).await;
    let after = host.plug.writes();
    if before != after {
        outcome.problems.push(format!("{} writes while nothing changed", after - before));
    }
    outcome.writes += after;
    outcome.end = cluster::end(&server);
    trace.add(serde_json::to_string(&outcome.end)?.as_bytes());
    outcome.problems.extend(missing(&outcome.end));
    let found = cluster::api(&client, &redis).get("cache").await.context("the resource is not there")?;
    trace.note(&found.data.get("status").map(Value::to_string).unwrap_or_default());
    host.stop.cancel();
    host.running.await.context("the host panicked")
}
