//! The component that plays scripts, and with it everything that can be shown to
//! a component and answered by it.

use std::sync::{Arc, OnceLock};

use operlet::engine::Component;
use operlet::model::{
    Amend, Answer, Condition, ConditionStatus, Decision, Effect, Ensure, Event, EventType, Exchange,
    ExchangeEnd, Failure, GroupVersionKind, Intent, Limits, ObjectKey, ObjectsOfKind, Observation,
    ObservedVersion, PartialReplies, Probe, ProbeReport, Question, Remove, Request, Response, SecretEntry,
    Step, Tls, Transport, Until,
};
use serde_json::{Value, json};

use crate::{
    behaviour::{context, decide, observation},
    load::load,
};

/// It is large, and loaded once.
fn scripted() -> &'static Component {
    static SCRIPTED: OnceLock<Component> = OnceLock::new();
    SCRIPTED.get_or_init(|| load("scripted"))
}

fn thing(spec: &Value) -> Observation {
    let resource = json!({
        "apiVersion": "test.operlet.dev/v1", "kind": "Thing",
        "metadata": { "name": "a", "namespace": "n" }, "spec": spec,
    });
    let pod = json!({ "metadata": { "name": "a-0", "uid": "u0", "resourceVersion": "7" } });
    let kind = GroupVersionKind::from_type("v1", "Pod");
    Observation {
        resource: resource.to_string().into(),
        observed: vec![ObjectsOfKind { kind, objects: vec![pod.to_string().into()] }],
        ..observation("")
    }
}

async fn decision(spec: Value) -> Decision {
    decide(scripted(), &thing(&spec)).await
}

fn key(kind: &str, name: &str) -> ObjectKey {
    let kind = GroupVersionKind::from_type("v1", kind).into();
    ObjectKey { kind, namespace: None, name: name.to_owned() }
}

fn exchange() -> (Value, Exchange) {
    let script = json!({
        "pod": "a-0", "port": 7000, "effect": "act", "timeoutMs": 300, "maxBytes": 99,
        "tls": { "ca": { "name": "tls", "key": "ca.crt" }, "serverName": "a", "clientCertificate": "client" },
        "steps": [
            { "send": "PING\r\n", "until": { "length": 7 }, "expect": ["+PONG"] },
            { "until": "eof" },
        ],
    });
    let transport = Transport::Tls(Tls {
        ca: SecretEntry { name: "tls".to_owned(), key: "ca.crt".to_owned() },
        server_name: "a".to_owned(),
        client_certificate: Some("client".to_owned()),
    });
    let ping = Step { send: b"PING\r\n".to_vec(), until: Until::Length(7), expect: vec![b"+PONG".to_vec()] };
    let rest = Step { send: Vec::new(), until: Until::Eof, expect: Vec::new() };
    let wanted = Exchange {
        pod: "a-0".to_owned(),
        pod_uid: "u0".to_owned(),
        port: 7000,
        transport,
        steps: vec![ping, rest],
        effect: Effect::Act,
        timeout_ms: 300,
        max_bytes: 99,
    };
    (script, wanted)
}

#[tokio::test]
async fn every_decision_of_a_script_comes_through() {
    let (script, wanted) = exchange();
    let ask = json!({ "rounds": [{ "ask": [
        { "id": "get", "get": { "apiVersion": "v1", "kind": "Secret", "name": "s" } },
        { "id": "list", "list": { "apiVersion": "v1", "kind": "ConfigMap", "selector": "a=b" } },
        { "id": "exchange", "exchange": script },
    ] }] });
    let question = |id: &str, request| Question { id: id.to_owned(), request };
    let list =
        Request::List { kind: GroupVersionKind::from_type("v1", "ConfigMap"), selector: "a=b".to_owned() };
    let questions = vec![
        question("get", Request::Get(key("Secret", "s"))),
        question("list", list),
        question("exchange", Request::Exchange(wanted)),
    ];
    assert_eq!(decision(ask).await, Decision::Ask(questions));

    let checkpoint = decision(json!({ "rounds": [{ "checkpoint": { "step": 1 } }, { "settle": {} }] })).await;
    assert_eq!(checkpoint, Decision::Checkpoint("{\"step\":1}".to_owned()));

    let failing = thing(&json!({ "rounds": [{ "fail": { "retry": "not yet" } }] }));
    let failed = scripted().reconcile(&failing, &Limits::default(), &context()).await.unwrap();
    assert_eq!(failed, Err(Failure::Retry { message: "not yet".to_owned(), after_ms: None }));
}

