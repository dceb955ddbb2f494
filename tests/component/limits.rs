//! Whatever a component does, it ends as an error that names the limit.

use std::time::{Duration, Instant};

use operlet::{
    engine::{CallError, Component},
    model::Limits,
};

use crate::{
    behaviour::{call, context, observation, settled},
    load::load,
};

async fn check(component: &Component, behaviour: &str, matches: impl Fn(&CallError) -> bool, says: &[&str]) {
    let error = call(component, behaviour).await.unwrap_err();
    assert!(matches(&error), "{behaviour}: {error:?}");
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "{behaviour}: {part:?} is not in: {text}");
    }
    // The component works on as if nothing had been.
    assert_eq!(settled(component, "").await.intents.len(), 2);
}

#[tokio::test]
async fn a_component_that_spins_is_stopped() {
    let is = |error: &CallError| matches!(error, CallError::CpuTime { .. });
    let begin = Instant::now();
    check(&load("misbehaving"), "spin", is, &["250 ms", "callTimeout"]).await;
    assert!(begin.elapsed() >= Duration::from_millis(250), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_component_that_spins_stops_nobody_else() {
    let component = load("misbehaving");
    let spinning = tokio::spawn({
        let component = component.clone();
        async move { call(&component, "spin").await }
    });
    tokio::task::yield_now().await;
    // On this one thread, each call here gets its turn between two slices.
    let mut calls = 0;
    while !spinning.is_finished() {
        settled(&component, "").await;
        calls += 1;
    }
    assert!(matches!(spinning.await.unwrap(), Err(CallError::CpuTime { .. })));
    assert!(calls > 10, "only {calls} calls beside 250 ms of spinning");
}

#[tokio::test]
async fn a_component_that_grows_is_stopped() {
    let is = |error: &CallError| matches!(error, CallError::Memory { limit: 67_108_864, .. });
    check(&load("misbehaving"), "grow", is, &["67108864", "limit memory"]).await;
}

#[tokio::test]
async fn a_smaller_memory_limit_holds_as_well() {
    let component = load("misbehaving");
    let limits = Limits { memory_bytes: 128 * 1024, ..Limits::default() };
    let error = component.reconcile(&observation(""), &limits, &context()).await.unwrap_err();
    assert!(matches!(error, CallError::Memory { limit: 131_072, .. }), "{error:?}");
}

#[tokio::test]
async fn a_component_that_recurses_without_end_traps() {
    let is = |error: &CallError| matches!(error, CallError::Trap { .. });
    check(&load("misbehaving"), "recurse", is, &["stack overflow", "recurse"]).await;
}

#[tokio::test]
async fn a_panics_message_and_place_are_in_the_error() {
    let is = |error: &CallError| matches!(error, CallError::Trap { .. });
    let says = ["the widget count is negative", "behaviour/mod.rs", "behaviour::panic"];
    check(&load("misbehaving"), "panic", is, &says).await;
}

#[tokio::test]
async fn a_trap_without_a_message_shows_where_it_was() {
    let is = |error: &CallError| matches!(error, CallError::Trap { .. });
    check(&load("misbehaving"), "trap", is, &["unreachable", "reconcile"]).await;
}

#[tokio::test]
async fn too_large_answers_are_refused() {
    let component = load("misbehaving");
    let is = |error: &CallError| matches!(error, CallError::OutputTooLarge { .. });
    check(&component, "huge-output", is, &["4194304"]).await;
    check(&component, "huge-object", is, &["4194304"]).await;
    let is = |error: &CallError| matches!(error, CallError::CarryTooLarge { .. });
    check(&component, "huge-carry", is, &["65537", "65536"]).await;
}

#[tokio::test]
async fn too_many_of_anything_are_refused() {
    let component = load("misbehaving");
    let is = |error: &CallError| matches!(error, CallError::TooMany { .. });
    for (behaviour, count, limit) in [
        ("many-intents", "513 intents", "512"),
        ("many-conditions", "65 conditions", "64"),
        ("many-events", "17 events", "16"),
        ("many-questions", "513 questions", "512"),
        ("many-steps", "65 steps in one exchange", "64"),
        ("many-expectations", "65 expectations in one step", "64"),
        ("many-probes", "33 probes", "32"),
        ("long-opening", "17 steps in one opening", "16"),
    ] {
        check(&component, behaviour, is, &[count, &format!("the limit is {limit}")]).await;
    }
}

#[tokio::test]
async fn too_large_observations_are_not_shown() {
    let component = load("misbehaving");
    let mut large = observation("");
    large.resource = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024)).into();
    let error = component.reconcile(&large, &Limits::default(), &context()).await.unwrap_err();
    assert!(matches!(error, CallError::InputTooLarge { limit: 1_048_576, .. }), "{error:?}");
    assert!(!error.is_components_fault());

    let mut many = observation("");
    many.observed[0].objects = vec!["{}".into(); 513];
    let error = component.reconcile(&many, &Limits::default(), &context()).await.unwrap_err();
    assert_eq!(error, CallError::TooManyObserved { count: 513, limit: 512 });
}

#[tokio::test]
async fn a_call_that_gets_no_cpu_time_ends_too_and_blames_the_host() {
    let limits =
        Limits { call: Duration::from_secs(60), reconcile: Duration::from_millis(50), ..Limits::default() };
    let error = load("misbehaving").reconcile(&observation("spin"), &limits, &context()).await.unwrap_err();
    assert!(matches!(error, CallError::WallTime { .. }), "{error:?}");
    assert!(!error.is_components_fault());
    assert!(error.to_string().contains("short of CPU"), "{error}");
}
