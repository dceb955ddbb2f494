//! Exhaustive exploration of the shipped failover protocol.
//!
//! `cargo test -p operlet-redis --release --test explore` explores what fits in three
//! minutes; `-- --full` all of it; `-- NAME` one scenario; `-- --rules` takes out each
//! rule once, `-- --rules --hunt Rule` looks for a trace of it in all scenarios.

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

/// At most so many states a scenario, so that all of them take three minutes.
const DEFAULT_STATES: usize = 130_000;

/// At most so many in the full set, which takes a quarter of an hour.
const FULL_STATES: usize = 1_000_000;

/// Those that can be explored to the last state are, in the full set.
const WHOLE_STATES: usize = 8_000_000;

/// So many a scenario for a rule without a trace.
const RULE_STATES: usize = 4_000;

/// So many in the full set.
const FULL_RULE_STATES: usize = 40_000;

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        // Without optimisation it takes an hour.
        println!("the exploration is made with --release only");
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let full = has("--full") || std::env::var_os("OPERLET_EXPLORE_FULL").is_some();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if has("--list") {
        // What test runners ask.
        return ExitCode::SUCCESS;
    }
    let mut violations = 0;
    let mut states = 0;
    if !has("--rules") {
        for scenario in &table::scenarios() {
            if !names.is_empty() && !names.iter().any(|name| scenario.name.contains(name.as_str())) {
                continue;
            }
            let begun = Instant::now();
            let start = table::start(scenario);
            let bounds = Bounds {
                states: match full {
                    true if scenario.name.starts_with("whole") => WHOLE_STATES,
                    true => FULL_STATES,
                    false => DEFAULT_STATES,
                },
                heal_every: if full { 41 } else { 37 },
            };
            let outcome = search::explore(scenario, start.clone(), bounds);
            states += outcome.states;
            println!(
                "{:<24} {:>9} states{} depth {:>3}, {:>6} healed, {:>5.1} s",
                format!("{}{}", scenario.name, if scenario.eager { ", eager" } else { "" }),
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
        violations += {
            let states = match (has("--hunt"), full) {
                (true, _) => DEFAULT_STATES,
                (_, true) => FULL_RULE_STATES,
                (_, false) => RULE_STATES,
            };
            rules::check(&names, states, has("--hunt"))
        };
    }
    println!("{{\"bench\":\"explore\",\"states\":{states},\"violations\":{violations}}}");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
