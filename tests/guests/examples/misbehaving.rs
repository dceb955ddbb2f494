//! A component that behaves as `settings.behaviour` says, and well without it.

use std::hint::black_box;

use operlet_test_guests::{
    condition, config_map, create, ensure, export_operator, manifest,
    operlet::operator::diagnostics::{self, Level},
    outcome,
    reconciler::{Checkpoint, Decision, Event, EventType, Failure, Guest, Manifest, Observation, Retry},
    report_panics,
};

struct Misbehaving;

impl Guest for Misbehaving {
    fn describe() -> Manifest {
        manifest()
    }

    fn reconcile(observation: Observation) -> Result<Decision, Failure> {
        report_panics();
        match behaviour(&observation.settings) {
            "spin" => spin(),
            "grow" => grow(),
            "recurse" => recurse(0),
            "panic" => panic(),
            "trap" => std::process::abort(),
            "huge-output" => settle_one("x".repeat(5 * 1024 * 1024)),
            "huge-object" => settle_one(config_map("huge", &"x".repeat(4 * 1024 * 1024))),
            "many-intents" => many_intents(),
            "large-carry" => large_carry(),
            "no-json" => settle_one("{\"kind\":".to_owned()),
            "two-json" => settle_one("{}{}".to_owned()),
            "no-object" => settle_one("[]".to_owned()),
            "undeclared-kind" => settle_one(service(None)),
            "other-namespace" => settle_one(service(Some("kube-system"))),
            "same-conditions" => same_conditions(),
            "ask" => Ok(Decision::Ask(Vec::new())),
            "checkpoint" => checkpoint(),
            "retry" => Err(Failure::Retry(Retry { message: "not yet".to_owned(), after_ms: Some(1500) })),
            "invalid" => Err(Failure::Invalid("spec.size: must be odd".to_owned())),
            "bug" => Err(Failure::Bug("an assertion does not hold".to_owned())),
            "chatter" => chatter(&observation),
            "long-line" => long_line(&observation),
            _ => Ok(behave(&observation)),
        }
    }
}

export_operator!(Misbehaving);

fn behaviour(settings: &str) -> &str {
    const KEY: &str = "\"behaviour\":\"";
    settings.split_once(KEY).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(behaviour, _)| behaviour)
}

/// Shows in its decision everything that it was shown.
fn behave(observation: &Observation) -> Decision {
    let entropy: String = observation.entropy.iter().map(|byte| format!("{byte:02x}")).collect();
    let seen: usize = observation.observed.iter().map(|kind| kind.objects.len()).sum();
    let value =
        format!("now {} entropy {entropy} round {} seen {seen}", observation.now_ms, observation.round);
    let mut outcome = outcome(vec![
        ensure(config_map("shown", &value)),
        create(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"made"}}"#.to_owned()),
    ]);
    outcome.status = Some(format!(r#"{{"seen":{seen},"carried":{}}}"#, observation.carry.len()));
    outcome.conditions = vec![condition("Ready")];
    outcome.events = vec![Event {
        type_: EventType::Normal,
        reason: "Shown".to_owned(),
        message: "all of it".to_owned(),
        action: "Show".to_owned(),
        extensions: Vec::new(),
    }];
    outcome.requeue_after_ms = Some(60_000);
    outcome.carry = vec![1, 2, 3];
    outcome.released = observation.deleting;
    Decision::Settle(outcome)
}

fn settle_one(object: String) -> Result<Decision, Failure> {
    Ok(Decision::Settle(outcome(vec![ensure(object)])))
}

fn spin() -> ! {
    loop {
        black_box(());
    }
}

fn grow() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1024 * 1024]));
    }
}

#[allow(unconditional_recursion, reason = "it is what this behaviour is about")]
fn recurse(depth: u64) -> Result<Decision, Failure> {
    let frame = black_box([depth; 64]);
    let result = recurse(depth + 1);
    black_box(frame);
    result
}

#[allow(clippy::panic, reason = "it is what this behaviour is about")]
fn panic() -> ! {
    panic!("the widget count is negative\nand this is its second line")
}

fn many_intents() -> Result<Decision, Failure> {
    let intents = (0..513).map(|index| ensure(config_map(&format!("map-{index}"), ""))).collect();
    Ok(Decision::Settle(outcome(intents)))
}

fn large_carry() -> Result<Decision, Failure> {
    let mut outcome = outcome(Vec::new());
    outcome.carry = vec![0; 64 * 1024 + 1];
    Ok(Decision::Settle(outcome))
}

fn same_conditions() -> Result<Decision, Failure> {
    let mut outcome = outcome(Vec::new());
    outcome.conditions = vec![condition("Ready"), condition("Ready")];
    Ok(Decision::Settle(outcome))
}

fn checkpoint() -> Result<Decision, Failure> {
    Ok(Decision::Checkpoint(Checkpoint { status: "{\"step\":1}".to_owned(), extensions: Vec::new() }))
}

fn service(namespace: Option<&str>) -> String {
    match namespace {
        None => r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"undeclared"}}"#.to_owned(),
        Some(namespace) => format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"stray","namespace":"{namespace}"}}}}"#
        ),
    }
}

fn chatter(observation: &Observation) -> Result<Decision, Failure> {
    for line in 0..250 {
        diagnostics::log(Level::Info, &format!("line {line}"));
    }
    Ok(behave(observation))
}

fn long_line(observation: &Observation) -> Result<Decision, Failure> {
    diagnostics::log(Level::Warn, &"long ".repeat(400 * 1024));
    Ok(behave(observation))
}
