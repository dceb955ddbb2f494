//! `cargo test --test scenarios -- --help`: the host as it is, on a Kubernetes in memory,
//! in a time of its own.
//!
//! A seed decides every order. Each runs in a process of its own, forked from one
//! that has compiled the component and run the reference, so that seeds cannot disturb
//! each other and one that hangs is ended.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it is a test, and what a run shows is what it is for"
)]

mod chance;
mod client;
mod cluster;
mod determinism;
mod faults;
mod fork;
mod host;
mod invariants;
mod outcome;
mod plug;
mod prepared;
mod redis;
mod regressions;
mod run;
mod server;
mod survival;
mod trace;
mod way;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use operlet::engine::{Engine, EngineOptions};
use serde::{Deserialize, Serialize};
use serde_json::json;

use outcome::Outcome;
use prepared::Prepared;
use regressions::{ALL, Regression};
use run::Fault;

#[derive(Debug, Parser)]
#[command(about = "Runs the host on a simulated Kubernetes, a seed at a time")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 150)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// As many as can be begun in so many minutes, in place of a number
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<f64>,
    /// One seed, with all that happens
    #[arg(long, conflicts_with_all = ["seeds", "first", "minutes", "twice"])]
    seed: Option<u64>,
    /// Runs each seed twice, and compares what happened
    #[arg(long)]
    twice: bool,
    /// How many at a time; as many as there are cores without it
    #[arg(long)]
    jobs: Option<u64>,
    /// Runs what went wrong with other operators, or one such scenario with all that happens
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["seeds", "first", "minutes", "seed", "twice", "figures"])]
    regressions: Option<String>,
    /// The ConfigMap of another component than that in deploy/redis
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Ends with a line of JSON: how many minutes were simulated in one minute
    #[arg(long, conflicts_with = "seed")]
    figures: bool,
}

/// There are many small things in a run, which a usual allocator takes a fifth of its
/// time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let prepared = prepare(arguments.component.as_deref())?;
    let bad = match (arguments.seed, &arguments.regressions) {
        (_, Some(name)) => regressions(&prepared, name)?,
        (Some(seed), None) => show(&prepared, seed)?,
        (None, None) => all(&prepared, &arguments)?,
    };
    Ok(ExitCode::from(u8::from(bad)))
}

fn prepare(component: Option<&Path>) -> Result<Prepared> {
    determinism::reset(0);
    let engine = Engine::new(EngineOptions::default()).context("the engine cannot be set up")?;
    Prepared::new(engine, component)
}

/// What comes of it if nothing fails.
fn reference(prepared: &Prepared) -> Result<Outcome> {
    let reference = fork::run_here(0, || run::run(prepared, 0, Fault::Nothing, false));
    ensure!(reference.is_good(), "it goes wrong although nothing fails: {reference}");
    Ok(reference)
}

/// The first seed of those in which a Redis is held to what it promises.
const LIVES: u64 = 100;

/// What fails in the run of a seed: with each of the first ones the host crashes one
/// write later, and after its last write the weather is bad.
fn fault(seed: u64, reference: &Outcome) -> Fault {
    match seed {
        0 => Fault::Nothing,
        seed if seed < LIVES && seed <= reference.writes => Fault::CrashAfter(seed),
        1..LIVES => Fault::BadWeather,
        _ => Fault::Incidents,
    }
}

/// Where the same is done as in the reference, the same comes of it.
fn compare(outcome: &mut Outcome, seed: u64, reference: &Outcome) {
    if fault(seed, reference) != Fault::Incidents {
        outcome.compare(reference);
    }
}

/// Runs one seed, and says whether it went wrong.
fn show(prepared: &Prepared, seed: u64) -> Result<bool> {
    let reference = reference(prepared)?;
    let mut outcome = fork::run(seed, || run::run(prepared, seed, fault(seed, &reference), true))?;
    compare(&mut outcome, seed, &reference);
    println!("{outcome}");
    Ok(!outcome.is_good())
}

/// With how many seeds each regression runs, which have nothing but orders from them.
const SEEDS: u64 = 3;

