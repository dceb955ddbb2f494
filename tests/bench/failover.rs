//! `cargo bench --workspace --bench failover -- --runs 15`: how long nobody can
//! write, and what is lost, when something happens to a primary.
//!
//! A client writes a new key every 20 ms, at Operlet through the read-write Service.
//! A second one has each of its writes confirmed by WAIT. Beside it, in the same run
//! and with the same clients and faults, three servers with three sentinels.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![allow(dead_code, reason = "what is shared serves other benchmarks and tests, too")]

#[path = "failover/case.rs"]
mod case;
#[path = "../outage/mod.rs"]
mod outage;
mod stage;
#[path = "failover/system.rs"]
mod system;

use anyhow::Result;
use case::{Case, Fault, Run};
use clap::{Parser, ValueEnum};
use outage::seed::Chance;
use serde_json::{Map, Value, json};
use stage::{Host, Stage, StageOptions};
use system::System;

/// One for each server.
const NODES: u8 = 3;

#[derive(Debug, Parser)]
#[command(about = "How long nobody can write, and what is lost, when something happens to a primary")]
struct Arguments {
    /// How often each case
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Only cases whose key begins so; may be given more than once
    #[arg(long)]
    case: Vec<String>,
    /// Only this one; both without it
    #[arg(long, value_enum)]
    of: Option<Kind>,
    /// What decides when exactly faults come
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    stage: StageOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A Redis of Operlet
    Operlet,
    /// Servers with sentinels
    Sentinel,
}

/// What is done to both, and then what only Operlet knows.
const CASES: [Case; 9] = [
    Case { key: "killed", fault: Fault::Killed, persistent: true, available: false },
    Case { key: "killed_without_persistence", fault: Fault::Killed, persistent: false, available: false },
    Case { key: "frozen", fault: Fault::Frozen, persistent: true, available: false },
    Case { key: "deleted", fault: Fault::Deleted, persistent: true, available: false },
    Case { key: "node", fault: Fault::Node, persistent: true, available: false },
    Case { key: "frozen_available", fault: Fault::Frozen, persistent: true, available: true },
    Case { key: "node_available", fault: Fault::Node, persistent: true, available: true },
    Case { key: "switchover", fault: Fault::Switchover, persistent: true, available: false },
    Case { key: "update", fault: Fault::Update, persistent: true, available: false },
];

/// How long half of the runs, and all but a hundredth, may be without a write: in
/// milliseconds, by the key of the case.
const BOUNDS: [(&str, &str, u64); 9] = [
    ("killed", "p50_ms", 2_000),
    ("killed", "p99_ms", 5_000),
    ("frozen", "p50_ms", 9_000),
    ("frozen_available", "p50_ms", 5_000),
    ("deleted", "p50_ms", 1_000),
    ("node", "p50_ms", 13_000),
    ("node_available", "p50_ms", 5_000),
    ("switchover", "p99_ms", 1_000),
    ("update", "p50_ms", 2_000),
];

/// What must be lost by none of Operlet's cases.
const LOST_BOUND: [(&str, &str); 3] =
    [("killed", "lost"), ("killed_without_persistence", "lost"), ("switchover", "lost")];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // `cargo test --benches` runs it too, to see that it starts.
    if !arguments.stage.bench {
        return Ok(());
    }
    let stage = Stage::with_nodes(&arguments.stage, NODES)?;
    let measured = measure(&stage, &arguments);
    stage.down()?;
    report(&arguments, measured?);
    Ok(())
}

