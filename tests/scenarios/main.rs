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
mod run;
mod server;
mod survival;
mod trace;
mod way;

use std::{
    env,
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
    /// One seed, with all that happens
    #[arg(long, conflicts_with_all = ["seeds", "first", "twice"])]
    seed: Option<u64>,
    /// Runs each seed twice, and compares what happened
    #[arg(long)]
    twice: bool,
    /// How many at a time; as many as there are cores without it
    #[arg(long)]
    jobs: Option<u64>,
    /// Ends with a line of JSON: how many minutes were simulated in one minute
    #[arg(long, conflicts_with = "seed")]
    figures: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let bad = match (arguments.seed, arguments.jobs()) {
        (Some(seed), _) => show(seed)?,
        (None, 0 | 1) if !arguments.figures => series(&arguments)?,
        (None, jobs) => side_by_side(&arguments, jobs)?,
    };
    Ok(ExitCode::from(u8::from(bad)))
}

fn prepare() -> Result<Prepared> {
    determinism::reset(0);
    Prepared::new(Engine::new(EngineOptions::default()).context("the engine cannot be set up")?)
}

/// What comes of it if nothing fails.
fn reference(prepared: &Prepared) -> Result<Outcome> {
    let reference = fork::run(0, || run::run(prepared, 0, Fault::Nothing, false))?;
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
fn show(seed: u64) -> Result<bool> {
    let prepared = prepare()?;
    let reference = reference(&prepared)?;
    let mut outcome = fork::run(seed, || run::run(&prepared, seed, fault(seed, &reference), true))?;
    compare(&mut outcome, seed, &reference);
    println!("{outcome}");
    Ok(!outcome.is_good())
}

/// Runs one seed after the other, and says whether any went wrong.
fn series(arguments: &Arguments) -> Result<bool> {
    let prepared = prepare()?;
    let reference = reference(&prepared)?;
    let once = |seed| fork::run(seed, || run::run(&prepared, seed, fault(seed, &reference), false));
    let (mut bad, mut simulated) = (0_u64, 0.0);
    for seed in arguments.first..arguments.first + arguments.seeds {
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
    }
    let Arguments { seeds, first, .. } = arguments;
    println!("{seeds} seeds from {first}: {bad} went wrong, {simulated:.0} {SECONDS}");
    Ok(bad > 0)
}

/// What the last line of a process ends with, after a number.
const SECONDS: &str = "seconds were simulated";

/// Runs parts of the seeds in processes like this one.
fn side_by_side(arguments: &Arguments, jobs: u64) -> Result<bool> {
    let begun = Instant::now();
    let program = env::current_exe().context("it is not known where this program is")?;
    let Arguments { seeds, first, twice, .. } = arguments;
    let start = |job: u64| -> Result<Child> {
        let (begin, end) = (seeds * job / jobs, seeds * (job + 1) / jobs);
        let mut command = Command::new(&program);
        command.args([format!("--first={}", first + begin), format!("--seeds={}", end - begin)]);
        command.args(["--jobs=1"]).args(twice.then_some("--twice"));
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
    fn jobs(&self) -> u64 {
        let cores = || available_parallelism().map_or(1, |cores| cores.get() as u64);
        self.jobs.unwrap_or_else(cores).min(self.seeds)
    }
}