#[tokio::test]
async fn every_intent_of_a_script_comes_through() {
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a-0" } });
    let of_pod =
        |field: &str, value: &str| json!({ "apiVersion": "v1", "kind": "Pod", "name": "a-0", field: value });
    let decision = decision(json!({ "rounds": [{ "settle": { "intents": [
        { "ensure": { "object": object } },
        { "ensure": { "object": object, "ifUnchanged": { "uid": "$uid:a-0", "resourceVersion": "$version:a-0" } } },
        { "create": { "object": object } },
        { "amend": { "object": object, "uid": "$uid:a-0" } },
        { "remove": of_pod("uid", "$uid:a-0") },
        { "keep": of_pod("namespace", "n") },
    ] } }] }))
    .await;
    let Decision::Settle(outcome) = decision else { panic!("{decision:?}") };
    let (object, uid) = (object.to_string(), "u0".to_owned());
    let version = ObservedVersion { uid: uid.clone(), resource_version: "7".to_owned() };
    let kept = ObjectKey { namespace: Some("n".to_owned()), ..key("Pod", "a-0") };
    assert_eq!(
        outcome.intents,
        [
            Intent::Ensure(Ensure { object: object.clone(), if_unchanged: None }),
            Intent::Ensure(Ensure { object: object.clone(), if_unchanged: Some(version) }),
            Intent::Create(object.clone()),
            Intent::Amend(Amend { object, uid: uid.clone() }),
            Intent::Remove(Remove { key: key("Pod", "a-0"), uid }),
            Intent::Keep(kept),
        ]
    );
}

#[tokio::test]
async fn the_rest_of_a_decision_comes_through() {
    let (script, exchange) = exchange();
    let mut probed = script.clone();
    probed["effect"] = json!("probe");
    probed["steps"] = json!([{ "send": "PING\r\n" }]);
    let decision = decision(json!({ "rounds": [{ "settle": {
        "status": { "phase": "Up" }, "carry": "for $name", "requeueAfterMs": 0, "released": true,
        "conditions": [{ "type": "Ready", "status": "Unknown", "reason": "Why", "message": "because" }],
        "events": [{ "type": "Warning", "reason": "Told", "message": "so", "action": "Tell" }],
        "probes": [{ "id": "p", "everyMs": 100, "opening": [{ "send": "AUTH\r\n" }], "exchange": probed }],
    } }] }))
    .await;
    let Decision::Settle(outcome) = decision else { panic!("{decision:?}") };
    let line = |send: &[u8]| Step {
        send: send.to_vec(),
        until: Until::Delimiter(b"\r\n".to_vec()),
        expect: Vec::new(),
    };
    let exchange = Exchange { effect: Effect::Probe, steps: vec![line(b"PING\r\n")], ..exchange };
    let opening = vec![line(b"AUTH\r\n")];
    assert_eq!(outcome.probes, [Probe { id: "p".to_owned(), exchange, opening, every_ms: 100 }]);
    let owned = str::to_owned;
    let condition = Condition {
        type_: owned("Ready"),
        status: ConditionStatus::Unknown,
        reason: owned("Why"),
        message: owned("because"),
    };
    assert_eq!(outcome.conditions, [condition]);
    let event = Event {
        type_: EventType::Warning,
        reason: owned("Told"),
        message: owned("so"),
        action: owned("Tell"),
    };
    assert_eq!(outcome.events, [event]);
    assert_eq!((outcome.requeue_after_ms, outcome.released), (Some(0), true));
    assert_eq!(outcome.carry, b"for a");
    let status: Value = serde_json::from_str(outcome.status.as_deref().unwrap()).unwrap();
    assert_eq!(status["phase"], "Up");
}

