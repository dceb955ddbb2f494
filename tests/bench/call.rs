//! What a call costs: a fresh instance of the real Redis component, shown a Redis
//! of three pods with all that belongs to it and what its servers answer, and the
//! planning of what it decides.
//! `cargo xtask bench call`

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and one that cannot go on should stop"
)]

#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/report.rs"]
mod report;
#[path = "support/samples.rs"]
mod samples;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use fixture::Fixture;
use operlet::{
    engine::{CallContext, Component, Engine, EngineOptions},
    model::{
        Decision, Ensure, Intent, Limits, Manifest, ObjectKey, ObjectsOfKind, Observation, Outcome, Owner,
    },
    plan::{self, Applied, Existing, Write},
};
use report::Report;
use samples::percentile_us;
use tokio::{runtime::Runtime, task::JoinHandle};

/// When the fixture was taken, with a minute's grace.
const NOW_MS: u64 = 1_795_379_000_000;

/// Calls for the comparison with and without a neighbour.
const CALLS: usize = 20_000;

/// Objects of a plan.
const PLANNED: usize = 10;

fn main() {
    let measure = std::env::args().any(|argument| argument == "--bench");
    let runtime = Runtime::new().unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let redis = component(&engine, "operlet_redis");
    let fixture = Fixture::read();
    let subject = Arc::new(Subject { component: redis, observation: observation(&fixture) });
    let manifest = runtime.block_on(subject.component.describe()).unwrap();
    let outcome = runtime.block_on(subject.settled());
    println!(
        "{} objects, {} bytes of JSON, answered with {} intents",
        fixture.objects().count(),
        fixture.json_bytes(),
        outcome.intents.len()
    );
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("call");

    let mut calls = Vec::new();
    criterion.bench_function("call", |bencher| {
        bencher.iter_custom(|count| {
            let subject = Arc::clone(&subject);
            let samples = runtime.block_on(runtime.spawn(async move { subject.calls(count as usize).await }));
            let samples = samples.unwrap();
            let total = samples.iter().sum();
            calls.extend(samples);
            total
        });
    });
    if !measure {
        // A test run, which only shows that it works.
        return;
    }
    report.bounded("p50_us", "a call, median", percentile_us(&mut calls, 0.5), 150.0);
    report.bounded("p99_us", "a call, 99 of 100", percentile_us(&mut calls, 0.99), 500.0);
    report.figure("calls", "calls", calls.len() as f64);
    plan(&mut criterion, &mut report, &fixture, &manifest, &outcome);
    neighbour(&mut report, &runtime, &subject, &component(&engine, "misbehaving"));
    report.figure("runs", "runs", 1.0);
    report.print();
}

