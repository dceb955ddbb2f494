//! One run: what is done, and what came of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use operlet_sim::ApiServer;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{cluster, determinism, host, outcome::Outcome, plug::Plug, prepared::Prepared, trace::Trace};

/// How long everything may take to come to rest, hosts that are lost included: the
/// next one waits until the Lease of the one before is over.
const REST: Duration = Duration::from_secs(40);

/// How long it is then watched that nothing is written any more.
const QUIET: Duration = Duration::from_secs(20);

/// What fails in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Nothing,
    /// The host crashes after so many writes, and another one takes its place.
    CrashAfter(u64),
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

async fn scenario(prepared: &Prepared, fault: Fault, trace: &Trace, outcome: &mut Outcome) -> Result<()> {
    let server = cluster::new(prepared, outcome.seed, trace).await?;
    let client = server.administrator();
    let plug = match fault {
        Fault::Nothing => Plug::default(),
        Fault::CrashAfter(writes) => Plug::cut_after(writes),
    };
    let mut host = Host::start(&server, prepared, plug, "one");
    let redis = json!({
        "apiVersion": "redis.operlet.dev/v1", "kind": "Redis",
        "metadata": { "name": "cache", "namespace": "default" }, "spec": { "replicas": 2 },
    });
    cluster::apply(&client, &redis).await?;
    sleep(REST / 2).await;
    if let Fault::CrashAfter(writes) = fault {
        if !host.plug.is_cut() {
            outcome.problems.push(format!("the host did not crash: it wrote less than {writes} times"));
        }
        outcome.writes += host.plug.writes();
        trace.note("another host");
        host = Host::start(&server, prepared, Plug::default(), "two");
    }
    sleep(REST / 2).await;
    let before = host.plug.writes();
    sleep(QUIET).await;
    let after = host.plug.writes();
    if before != after {
        outcome.problems.push(format!("{} writes while nothing changed", after - before));
    }
    outcome.writes += after;
    outcome.end = cluster::end(&server);
    let found = cluster::api(&client, &redis).get("cache").await.context("the resource is not there")?;
    trace.note(&found.data.get("status").map(Value::to_string).unwrap_or_default());
    host.stop.cancel();
    host.running.await.context("the host panicked")
}
