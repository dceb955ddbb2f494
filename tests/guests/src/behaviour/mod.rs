//! Everything that a component may do wrong, and the failures it may report: one
//! function each, by name, so that a test can see whether any has no test.

mod asking;
mod dialling;
mod settling;

use std::{collections::HashMap, hint::black_box};

use crate::{
    operlet::operator::diagnostics::{self, Level},
    outcome,
    reconciler::{Decision, Failure, Observation, Retry},
    show,
};

/// What a component answers.
pub type Answer = Result<Decision, Failure>;

/// One way to behave.
pub type Behave = fn(&Observation) -> Answer;

/// Every behaviour by its name.
pub const BEHAVIOURS: &[(&str, Behave)] = &[
    ("spin", spin),
    ("grow", grow),
    ("recurse", recurse_without_end),
    ("panic", panic),
    ("trap", trap),
    ("flood", flood),
    ("long-line", long_line),
    ("chance", chance),
    ("retry", retry),
    ("invalid", invalid),
    ("bug", bug),
    ("huge-output", settling::huge_output),
    ("huge-object", settling::huge_object),
    ("huge-carry", settling::huge_carry),
    ("many-intents", settling::many_intents),
    ("many-conditions", settling::many_conditions),
    ("many-events", settling::many_events),
    ("same-conditions", settling::same_conditions),
    ("no-json", settling::no_json),
    ("two-json", settling::two_json),
    ("no-object", settling::no_object),
    ("undeclared-kind", settling::undeclared_kind),
    ("other-namespace", settling::other_namespace),
    ("foreign-owner", settling::foreign_owner),
    ("forged-label", settling::forged_label),
    ("own-uid", settling::own_uid),
    ("same-object", settling::same_object),
    ("own-resource", settling::own_resource),
    ("ask-nothing", asking::nothing),
    ("ask-for-ever", asking::for_ever),
    ("checkpoint-for-ever", asking::checkpoint_for_ever),
    ("checkpoint-no-object", asking::checkpoint_no_object),
    ("many-questions", asking::many_questions),
    ("same-questions", asking::same_questions),
    ("nameless-question", asking::nameless),
    ("long-question-id", asking::long_id),
    ("huge-selector", asking::huge_selector),
    ("many-exchanges", dialling::many_exchanges),
    ("no-steps", dialling::no_steps),
    ("many-steps", dialling::many_steps),
    ("port-0", dialling::port_0),
    ("no-time", dialling::no_time),
    ("huge-replies", dialling::huge_replies),
    ("no-delimiter", dialling::no_delimiter),
    ("long-delimiter", dialling::long_delimiter),
    ("many-expectations", dialling::many_expectations),
    ("many-probes", dialling::many_probes),
    ("same-probes", dialling::same_probes),
    ("acting-probe", dialling::acting_probe),
    ("hasty-probe", dialling::hasty_probe),
    ("probe-to-the-end", dialling::probe_to_the_end),
    ("long-opening", dialling::long_opening),
];

/// Behaves so; none if there is no such behaviour.
pub fn behave(name: &str, observation: &Observation) -> Option<Answer> {
    BEHAVIOURS.iter().find(|(known, _)| *known == name).map(|(_, behave)| behave(observation))
}

fn spin(_: &Observation) -> Answer {
    loop {
        black_box(());
    }
}

fn grow(_: &Observation) -> Answer {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1024 * 1024]));
    }
}

fn recurse_without_end(_: &Observation) -> Answer {
    recurse(0)
}

#[allow(unconditional_recursion, reason = "it is what this behaviour is about")]
fn recurse(depth: u64) -> Answer {
    let frame = black_box([depth; 64]);
    let result = recurse(depth + 1);
    black_box(frame);
    result
}

#[allow(clippy::panic, reason = "it is what this behaviour is about")]
fn panic(_: &Observation) -> Answer {
    panic!("the widget count is negative\nand this is its second line")
}

fn trap(_: &Observation) -> Answer {
    std::process::abort()
}

fn flood(observation: &Observation) -> Answer {
    for line in 0..250 {
        diagnostics::log(Level::Info, &format!("line {line}"));
    }
    Ok(show(observation))
}

fn long_line(observation: &Observation) -> Answer {
    diagnostics::log(Level::Warn, &"long ".repeat(400 * 1024));
    Ok(show(observation))
}

/// Looks for chance wherever a program without imports might find some: the order
/// of a hash map, the places of stack and heap, the bits of a NaN, the memory it
/// has.
fn chance(_: &Observation) -> Answer {
    let map: HashMap<String, usize> = (0..100).map(|index| (format!("key-{index}"), index)).collect();
    let order: Vec<String> = map.values().map(ToString::to_string).collect();
    let on_stack = 0_u8;
    let on_heap = Box::new(0_u8);
    let zero = black_box(0.0_f64);
    let bits = [zero / zero, -(zero / zero), f64::INFINITY - black_box(f64::INFINITY)].map(f64::to_bits);
    let places = (&raw const on_stack as usize, &raw const *on_heap as usize);
    let mut found = outcome(Vec::new());
    found.carry = format!("{order:?} {places:?} {bits:x?}").into_bytes();
    Ok(Decision::Settle(found))
}

fn retry(_: &Observation) -> Answer {
    Err(Failure::Retry(Retry { message: "not yet".to_owned(), after_ms: Some(1500) }))
}

fn invalid(_: &Observation) -> Answer {
    Err(Failure::Invalid("spec.size: must be odd".to_owned()))
}

fn bug(_: &Observation) -> Answer {
    Err(Failure::Bug("an assertion does not hold".to_owned()))
}
