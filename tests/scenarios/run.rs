//! One run: what is done, and what came of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::{Client, api::DeleteParams};
use operlet_sim::ApiServer;
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};

use crate::{
    cluster, determinism, host::Host, outcome::Outcome, plug::Plug, prepared::Prepared, regressions,
    survival, trace::Trace,
};

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
    /// Pods, nodes and the network fail, the host crashes, and people change things.
    Incidents,
    /// What went wrong elsewhere, by its place in [`regressions::ALL`].
    Regression(usize),
}

/// Runs a seed. What it leaves behind, and need not be taken apart in a process that
/// ends, is the second.
pub(crate) fn run(prepared: &Prepared, seed: u64, fault: Fault, shown: bool) -> (Outcome, Runtime) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let outcome = runtime.block_on(async {
        determinism::begin();
        let (trace, begun) = (Trace::new(shown), Instant::now());
        let mut outcome = Outcome { seed, ..Outcome::default() };
        if let Err(error) = scenario(prepared, fault, &trace, &mut outcome).await {
            outcome.problems.push(format!("{error:#}"));
        }
        (outcome.hash, outcome.requests) = trace.end();
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome
    });
    (outcome, runtime)
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
    let said = [
        condition("Operlet//redis", "Ready", "True"),
        condition("Operlet//redis", "Authorized", "True"),
        condition("Redis/default/cache", "Reconciled", "True"),
        condition("Redis/default/cache", "PrimaryAvailable", "True"),
        condition("Redis/default/cache", "Ready", "True"),
    ];
    let left = end.iter().filter(|(name, _)| name.contains("/gone"));
    let left = left.map(|(name, _)| Some(format!("{name} is left of what was deleted")));
    said.into_iter().chain(pods).chain(left).flatten().collect()
}

fn redis(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "redis.operlet.dev/v1", "kind": "Redis",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "replicas": 2, "services": { "primary": { "annotations": annotations } } },
    })
}

/// What people do meanwhile: they make two resources, delete one again, and change the
/// other and back.
async fn people(server: &ApiServer, client: &Client, fault: Fault) -> Result<()> {
    let (cache, changed) = (redis("cache", &json!({})), redis("cache", &json!({ "example.com/a": "b" })));
    let gone = redis("gone", &json!({}));
    cluster::apply(client, &cache).await?;
    sleep(TROUBLE / 4).await;
    cluster::apply(client, &gone).await?;
    sleep(TROUBLE / 4).await;
    cluster::apply(client, &changed).await?;
    if fault == Fault::BadWeather {
        // It is restarted and remembers nothing of before: watches must begin anew.
        server.compact();
        server.drop_watches();
    }
    sleep(TROUBLE / 4).await;
    cluster::api(client, &gone).delete("gone", &DeleteParams::default()).await?;
    sleep(TROUBLE / 4).await;
    cluster::apply(client, &cache).await
}

async fn scenario(prepared: &Prepared, fault: Fault, trace: &Trace, outcome: &mut Outcome) -> Result<()> {
    let cluster = cluster::new(prepared, outcome.seed, trace).await?;
    let server = &cluster.server;
    let client = server.administrator();
    let plug = match fault {
        Fault::Nothing => Plug::default(),
        Fault::CrashAfter(writes) => Plug::cut_after(writes),
        Fault::BadWeather => Plug::in_bad_weather(outcome.seed, TROUBLE),
        Fault::Incidents => return survival::scenario(&cluster, prepared, trace, outcome).await,
        Fault::Regression(place) => {
            let regression = regressions::ALL.get(place).context("there is no such regression")?;
            return regressions::scenario(regression, &cluster, prepared, trace, outcome).await;
        }
    };
    let mut host = Host::start(&cluster, prepared, plug, "one".to_owned());
    people(server, &client, fault).await?;
    if let Fault::CrashAfter(_) = fault {
        // One that has not written so often by then crashes all the same.
        outcome.writes += host.crash().writes();
        trace.note("another host");
        host = Host::start(&cluster, prepared, Plug::default(), "two".to_owned());
    }
    sleep(REST).await;
    let before = host.plug.writes();
    sleep(QUIET).await;
    let after = host.plug.writes();
    if before != after {
        outcome.problems.push(format!("{} writes while nothing changed", after - before));
    }
    outcome.writes += after;
    outcome.end = cluster::end(server);
    trace.add(serde_json::to_string(&outcome.end)?.as_bytes());
    outcome.problems.extend(missing(&outcome.end));
    let cache = redis("cache", &json!({}));
    let found = cluster::api(&client, &cache).get("cache").await.context("the resource is not there")?;
    trace.note(&found.data.get("status").map(Value::to_string).unwrap_or_default());
    host.stop().await
}
