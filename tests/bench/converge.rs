//! `cargo bench --workspace --bench converge -- --resources 300`: what many new
//! resources cost the host, with six objects and a status each.
//!
//! It creates them as fast as the API server takes them and waits until all are
//! Ready. CPU and memory are those of the host's process, components included.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod stage;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    runtime::watcher::{self, Event, watcher},
};
use operlet_lab::AuditEntry;
use serde_json::{Value, json};
use stage::{CALLS, HOST_USER, Host, Metrics, Stage, StageOptions, median, resources, rounded};
use tokio::sync::{mpsc, oneshot};

/// Creations side by side.
const SIDE_BY_SIDE: usize = 16;

/// What the host may still have to do when the last resource is Ready belongs to
/// its cost.
const QUIET: Duration = Duration::from_secs(2);

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Parser)]
#[command(about = "What many new resources cost the host")]
struct Arguments {
    /// How many resources
    #[arg(long, default_value_t = 300)]
    resources: usize,
    /// How often; of each figure the median is taken
    #[arg(long, default_value_t = 1)]
    runs: usize,
    #[command(flatten)]
    stage: StageOptions,
}

/// What one run measured.
struct Figures {
    cpu_ms_per_resource: f64,
    requests_per_resource: f64,
    calls_per_resource: f64,
    rss_peak_mib: f64,
    rss_before_mib: f64,
    first_ready_ms: f64,
    ready_p50_ms: f64,
    ready_p99_ms: f64,
    wall_s: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // `cargo test --benches` runs it too, to see that it starts.
    if !arguments.stage.bench {
        return Ok(());
    }
    let stage = Stage::up(&arguments.stage)?;
    let measured = measure(&stage, &arguments);
    stage.down()?;
    report(&arguments, &measured?);
    Ok(())
}

fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figures>> {
    stage.install_bundles()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured = Vec::new();
    for run in 0..arguments.runs {
        let namespace = format!("bench-converge-{run}");
        stage.namespace(&namespace)?;
        let host = Host::start(stage)?;
        stage.operlet_is_ready("bundles")?;
        let figures = runtime.block_on(run_once(stage, &host, &namespace, arguments.resources))?;
        println!(
            "run {run}: {:.2} ms CPU and {:.2} requests a resource, {:.0} MiB at most, all ready in {:.1} s",
            figures.cpu_ms_per_resource, figures.requests_per_resource, figures.rss_peak_mib, figures.wall_s
        );
        measured.push(figures);
        // Gone before the next run begins.
        stage.lab.kubectl(&["delete", "namespace", &namespace, "--timeout=300s"])?;
    }
    Ok(measured)
}

