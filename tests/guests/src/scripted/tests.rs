#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use serde_json::{Value, json};

use super::*;
use crate::reconciler::{Answer as Answered, Intent, ObjectsOfKind, Request, Response};

fn observation(resource: Value) -> Observation {
    Observation {
        resource: resource.to_string(),
        deleting: false,
        observed: Vec::new(),
        departed: Vec::new(),
        answers: Vec::new(),
        round: 0,
        now_ms: 5,
        entropy: vec![7; 32],
        carry: b"handed over".to_vec(),
        probes: Vec::new(),
        settings: "{}".to_owned(),
        extensions: Vec::new(),
    }
}

fn thing(rounds: Value) -> Value {
    json!({ "metadata": { "name": "a", "namespace": "n" }, "spec": { "rounds": rounds } })
}

fn with_pod(mut observation: Observation) -> Observation {
    let pod = json!({ "metadata": { "name": "a-0", "uid": "pod-uid", "resourceVersion": "12" } });
    let kind = kind("", "Pod", "pods").kind;
    observation.observed.push(ObjectsOfKind { kind, objects: vec![pod.to_string()] });
    observation
}

fn settled(observation: &Observation) -> (Outcome, Value) {
    match reconcile(observation) {
        Ok(Decision::Settle(outcome)) => {
            let status = serde_json::from_str(outcome.status.as_deref().unwrap_or("null")).unwrap();
            (outcome, status)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_rounds_nothing_is_decided() {
    let (outcome, status) = settled(&observation(json!({ "spec": {} })));
    assert!(outcome.intents.is_empty() && status.is_null());
    settled(&observation(json!({ "metadata": {} })));
}

#[test]
fn a_question_is_asked_until_it_is_answered_and_the_answer_is_shown() {
    let ask = json!({ "ask": [{ "id": "one", "get": { "apiVersion": "v1", "kind": "Secret", "name": "s-$name" } }] });
    let mut observation = observation(thing(json!([ask, { "settle": { "carry": "next" } }])));
    let Ok(Decision::Ask(questions)) = reconcile(&observation) else { panic!("it does not ask") };
    assert!(matches!(&questions[0].request, Request::Get(key) if key.name == "s-a"));
    observation.round = 1;
    let response =
        Response::Object(Some(json!({ "metadata": { "name": "s-a" }, "data": { "k": "djE=" } }).to_string()));
    observation.answers.push(Answered { id: "one".to_owned(), response, extensions: Vec::new() });
    let (outcome, status) = settled(&observation);
    assert_eq!(
        status["seen"]["answers"]["one"],
        json!({ "case": "object", "name": "s-a", "data": { "k": "djE=" } })
    );
    assert_eq!(status["seen"]["carry"], "handed over");
    assert_eq!(outcome.carry, b"next");
}

#[test]
fn a_checkpoint_is_made_until_it_is_on_record() {
    let rounds = json!([{ "checkpoint": { "step": "1" } }, { "settle": { "keepStatus": true } }]);
    let mut resource = thing(rounds);
    assert!(matches!(reconcile(&observation(resource.clone())), Ok(Decision::Checkpoint(_))));
    resource["status"] = json!({ "step": "1", "conditions": [], "stateVersion": 1 });
    let (_, status) = settled(&observation(resource));
    assert_eq!(status["step"], "1");
    assert!(status.get("conditions").is_none());
}

#[test]
fn the_last_decision_is_made_again_and_again() {
    let ask = json!({ "ask": [{ "id": "q-$round", "list": { "apiVersion": "v1", "kind": "Secret" } }] });
    let mut observation = observation(thing(json!([ask])));
    for round in 0..3 {
        observation.round = round;
        let Ok(Decision::Ask(questions)) = reconcile(&observation) else { panic!("it does not ask") };
        assert_eq!(questions[0].id, format!("q-{round}"));
        let id = questions[0].id.clone();
        observation.answers.push(Answered {
            id,
            response: Response::Objects(vec![]),
            extensions: Vec::new(),
        });
    }
}

#[test]
fn what_names_an_object_that_is_not_observed_is_left_out() {
    let remove = json!({ "remove": { "apiVersion": "v1", "kind": "Pod", "name": "a-0", "uid": "$uid:a-0" } });
    let steps = json!([{ "send": "PING\r\n" }]);
    let exchange = json!({ "pod": "a-0", "port": 6379, "steps": steps });
    let probe = json!({ "id": "p", "exchange": exchange });
    let rounds = json!([
        { "ask": [{ "id": "x", "exchange": exchange }] },
        { "settle": { "intents": [remove], "probes": [probe] } },
    ]);
    let (outcome, _) = settled(&observation(thing(rounds.clone())));
    assert!(outcome.intents.is_empty() && outcome.probes.is_empty());

    let mut observed = with_pod(observation(thing(rounds)));
    let Ok(Decision::Ask(questions)) = reconcile(&observed) else { panic!("it does not ask") };
    assert!(matches!(&questions[0].request, Request::Exchange(exchange) if exchange.pod_uid == "pod-uid"));
    let response = Response::Denied("no".to_owned());
    observed.answers.push(Answered { id: "x".to_owned(), response, extensions: Vec::new() });
    let (outcome, status) = settled(&observed);
    assert!(matches!(&outcome.intents[..], [Intent::Remove(remove)] if remove.uid == "pod-uid"));
    assert_eq!(outcome.probes.len(), 1);
    assert_eq!(status["seen"]["observed"], json!({ "Pod": ["a-0"] }));
    assert_eq!(status["seen"]["answers"]["x"], json!({ "case": "denied", "reason": "no" }));
}

#[test]
fn what_departed_is_remembered() {
    let mut resource = thing(json!([{ "settle": { "rememberDeparted": true } }]));
    resource["status"] = json!({ "remembered": ["Pod/old"] });
    let mut observation = with_pod(observation(resource));
    observation.departed = std::mem::take(&mut observation.observed);
    let (_, status) = settled(&observation);
    assert_eq!(status["remembered"], json!(["Pod/a-0", "Pod/old"]));
    assert_eq!(status["seen"]["departed"], json!({ "Pod": ["a-0"] }));
}

#[test]
fn names_are_filled_in_wherever_they_stand() {
    let object =
        json!({ "data": { "all": "$uid:Pod/a-0 $version:a-0, $namespace/$name $round $now $HOME" } });
    let rounds = json!([{ "settle": { "intents": [{ "ensure": { "object": object } }] } }]);
    let (outcome, _) = settled(&with_pod(observation(thing(rounds))));
    let [Intent::Ensure(ensure)] = &outcome.intents[..] else { panic!("{:?}", outcome.intents) };
    assert!(ensure.object.contains("pod-uid 12, n/a 0 5 $HOME"), "{}", ensure.object);
}

#[test]
fn a_script_that_cannot_be_read_is_invalid_and_says_why() {
    let Err(Failure::Invalid(message)) =
        reconcile(&observation(thing(json!([{ "settle": { "intent": [] } }]))))
    else {
        panic!("it can be read")
    };
    assert!(message.contains("spec.rounds[0]") && message.contains("intent"), "{message}");
}

#[test]
fn failures_and_misbehaviour_are_made_as_they_are_asked_for() {
    let retry = json!([{ "fail": { "retry": { "message": "later", "afterMs": 7 } } }]);
    let Err(Failure::Retry(retry)) = reconcile(&observation(thing(retry))) else { panic!("no retry") };
    assert_eq!((retry.message.as_str(), retry.after_ms), ("later", Some(7)));
    let bug = reconcile(&observation(thing(json!([{ "behave": "bug" }]))));
    assert!(matches!(bug, Err(Failure::Bug(_))));
    let unknown = reconcile(&observation(thing(json!([{ "behave": "well" }]))));
    assert!(matches!(unknown, Err(Failure::Invalid(message)) if message.contains("well")));
}

#[test]
fn a_deletion_has_decisions_of_its_own() {
    let spec =
        json!({ "rounds": [{ "settle": {} }], "deleting": [{ "settle": { "released": true } }], "note": 1 });
    let mut observation = observation(json!({ "spec": spec }));
    assert!(!settled(&observation).0.released);
    observation.deleting = true;
    assert!(settled(&observation).0.released);
}

#[test]
fn a_line_tells_one_call_from_another() {
    let mut observation = observation(thing(json!([])));
    let response = Response::Unavailable("not now".to_owned());
    observation.answers.push(Answered { id: "x".to_owned(), response, extensions: Vec::new() });
    assert_eq!(line(&observation), "called for n/a. round=0 now=5 answers=[x=unavailable]");
}