/// The figures of Operlet and of what ran beside it, by case.
fn measure(stage: &Stage, arguments: &Arguments) -> Result<[Map<String, Value>; 2]> {
    let mut figures = [Kind::Operlet, Kind::Sentinel].map(|_| Map::new());
    stage.apply_folder("deploy/redis", |_| true)?;
    let _host = Host::start(stage)?;
    stage.operlet_is_ready("redis")?;
    let wanted = |case: &&Case| {
        arguments.case.is_empty() || arguments.case.iter().any(|start| case.key.starts_with(start.as_str()))
    };
    for case in CASES.iter().filter(wanted) {
        for (kind, figures) in [Kind::Operlet, Kind::Sentinel].into_iter().zip(&mut figures) {
            let comparable = !case.available && !matches!(case.fault, Fault::Switchover | Fault::Update);
            let skipped = arguments.of.is_some_and(|only| only != kind);
            if skipped || (kind == Kind::Sentinel && !comparable) {
                continue;
            }
            let runs = run(stage, arguments, case, kind);
            figures.insert(case.key.to_owned(), Run::figures(&runs, arguments.runs));
        }
    }
    Ok(figures)
}

/// Does a case to one of both. A run that does not come to an end is told and left
/// out: what was measured in hours is not thrown away for it.
fn run(stage: &Stage, arguments: &Arguments, case: &Case, kind: Kind) -> Vec<Run> {
    let (mut chance, mut runs) = (Chance::new(arguments.seed), Vec::new());
    let mut system: Option<System> = None;
    for number in 0..arguments.runs {
        let present = match system.take() {
            Some(system) => Ok(system),
            None => case.system(stage, kind == Kind::Sentinel),
        };
        let outcome = present.and_then(|present| {
            let outcome = case.run(&present, number, &mut chance);
            if outcome.is_err() || case.needs_new_servers() || number + 1 == arguments.runs {
                present.remove()?;
            } else {
                system = Some(present);
            }
            outcome
        });
        match &outcome {
            Ok(run) => println!("{kind:?}, {}, run {number}: {}", case.key, run.told()),
            Err(error) => println!("{kind:?}, {}, run {number} failed: {error:#}", case.key),
        }
        runs.extend(outcome);
    }
    runs
}

fn report(arguments: &Arguments, [operlet, sentinel]: [Map<String, Value>; 2]) {
    println!(
        "\n{:<10} {:<28} {:>8} {:>8} {:>8} {:>10} {:>13}  missed",
        "of", "case", "p50_ms", "p99_ms", "lost", "confirmed", "two_primaries"
    );
    for (of, cases) in [("Operlet", &operlet), ("Sentinel", &sentinel)] {
        for (key, figures) in cases {
            let shown = ["p50_ms", "p99_ms", "lost", "lost_confirmed", "two_primaries"]
                .map(|figure| figures.get(figure).unwrap_or(&Value::Null).to_string());
            let [p50, p99, lost, confirmed, two] = shown;
            let missed = if of == "Operlet" { missed(key, figures) } else { String::new() };
            println!("{of:<10} {key:<28} {p50:>8} {p99:>8} {lost:>8} {confirmed:>10} {two:>13}  {missed}");
        }
    }
    let mut figures = Map::new();
    figures.insert("bench".to_owned(), json!("failover"));
    figures.insert("runs".to_owned(), json!(arguments.runs));
    for figure in ["p50_ms", "p99_ms"] {
        if let Some(value) = operlet.get("killed").and_then(|killed| killed.get(figure)) {
            figures.insert(figure.to_owned(), value.clone());
        }
    }
    figures.extend(operlet);
    figures.insert("beside".to_owned(), json!({ "sentinel": sentinel }));
    println!("{}", Value::Object(figures));
}

/// What is worse than it should be.
fn missed(key: &str, figures: &Value) -> String {
    let value = |figure: &str| figures.get(figure).and_then(Value::as_u64).unwrap_or_default();
    let bounds = BOUNDS.iter().filter(|(case, figure, bound)| *case == key && value(figure) > *bound);
    let mut missed: Vec<String> = bounds.map(|(_, figure, bound)| format!("{figure} {bound}")).collect();
    let lost = LOST_BOUND.iter().filter(|(case, figure)| *case == key && value(figure) > 0);
    missed.extend(lost.map(|(_, figure)| format!("{figure} 0")));
    let never = ["two_primaries", "lost_confirmed", "failed"].into_iter().filter(|figure| value(figure) > 0);
    missed.extend(never.map(|figure| format!("{figure} 0")));
    missed.join(", ")
}
