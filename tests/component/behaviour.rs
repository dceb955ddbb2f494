//! What a component is shown and what it answers come through unchanged.

use std::sync::Arc;

use operlet::{
    engine::{CallContext, CallError, Component},
    model::{
        ConditionStatus, Decision, Failure, GroupVersionKind, Intent, Limits, ObjectKey, ObjectsOfKind,
        Observation, Outcome, Question, Request,
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

pub(crate) async fn decide(component: &Component, observation: &Observation) -> Decision {
    component.reconcile(observation, &Limits::default(), &context()).await.unwrap().unwrap()
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
    let shown = format!("now 1700000000000 entropy {entropy} round 0 seen 2 gone 0 answers 0 probes 0");
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

/// How many rounds there may be is for the host to count.
#[tokio::test]
async fn a_component_may_ask_or_checkpoint_in_every_round() {
    let component = load("misbehaving");
    for round in 0..40 {
        let observation = |behaviour| Observation { round, ..observation(behaviour) };
        let Decision::Ask(questions) = decide(&component, &observation("ask-for-ever")).await else {
            panic!("round {round}: it does not ask")
        };
        let key = ObjectKey {
            kind: GroupVersionKind::from_type("v1", "ConfigMap").into(),
            namespace: None,
            name: "enough".to_owned(),
        };
        assert_eq!(questions, [Question { id: format!("question-{round}"), request: Request::Get(key) }]);
        assert_eq!(
            decide(&component, &observation("checkpoint-for-ever")).await,
            Decision::Checkpoint(format!("{{\"step\":{round}}}"))
        );
    }
}

/// How many there may be in one reconcile is for the host to count.
#[tokio::test]
async fn a_component_may_want_as_many_exchanges_as_there_may_be_questions() {
    let Decision::Ask(questions) = decide(&load("misbehaving"), &observation("many-exchanges")).await else {
        panic!("it does not ask")
    };
    assert_eq!(questions.len(), 257);
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