/// Runs the regressions, or the one of this name and shows it.
fn regressions(prepared: &Prepared, name: &str) -> Result<bool> {
    let wanted = |one: &Regression| name.is_empty() || one.name == name;
    let names = || ALL.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    ensure!(ALL.iter().any(wanted), "there is no regression {name}; there are {}", names());
    let mut bad = false;
    for (place, regression) in ALL.iter().enumerate().filter(|(_, one)| wanted(one)) {
        let run = |seed| run::run(prepared, seed, Fault::Regression(place), !name.is_empty());
        let mut problems = Vec::new();
        for seed in 0..if name.is_empty() { SEEDS } else { 1 } {
            problems.extend(fork::run(seed, || run(seed))?.problems);
        }
        let Regression { name, what, .. } = regression;
        let found = if problems.is_empty() { "does not happen" } else { "HAPPENED" };
        println!("{name}: {what}: {found}");
        problems.iter().for_each(|problem| println!("  {problem}"));
        bad |= !problems.is_empty();
    }
    Ok(bad)
}

/// What came of a part of the seeds.
#[derive(Default, Deserialize, Serialize)]
struct Part {
    seeds: u64,
    wrong: u64,
    /// In how many a person gave up data.
    lossy: u64,
    seconds: f64,
}

/// How often it is said how far it is.
const TELL: Duration = Duration::from_secs(60);

/// Runs every so many of the seeds, one after the other.
fn part(arguments: &Arguments, prepared: &Prepared, reference: &Outcome, job: u64) -> Result<Part> {
    let once = |seed| fork::run(seed, || run::run(prepared, seed, fault(seed, reference), false));
    let (mut part, begun) = (Part::default(), Instant::now());
    let mut told = begun;
    for seed in (arguments.first + job..).step_by(arguments.jobs() as usize) {
        if !arguments.goes_on(seed, begun) {
            break;
        }
        if job == 0 && told.elapsed() > TELL {
            told = Instant::now();
            println!("{} seeds after {:.0} s", seed - arguments.first, begun.elapsed().as_secs_f64());
        }
        part.seeds += 1;
        let mut outcome = once(seed)?;
        compare(&mut outcome, seed, reference);
        part.seconds += outcome.seconds;
        part.lossy += u64::from(outcome.losses > 0);
        let differs = arguments.twice && once(seed)?.hash != outcome.hash;
        if differs {
            println!("seed {seed}: it did not happen in the same way twice");
        }
        if differs || !outcome.is_good() {
            part.wrong += 1;
            println!("{outcome}`cargo xtask sim --seed {seed}` shows it");
        }
    }
    Ok(part)
}

/// Runs all seeds, some at a time, and says whether any went wrong.
fn all(prepared: &Prepared, arguments: &Arguments) -> Result<bool> {
    let begun = Instant::now();
    let reference = reference(prepared)?;
    let start = |job| {
        fork::start(|| part(arguments, prepared, &reference, job).map_err(|error| format!("{error:#}")))
    };
    let started: Vec<_> = (0..arguments.jobs()).map(start).collect::<Result<_>>()?;
    let mut sum = Part::default();
    for child in started {
        let Part { seeds, wrong, lossy, seconds } = child.end()?.map_err(anyhow::Error::msg)?;
        sum.seeds += seeds;
        sum.wrong += wrong;
        sum.lossy += lossy;
        sum.seconds += seconds;
    }
    let Part { seeds, wrong, lossy, seconds } = sum;
    let first = arguments.first;
    println!(
        "{seeds} seeds from {first}: {wrong} went wrong, in {lossy} a person gave up data, {seconds:.0} seconds were \
         simulated"
    );
    if arguments.figures {
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        let schedules = (seconds / 60.0 / minutes).round();
        let figures = json!({
            "bench": "sim", "schedules_per_minute": schedules, "runs": seeds,
            "simulated_s": seconds.round(), "wrong": wrong > 0,
        });
        println!("{figures}");
    }
    Ok(wrong > 0)
}

impl Arguments {
    /// Whether this seed is still to be run.
    fn goes_on(&self, seed: u64, begun: Instant) -> bool {
        match self.minutes {
            Some(minutes) => begun.elapsed().as_secs_f64() < minutes * 60.0,
            None => seed < self.first + self.seeds,
        }
    }

    fn jobs(&self) -> u64 {
        let cores = || available_parallelism().map_or(1, |cores| cores.get() as u64);
        let most = if self.minutes.is_some() { u64::MAX } else { self.seeds.max(1) };
        self.jobs.unwrap_or_else(cores).clamp(1, most)
    }
}