fn component(engine: &Engine, name: &str) -> Component {
    let folder = std::env::var_os("OPERLET_COMPONENTS")
        .map_or_else(|| panic!("OPERLET_COMPONENTS is not set; run `cargo xtask bench call`"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    engine.load(&bytes).unwrap()
}

fn observation(fixture: &Fixture) -> Observation {
    let kinds = fixture.observed.iter().map(|(kind, objects)| ObjectsOfKind {
        kind: (**kind).clone(),
        objects: objects.iter().map(|stored| Arc::clone(&stored.json)).collect(),
    });
    Observation {
        resource: Arc::clone(&fixture.resource.json),
        deleting: false,
        observed: kinds.collect(),
        departed: Vec::new(),
        answers: fixture.answers(),
        round: fixture.round,
        now_ms: NOW_MS,
        entropy: [7; 32],
        carry: fixture.carry(),
        probes: fixture.probes(),
        settings: "{}".into(),
    }
}

/// A component and what it is shown.
struct Subject {
    component: Component,
    observation: Observation,
}

impl Subject {
    async fn settled(&self) -> Outcome {
        match self.component.reconcile(&self.observation, &Limits::default(), &context()).await {
            Ok(Ok(Decision::Settle(outcome))) => outcome,
            other => panic!("the component does not settle: {other:?}"),
        }
    }

    async fn calls(&self, count: usize) -> Vec<Duration> {
        let (limits, context) = (Limits::default(), context());
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            let answer = self.component.reconcile(&self.observation, &limits, &context).await;
            samples.push(begin.elapsed());
            assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
        }
        samples
    }
}

fn context() -> CallContext {
    CallContext { operlet: "bench".into(), resource: "shop/durable".into() }
}

/// Plans the outcome, filled up to ten objects, while all of them are as they were
/// written, and while all of them have changed.
fn plan(
    criterion: &mut Criterion,
    report: &mut Report,
    fixture: &Fixture,
    manifest: &Manifest,
    outcome: &Outcome,
) {
    let owner =
        Owner { key: ObjectKey::clone(&fixture.resource.key), uid: fixture.resource.uid().to_owned() };
    let existing: BTreeMap<_, _> = (fixture.observed.iter().flat_map(|(_, objects)| objects))
        .map(|stored| (ObjectKey::clone(&stored.key), stored.existing()))
        .collect();
    let outcome = filled(outcome);
    let nothing = BTreeMap::new();
    let first = plan::plan(&outcome, &planning(&owner, manifest, &existing, &nothing)).unwrap();
    assert!(first.blocked.is_empty(), "{:?}", first.blocked);
    let applied: BTreeMap<_, _> = (first.writes.iter())
        .filter_map(|write| match write {
            Write::Apply { key, intent, .. } => {
                let result = existing.get(key)?.fingerprint;
                Some((key.clone(), Applied { intent: *intent, result }))
            }
            _ => None,
        })
        .collect();
    println!("a plan of {} writes, or of {} objects that stay", first.writes.len(), applied.len());
    let mut measure = |name: &str, applied: &BTreeMap<ObjectKey, Applied>| {
        let mut samples = Vec::new();
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let begin = Instant::now();
                for _ in 0..count {
                    let begin = Instant::now();
                    std::hint::black_box(
                        plan::plan(&outcome, &planning(&owner, manifest, &existing, applied)).unwrap(),
                    );
                    samples.push(begin.elapsed());
                }
                begin.elapsed()
            });
        });
        percentile_us(&mut samples, 0.5)
    };
    let unchanged = measure("plan/unchanged", &applied);
    let changed = measure("plan/changed", &nothing);
    report.bounded("plan_p50_us", "the plan, median of the dearer one", unchanged.max(changed), 100.0);
    report.figure("plan_unchanged_p50_us", "the plan while nothing changed, median", unchanged);
    report.figure("plan_changed_p50_us", "the plan while everything changed, median", changed);
}

/// Ten objects: what the component wants, and its last object under other names.
fn filled(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    let mut ensures = outcome.intents.iter().filter_map(|intent| match intent {
        Intent::Ensure(Ensure { object, .. }) if object.contains("\"ConfigMap\"") => Some(object.clone()),
        _ => None,
    });
    let config: Option<String> = ensures.next_back();
    for number in outcome.intents.len()..PLANNED {
        let object = config.as_deref().expect("the component ensures a ConfigMap");
        let object = object.replace("durable-config", &format!("durable-more-{number}"));
        outcome.intents.push(Intent::Ensure(Ensure { object, if_unchanged: None }));
    }
    outcome
}

/// The slowest calls while nothing else runs, and while another component spins in
/// the same engine, for ever interrupted and called again.
fn neighbour(report: &mut Report, runtime: &Runtime, subject: &Arc<Subject>, other: &Component) {
    let measure = || {
        let subject = Arc::clone(subject);
        let mut samples = runtime.block_on(runtime.spawn(async move { subject.calls(CALLS).await })).unwrap();
        (percentile_us(&mut samples, 0.5), percentile_us(&mut samples, 0.99))
    };
    let (quiet_median, quiet) = measure();
    let spinning = spin(runtime, subject, other);
    let (beside_median, beside) = measure();
    spinning.abort();
    report.figure("quiet_p50_us", "a call while nothing else runs, median", quiet_median);
    report.figure("quiet_p99_us", "the same, 99 of 100", quiet);
    report.figure("beside_spinner_p50_us", "a call while a neighbour spins, median", beside_median);
    report.figure("beside_spinner_p99_us", "the same, 99 of 100", beside);
    report.bounded("neighbour_ratio", "99 of 100 with the neighbour to without", beside / quiet, 2.0);
}

fn spin(runtime: &Runtime, subject: &Subject, other: &Component) -> JoinHandle<()> {
    let mut observation = subject.observation.clone();
    observation.settings = r#"{"behaviour":"spin"}"#.into();
    let other = other.clone();
    runtime.spawn(async move {
        loop {
            let ended = other.reconcile(&observation, &Limits::default(), &context()).await;
            assert!(ended.is_err(), "it should spin: {ended:?}");
        }
    })
}

fn planning<'a>(
    owner: &'a Owner,
    manifest: &'a Manifest,
    existing: &'a BTreeMap<ObjectKey, Existing>,
    applied: &'a BTreeMap<ObjectKey, Applied>,
) -> plan::Context<'a> {
    plan::Context {
        operlet: "redis",
        owner,
        children: &manifest.children,
        retired: &[],
        existing,
        applied,
        budget: None,
    }
}
