//! `cargo test --test scenarios -- --help`: the host as it is, on a Kubernetes in memory,
//! in a time of its own.
//!
//! A seed decides every order. Each runs in a process of its own, forked from one
//! that has compiled the component, so that seeds cannot disturb each other and one
//! that hangs is ended.

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
    env,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread::available_parallelism,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use operlet::engine::{Engine, EngineOptions};
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
    /// How far the next seed is from the one before
    #[arg(long, default_value_t = 1, hide = true)]
    step: u64,
    /// One seed, with all that happens
    #[arg(long, conflicts_with_all = ["seeds", "first", "minutes", "twice"])]
    seed: Option<u64>,
    /// Runs each seed twice, and compares what happened
    #[arg(long)]
    twice: bool,
    /// The ConfigMap of another component than that in deploy/redis
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// How many at a time; as many as there are cores without it
    #[arg(long)]
    jobs: Option<u64>,
    /// Runs what went wrong with other operators, or one such scenario with all that happens
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["seeds", "first", "minutes", "seed", "twice", "figures"])]
    regressions: Option<String>,
    /// Ends with a line of JSON: how many minutes were simulated in one minute
    #[arg(long, conflicts_with = "seed")]
    figures: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let component = arguments.component.as_deref();
    let bad = match (arguments.seed, arguments.jobs(), &arguments.regressions) {
        (_, _, Some(name)) => regressions(name, component)?,
        (Some(seed), ..) => show(seed, component)?,
        (None, 0 | 1, _) if !arguments.figures => series(&arguments)?,
        (None, jobs, _) => side_by_side(&arguments, jobs)?,
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
    let reference = fork::run(0, || run::run(prepared, 0, Fault::Nothing, false))?;
    ensure!(reference.is_good(), "it goes wrong although nothing fails: {reference}");
    Ok(reference)
}

/// The first seed of those in which a Redis is held to what it promises.
const LIVES: u64 = 100;

/// The seed of the regressions, which have nothing else from it than its orders.
const SEED: u64 = 1;

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
fn show(seed: u64, component: Option<&Path>) -> Result<bool> {
    let prepared = prepare(component)?;
    let reference = reference(&prepared)?;
    let mut outcome = fork::run(seed, || run::run(&prepared, seed, fault(seed, &reference), true))?;
    compare(&mut outcome, seed, &reference);
    println!("{outcome}");
    Ok(!outcome.is_good())
}

/// Runs the regressions, or the one of this name and shows it.
fn regressions(name: &str, component: Option<&Path>) -> Result<bool> {
    let wanted = |one: &Regression| name.is_empty() || one.name == name;
    let names = || ALL.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    ensure!(ALL.iter().any(wanted), "there is no regression {name}; there are {}", names());
    let prepared = prepare(component)?;
    let mut bad = false;
    for (place, regression) in ALL.iter().enumerate().filter(|(_, one)| wanted(one)) {
        let run = || run::run(&prepared, SEED, Fault::Regression(place), !name.is_empty());
        let outcome = fork::run(SEED, run)?;
        let Regression { name, what, .. } = regression;
        let found = if outcome.is_good() { "does not happen" } else { "HAPPENED" };
        println!("{name}: {what}: {found}");
        outcome.problems.iter().for_each(|problem| println!("  {problem}"));
        bad |= !outcome.is_good();
    }
    Ok(bad)
}

/// Runs one seed after the other, and says whether any went wrong.
fn series(arguments: &Arguments) -> Result<bool> {
    let prepared = prepare(arguments.component.as_deref())?;
    let reference = reference(&prepared)?;
    let once = |seed| fork::run(seed, || run::run(&prepared, seed, fault(seed, &reference), false));
    let (mut count, mut bad, mut simulated) = (0_u64, 0_u64, 0.0);
    let mut seed = arguments.first;
    let begun = Instant::now();
    while arguments.goes_on(count, begun) {
        let mut outcome = once(seed)?;
        compare(&mut outcome, seed, &reference);
        simulated += outcome.seconds;
        let differs = arguments.twice && once(seed)?.hash != outcome.hash;
        if differs {
            println!("seed {seed}: it did not happen in the same way twice");
        }
        if differs || !outcome.is_good() {
            bad += 1;
            println!("{outcome}`cargo xtask sim --seed {seed}` shows it");
        }
        count += 1;
        seed += arguments.step;
    }
    let Arguments { first, step, .. } = arguments;
    let every = if *step == 1 { String::new() } else { format!(", one in {step}") };
    println!("{count} seeds from {first}{every}: {bad} went wrong, {simulated:.0} {SECONDS}");
    Ok(bad > 0)
}

/// What the last line of a process ends with, after a number.
const SECONDS: &str = "seconds were simulated";

/// Runs parts of the seeds in processes like this one.
fn side_by_side(arguments: &Arguments, jobs: u64) -> Result<bool> {
    let begun = Instant::now();
    let program = env::current_exe().context("it is not known where this program is")?;
    let Arguments { seeds, first, twice, minutes, component, .. } = arguments;
    let start = |job: u64| -> Result<Child> {
        let mut command = Command::new(&program);
        command.args([format!("--first={}", first + job), format!("--step={jobs}"), "--jobs=1".to_owned()]);
        match minutes {
            Some(minutes) => command.arg(format!("--minutes={minutes}")),
            None => command.arg(format!("--seeds={}", (seeds - job).div_ceil(jobs))),
        };
        command.args(twice.then_some("--twice"));
        if let Some(component) = component {
            command.arg("--component").arg(component);
        }
        if arguments.figures {
            command.stdout(Stdio::piped());
        }
        command.spawn().context("a process cannot be started")
    };
    let started: Vec<Child> = (0..jobs).map(start).collect::<Result<_>>()?;
    let (mut bad, mut simulated) = (false, 0.0);
    for child in started {
        let output = child.wait_with_output().context("a process cannot be waited for")?;
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        bad |= !output.status.success();
        simulated += seconds(&text).unwrap_or_default();
    }
    if arguments.figures {
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        let schedules = (simulated / 60.0 / minutes).round();
        let figures = json!({
            "bench": "sim", "schedules_per_minute": schedules, "runs": seeds, "simulated_s": simulated.round(),
            "wrong": bad,
        });
        println!("{figures}");
    }
    Ok(bad)
}

fn seconds(text: &str) -> Option<f64> {
    text.lines().last()?.strip_suffix(SECONDS)?.split_whitespace().last()?.parse().ok()
}

impl Arguments {
    /// Whether another one follows after so many, begun then.
    fn goes_on(&self, count: u64, begun: Instant) -> bool {
        match self.minutes {
            Some(minutes) => begun.elapsed().as_secs_f64() < minutes * 60.0,
            None => count < self.seeds,
        }
    }

    fn jobs(&self) -> u64 {
        let cores = || available_parallelism().map_or(1, |cores| cores.get() as u64);
        self.jobs.unwrap_or_else(cores).min(self.seeds)
    }
}
