//! What a component is shown and what it answers come through unchanged.

use std::sync::Arc;

use operlet::{
    engine::{CallContext, CallError, Component},
    model::{
        ConditionStatus, Decision, Failure, GroupVersionKind, Intent, Limits, ObjectsOfKind, Observation,
        Outcome,
    },
};

use crate::load::load;

pub(crate) fn observation(behaviour: &str) -> Observation {
    let kind = GroupVersionKind::from_type("v1", "ConfigMap");
    Observation {
        resource: r#"{"apiVersion":"test.operlet.dev/v1","kind":"Thing","metadata":{"name":"a"}}"#.into(),
        deleting: false,
        observed: vec![ObjectsOfKind { kind, objects: vec!["{}".into(), "{}".into()] }],
        departed: Vec::new(),
        answers: Vec::new(),
        round: 0,
        now_ms: 1_700_000_000_000,
        entropy: [7; 32],
        carry: vec![0; 5],
        probes: Vec::new(),
        settings: format!(r#"{{"behaviour":"{behaviour}"}}"#).into(),
    }
}

pub(crate) fn context() -> CallContext {
    CallContext { operlet: "things".into(), resource: "default/a".into() }
}

pub(crate) async fn call(
    component: &Component,
    behaviour: &str,
) -> Result<Result<Decision, Failure>, CallError> {
    component.reconcile(&observation(behaviour), &Limits::default(), &context()).await
}

pub(crate) async fn settled(component: &Component, behaviour: &str) -> Outcome {
    match call(component, behaviour).await.unwrap().unwrap() {
        Decision::Settle(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_decision_comes_through_whole() {
    let outcome = settled(&load("misbehaving"), "").await;
    let [Intent::Ensure(ensure), Intent::Create(create)] = &outcome.intents[..] else {
        panic!("{:?}", outcome.intents)
    };
    let entropy = "07".repeat(32);
    let shown = format!("now 1700000000000 entropy {entropy} round 0 seen 2");
    assert!(ensure.object.contains(&shown), "{}", ensure.object);
    assert!(create.contains("Secret"), "{create}");
    assert_eq!(outcome.status.as_deref(), Some(r#"{"seen":2,"carried":5}"#));
    assert_eq!(outcome.conditions[0].status, ConditionStatus::True);
    assert_eq!(outcome.events[0].action, "Show");
    assert_eq!(outcome.requeue_after_ms, Some(60_000));
    assert_eq!(outcome.carry, [1, 2, 3]);
    assert!(!outcome.released);
}

#[tokio::test]
async fn each_failure_comes_through() {
    let component = load("misbehaving");
    let failure = |behaviour| {
        let component = component.clone();
        async move { call(&component, behaviour).await.unwrap().unwrap_err() }
    };
    assert_eq!(
        failure("retry").await,
        Failure::Retry { message: "not yet".to_owned(), after_ms: Some(1500) }
    );
    assert_eq!(failure("invalid").await, Failure::Invalid("spec.size: must be odd".to_owned()));
    assert_eq!(failure("bug").await, Failure::Bug("an assertion does not hold".to_owned()));
}

#[tokio::test]
async fn the_same_observation_gives_the_same_decision() {
    let component = load("misbehaving");
    let first = settled(&component, "").await;
    for _ in 0..20 {
        assert_eq!(settled(&component, "").await, first);
    }
    assert_eq!(settled(&load("misbehaving"), "").await, first);
}

#[tokio::test]
async fn questions_and_checkpoints_are_recognised() {
    let component = load("misbehaving");
    assert_eq!(call(&component, "ask").await.unwrap().unwrap(), Decision::Ask(vec![]));
    assert_eq!(
        call(&component, "checkpoint").await.unwrap().unwrap(),
        Decision::Checkpoint("{\"step\":1}".to_owned())
    );
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_refused_with_the_field() {
    let component = load("misbehaving");
    for (behaviour, field, says) in [
        ("no-json", "intents[0].ensure.object", "is not JSON"),
        ("two-json", "intents[0].ensure.object", "is not JSON"),
        ("no-object", "intents[0].ensure.object", "must be a JSON object"),
        ("same-conditions", "conditions[1].type", "Ready"),
    ] {
        let error = call(&component, behaviour).await.unwrap_err();
        assert!(matches!(error, CallError::InvalidOutput { .. }), "{behaviour}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(field) && text.contains(says), "{behaviour}: {text}");
        assert!(error.is_components_fault());
    }
}

/// Which kinds and namespaces an intent may name is the planner's to judge.
#[tokio::test]
async fn intents_are_handed_on_whatever_they_name() {
    let component = load("misbehaving");
    for behaviour in ["undeclared-kind", "other-namespace"] {
        assert_eq!(settled(&component, behaviour).await.intents.len(), 1);
    }
}

#[tokio::test]
async fn calls_may_come_from_many_tasks_at_once() {
    let component = Arc::new(load("misbehaving"));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let component = Arc::clone(&component);
            tokio::spawn(async move { settled(&component, "").await.intents.len() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
}
