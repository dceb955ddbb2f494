//! Exhaustive exploration of the shipped failover protocol.
//!
//! `cargo test -p operlet-redis --release --test explore` explores what fits in three
//! minutes; `-- --full` all of it; `-- NAME` one scenario; `-- --rules` takes out each
//! rule once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails loudly, and prints what it found"
)]

mod actions;
mod cluster;
mod fingerprint;
mod invariants;
mod operator;
mod redis;
mod rest;
mod rules;
mod scenario;
mod search;
mod table;
mod words;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use search::Bounds;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let full = has("--full") || std::env::var_os("OPERLET_EXPLORE_FULL").is_some();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if has("--list") {
        // What test runners ask.
        return ExitCode::SUCCESS;
    }
    if has("--survey") {
        let states = std::env::var("STATES").ok().and_then(|states| states.parse().ok());
        rules::survey(&names, states.unwrap_or(100_000));
        return ExitCode::SUCCESS;
    }
    let mut violations = 0;
    let mut states = 0;
    if !has("--rules") {
        for scenario in table::SCENARIOS {
            if !names.is_empty() && !names.iter().any(|name| scenario.name.contains(name.as_str())) {
                continue;
            }
            let begun = Instant::now();
            let start = table::start(scenario);
            let bounds = Bounds {
                states: if full { scenario.full_states } else { scenario.default_states },
                heal_every: if full { 101 } else { 37 },
            };
            let outcome = search::explore(scenario, start.clone(), bounds);
            states += outcome.states;
            println!(
                "{:<16} {:>9} states{} depth {:>3}, {:>6} healed, {:>5.1} s",
                scenario.name,
                outcome.states,
                if outcome.complete { ", all," } else { " (cut),    " },
                outcome.depth,
                outcome.healed,
                begun.elapsed().as_secs_f32()
            );
            if let Some(violation) = &outcome.violation {
                violations += 1;
                println!("{}", search::tell(scenario, &start, violation));
            }
        }
    }
    if has("--rules") || (names.is_empty() && !has("--no-rules")) {
        violations += rules::check(&names);
    }
    println!("{{\"bench\":\"explore\",\"states\":{states},\"violations\":{violations}}}");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