async fn run_once(stage: &Stage, host: &Host, namespace: &str, count: usize) -> Result<Figures> {
    let client = stage.client().await?;
    let bundles = resources(&client, namespace, "bench.operlet.dev", "Bundle", "bundles");
    let (seen, mut ready) = mpsc::unbounded_channel();
    let (begun_watching, watching) = oneshot::channel();
    let watch = tokio::spawn(watch(bundles.clone(), seen, begun_watching));
    watching.await.context("the watch ended")?;
    let audit = stage.lab.audit_mark()?;
    let (cpu_before, rss_before_mib, counted) = (host.cpu()?, host.memory_mib()?, host.metrics()?);
    let begun = Instant::now();

    let create = |index: usize| {
        let bundles = bundles.clone();
        async move {
            let name = format!("bundle-{index:04}");
            let bundle: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "bench.operlet.dev/v1", "kind": "Bundle", "metadata": { "name": name }, "spec": {},
            }))?;
            let asked = Instant::now();
            bundles.create(&PostParams::default(), &bundle).await?;
            anyhow::Ok((name, asked))
        }
    };
    let creating =
        stream::iter(0..count).map(create).buffer_unordered(SIDE_BY_SIDE).try_collect::<BTreeMap<_, _>>();
    let waiting = async {
        let mut times = BTreeMap::new();
        while times.len() < count {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let (name, when) = tokio::time::timeout(left, ready.recv())
                .await
                .with_context(|| format!("only {} of {count} became Ready", times.len()))?
                .context("the watch ended")?;
            times.entry(name).or_insert(when);
        }
        anyhow::Ok(times)
    };
    let (created, times) = tokio::try_join!(creating, waiting)?;
    let last = times.values().max().copied().context("there are none")?;
    watch.abort();
    tokio::time::sleep(QUIET).await;

    let cpu = host.cpu()?.saturating_sub(cpu_before);
    let entries = audit.entries()?;
    let of_host = |entry: &&AuditEntry| entry.user() == HOST_USER && entry.namespace() == namespace;
    let requests: Vec<&AuditEntry> =
        entries.iter().filter(of_host).filter(|entry| entry.is_write() || entry.verb == "get").collect();
    print_requests(&requests, count);
    let calls = Metrics::sum(&host.metrics()?.since(&counted), CALLS, "operlet=\"bundles\"");
    let mut latencies: Vec<f64> = times
        .iter()
        .filter_map(|(name, when)| {
            Some(when.saturating_duration_since(*created.get(name)?).as_secs_f64() * 1e3)
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    ensure!(latencies.len() == count, "{} of {count} have both times", latencies.len());
    let at = |share: f64| latencies.get(((count - 1) as f64 * share) as usize).copied().unwrap_or_default();
    let first = times.values().min().copied().unwrap_or(last).saturating_duration_since(begun);
    Ok(Figures {
        cpu_ms_per_resource: cpu.as_secs_f64() * 1e3 / count as f64,
        requests_per_resource: requests.len() as f64 / count as f64,
        calls_per_resource: calls / count as f64,
        rss_peak_mib: host.memory_peak_mib()?,
        rss_before_mib,
        first_ready_ms: first.as_secs_f64() * 1e3,
        ready_p50_ms: at(0.5),
        ready_p99_ms: at(0.99),
        wall_s: last.saturating_duration_since(begun).as_secs_f64(),
    })
}

/// Tells when each resource became Ready first.
async fn watch(
    bundles: Api<DynamicObject>,
    ready: mpsc::UnboundedSender<(String, Instant)>,
    begun: oneshot::Sender<()>,
) {
    let mut begun = Some(begun);
    let mut events = std::pin::pin!(watcher(bundles, watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitDone) => {
                if let Some(begun) = begun.take() {
                    let _ = begun.send(());
                }
            }
            Ok(Event::Apply(bundle) | Event::InitApply(bundle)) => {
                let is_ready = bundle.data.pointer("/status/phase").and_then(Value::as_str) == Some("Ready");
                if let (true, Some(name)) = (is_ready, bundle.metadata.name)
                    && ready.send((name, Instant::now())).is_err()
                {
                    return;
                }
            }
            Ok(Event::Init | Event::Delete(_)) => {}
            // It begins anew by itself.
            Err(error) => eprint_line(&format!("watch: {error}")),
        }
    }
}

fn eprint_line(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What was asked for, by verb and kind, and how often for each resource.
fn print_requests(requests: &[&AuditEntry], count: usize) {
    let mut table: BTreeMap<(String, u16), usize> = BTreeMap::new();
    for entry in requests {
        let slash = if entry.subresource().is_empty() { "" } else { "/" };
        let what = format!("{} {}{slash}{}", entry.verb, entry.resource(), entry.subresource());
        *table.entry((what, entry.code())).or_default() += 1;
    }
    println!("{:<44} {:>6} {:>8} {:>12}", "request", "code", "count", "a resource");
    for ((what, code), times) in table {
        println!("{what:<44} {code:>6} {times:>8} {:>12.3}", times as f64 / count as f64);
    }
}

fn report(arguments: &Arguments, measured: &[Figures]) {
    let middle = |figure: fn(&Figures) -> f64| rounded(median(measured.iter().map(figure).collect()));
    let figures = json!({
        "bench": "converge",
        "runs": arguments.runs,
        "resources": arguments.resources,
        "cpu_ms_per_resource": middle(|figures| figures.cpu_ms_per_resource),
        "requests_per_resource": middle(|figures| figures.requests_per_resource),
        "calls_per_resource": middle(|figures| figures.calls_per_resource),
        "rss_peak_mib": middle(|figures| figures.rss_peak_mib),
        "rss_before_mib": middle(|figures| figures.rss_before_mib),
        "first_ready_ms": middle(|figures| figures.first_ready_ms),
        "ready_p50_ms": middle(|figures| figures.ready_p50_ms),
        "ready_p99_ms": middle(|figures| figures.ready_p99_ms),
        "wall_s": middle(|figures| figures.wall_s),
    });
    println!("{figures}");
}
