//! `cargo bench --workspace --bench idle -- --minutes 10`: what a fleet costs in
//! which nothing changes.
//!
//! Writes are counted by the API server's audit log, calls by the host. What is
//! due by a component's own wish, and leases, are counted apart.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![allow(dead_code, reason = "what is shared serves the other benchmark too")]

mod stage;

use std::{
    collections::BTreeMap,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use operlet_lab::AuditEntry;
use serde_json::json;
use stage::{CALLS, HOST_USER, Host, Metrics, Stage, StageOptions, rounded, until};

/// The namespace of the fleet.
const NAMESPACE: &str = "bench-idle";

/// Nothing must have happened for so long before anything is measured.
const STILL: Duration = Duration::from_secs(15);

/// After so long it is measured all the same: that is a result, too.
const STILL_MAX: Duration = Duration::from_secs(300);

#[derive(Debug, Parser)]
#[command(about = "What a fleet costs in which nothing changes")]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How many resources
    #[arg(long, default_value_t = 20)]
    resources: usize,
    /// Of which operlet
    #[arg(long, value_enum, default_value_t = Kind::Redis)]
    of: Kind,
    /// Replicas of each Redis
    #[arg(long, default_value_t = 0)]
    replicas: u32,
    #[command(flatten)]
    stage: StageOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The operlet of deploy/redis, with real servers
    Redis,
    /// That of the benchmark `converge`, without pods
    Bundles,
}

impl Kind {
    fn operlet(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Bundles => "bundles",
        }
    }

    /// The plural of its resources, their manifest, and the phase they end in.
    fn manifest(self, name: &str, replicas: u32) -> (&'static str, String, &'static str) {
        let (plural, kind, group, spec, phase) = match self {
            Self::Redis => {
                ("redises", "Redis", "redis.operlet.dev", json!({ "replicas": replicas }), "Running")
            }
            Self::Bundles => ("bundles", "Bundle", "bench.operlet.dev", json!({}), "Ready"),
        };
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        let manifest =
            json!({ "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "spec": spec });
        (plural, manifest.to_string(), phase)
    }
}

/// What happened in some time.
#[derive(Default)]
struct Happened {
    writes: usize,
    lease_writes: usize,
    gets: usize,
    calls: f64,
    grown: BTreeMap<String, f64>,
    requests: BTreeMap<String, usize>,
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

fn measure(stage: &Stage, arguments: &Arguments) -> Result<Happened> {
    match arguments.of {
        Kind::Redis => stage.apply_folder("deploy/redis", |_| true)?,
        Kind::Bundles => stage.install_bundles()?,
    }
    stage.namespace(NAMESPACE)?;
    let host = Host::start(stage)?;
    stage.operlet_is_ready(arguments.of.operlet())?;
    let manifests = (0..arguments.resources)
        .map(|index| arguments.of.manifest(&format!("idle-{index}"), arguments.replicas));
    let manifests: Vec<_> = manifests.collect();
    let Some((plural, _, phase)) = manifests.first() else { bail!("there are no resources") };
    let texts: Vec<&str> = manifests.iter().map(|(_, manifest, _)| manifest.as_str()).collect();
    stage.apply(&texts.join("\n---\n"))?;
    until(&format!("all {plural} to be {phase}"), || {
        let path = "jsonpath={range .items[*]}{.status.phase}{\"\\n\"}{end}";
        let phases = stage.lab.kubectl(&["get", plural, "-n", NAMESPACE, "-o", path])?;
        Ok(phases.lines().filter(|found| found == phase).count() == arguments.resources)
    })?;
    let begun = Instant::now();
    loop {
        let happened = watch(stage, &host, arguments, STILL)?;
        if happened.writes == 0 && happened.calls == 0.0 {
            break;
        }
        if begun.elapsed() > STILL_MAX {
            println!("it did not come to rest within {} s; measuring all the same", STILL_MAX.as_secs());
            break;
        }
    }
    println!(
        "all is still after {:.0} s; looking on for {} minutes",
        begun.elapsed().as_secs_f64(),
        arguments.minutes
    );
    watch(stage, &host, arguments, Duration::from_secs_f64(arguments.minutes * 60.0))
}

fn watch(stage: &Stage, host: &Host, arguments: &Arguments, time: Duration) -> Result<Happened> {
    let (audit, before) = (stage.lab.audit_mark()?, host.metrics()?);
    sleep(time);
    let grown = host.metrics()?.since(&before);
    let mut happened = Happened {
        calls: Metrics::sum(&grown, CALLS, &format!("operlet=\"{}\"", arguments.of.operlet())),
        grown,
        ..Happened::default()
    };
    for entry in audit.entries()?.iter().filter(|entry| entry.user() == HOST_USER) {
        let counter = match entry {
            lease if lease.resource() == "leases" => &mut happened.lease_writes,
            write if AuditEntry::is_write(write) => &mut happened.writes,
            get if get.verb == "get" => &mut happened.gets,
            _ => continue,
        };
        *counter += 1;
        *happened.requests.entry(format!("{} {}", entry.verb, entry.resource())).or_default() += 1;
    }
    Ok(happened)
}

fn report(arguments: &Arguments, happened: &Happened) {
    println!("requests of the host:");
    for (request, count) in &happened.requests {
        println!("{count:>10}  {request}");
    }
    println!("what it counted:");
    for (series, grown) in &happened.grown {
        println!("{grown:>10}  {series}");
    }
    // A call that a component asked for itself is no cost of the host's.
    let due = happened.grown.iter().filter(|(series, _)| {
        series.starts_with(CALLS) && ["\"due\"", "\"probe\""].iter().any(|cause| series.contains(cause))
    });
    let calls_due: f64 = due.map(|(_, grown)| grown).sum();
    let figures = json!({
        "bench": "idle",
        "runs": 1,
        "resources": arguments.resources,
        "minutes": rounded(arguments.minutes),
        "writes": happened.writes,
        "calls": rounded(happened.calls - calls_due),
        "calls_due": rounded(calls_due),
        "lease_requests": happened.lease_writes,
        "gets": happened.gets,
    });
    println!("{figures}");
}