#[tokio::test]
async fn every_answer_and_report_is_shown() {
    let partial = || PartialReplies { replies: vec![b"+OK\r\n".to_vec()], rest: b"+PO".to_vec() };
    let ends = [
        ExchangeEnd::Replies(vec![b"+PONG\r\n".to_vec()]),
        ExchangeEnd::Refused,
        ExchangeEnd::Timeout(partial()),
        ExchangeEnd::Reset(partial()),
        ExchangeEnd::TooLarge(partial()),
        ExchangeEnd::Unexpected(partial()),
        ExchangeEnd::Stale,
        ExchangeEnd::Denied("not allowed".to_owned()),
        ExchangeEnd::Gone,
        ExchangeEnd::TlsFailed("no trust".to_owned()),
        ExchangeEnd::Unreachable("no route".to_owned()),
    ];
    let object: Arc<str> = r#"{"metadata":{"name":"s"},"data":{"k":"dg=="}}"#.into();
    let mut responses = vec![
        ("object", Response::Object(Some(Arc::clone(&object)))),
        ("none", Response::Object(None)),
        ("objects", Response::Objects(vec![object])),
        ("denied", Response::Denied("not allowed".to_owned())),
        ("unavailable", Response::Unavailable("not now".to_owned())),
    ];
    responses.extend(ends.iter().map(|end| (end.name(), Response::Exchange(end.clone()))));
    let mut observation = thing(&json!({ "rounds": [{ "settle": {} }] }));
    let answers = responses.into_iter().enumerate();
    observation.answers = answers
        .map(|(index, (case, response))| Answer { id: format!("{index:02} {case}"), response })
        .collect();
    observation.probes = ends
        .iter()
        .map(|end| ProbeReport { id: end.name().to_owned(), end: end.clone(), since_ms: 1 })
        .collect();
    observation.departed = std::mem::take(&mut observation.observed);
    observation.round = 3;

    let Decision::Settle(outcome) = decide(scripted(), &observation).await else {
        panic!("it does not settle")
    };
    let status: Value = serde_json::from_str(outcome.status.as_deref().unwrap()).unwrap();
    let seen = &status["seen"];
    for (id, answer) in seen["answers"].as_object().unwrap() {
        assert!(id.ends_with(answer["case"].as_str().unwrap()), "{id}: {answer}");
    }
    assert_eq!(seen["answers"].as_object().unwrap().len(), 5 + ends.len());
    assert_eq!(seen["answers"]["00 object"]["data"], json!({ "k": "dg==" }));
    assert_eq!(seen["answers"]["03 denied"]["reason"], "not allowed");
    for end in &ends {
        assert_eq!(seen["probes"][end.name()]["case"], end.name());
    }
    assert_eq!(
        seen["probes"]["unexpected"],
        json!({ "case": "unexpected", "replies": ["+OK\r\n"], "rest": "+PO" })
    );
    assert_eq!(seen["departed"], json!({ "Pod": ["a-0"] }));
    assert_eq!((&seen["round"], &seen["observed"]), (&json!(3), &json!({})));
}

#[tokio::test]
async fn a_deletion_is_shown_and_released() {
    let component = load("scripted_finalizer");
    let manifest = component.describe().await.unwrap();
    assert!(manifest.finalizer && !scripted().describe().await.unwrap().finalizer);
    assert_eq!(manifest.primary.kind.to_string(), "FinalThing.v1.test.operlet.dev");
    let mut deleted = thing(&json!({ "rounds": [], "deleting": [{ "settle": { "released": true } }] }));
    deleted.deleting = true;
    let Decision::Settle(outcome) = decide(&component, &deleted).await else { panic!("it does not settle") };
    assert!(outcome.released);
    assert!(outcome.status.unwrap().contains(r#""deleting":true"#));
}
