//! A decision for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cli::{document, guest::Guest},
    model::{
        Amend, Condition, Ensure, Event, EventType, GroupVersionKind, Intent, ObservedVersion, Outcome,
        Owner, Probe, Remove,
    },
};

/// Objects that should be there as documents, so that they can be piped on; all
/// else as comments.
pub(super) fn yaml(guest: &Guest, owner: &Owner, outcome: &Outcome) -> String {
    let Outcome { intents, status, conditions, events, requeue_after_ms, carry, released, probes } = outcome;
    let mut text = document::comment(&format!(
        "{} {} ({})\ndecides about {}: {} intents",
        guest.manifest.name,
        guest.manifest.version,
        guest.component.digest(),
        owner.key,
        intents.len()
    ));
    for intent in intents {
        text.push_str(&self::intent(intent));
    }
    text.push_str("---\n");
    let mut rest = String::new();
    if let Some(status) = status {
        let _ = writeln!(rest, "status:\n{}", indented(&document::yaml(&value(status))));
    }
    if !conditions.is_empty() {
        let lines: String = conditions.iter().map(condition).collect();
        let _ = writeln!(rest, "conditions:\n{lines}");
    }
    if !events.is_empty() {
        let lines: String = events.iter().map(event).collect();
        let _ = writeln!(rest, "events:\n{lines}");
    }
    let requeue =
        requeue_after_ms.map_or("only when something changes".to_owned(), |ms| format!("after {ms} ms"));
    let _ = writeln!(rest, "called again: {requeue}");
    if !carry.is_empty() {
        let _ = writeln!(rest, "hands over: {} bytes", carry.len());
    }
    for Probe { id, exchange, every_ms, .. } in probes {
        let _ = writeln!(rest, "probe {id}: {} port {}, every {every_ms} ms", exchange.pod, exchange.port);
    }
    if *released {
        rest.push_str("released: the resource may go\n");
    }
    text + &document::comment(&rest)
}

fn intent(intent: &Intent) -> String {
    let object = |text: &str| document::yaml(&document::Ordered(&value(text)));
    match intent {
        Intent::Ensure(Ensure { object: text, if_unchanged }) => {
            let condition = if_unchanged.as_ref().map(|ObservedVersion { uid, resource_version }| {
                format!(", while it is still {uid} at version {resource_version}")
            });
            format!("---\n# ensure{}\n{}", condition.unwrap_or_default(), object(text))
        }
        Intent::Create(text) => format!("---\n# create, if it is not there\n{}", object(text)),
        Intent::Amend(Amend { object: text, uid }) => {
            let commented = document::comment(&object(text));
            format!("---\n# amend the object with uid {uid}:\n{commented}")
        }
        Intent::Remove(Remove { key, uid }) => format!("---\n# remove {key} with uid {uid}\n"),
        Intent::Keep(key) => format!("---\n# keep {key} as it is\n"),
    }
}

fn condition(condition: &Condition) -> String {
    let Condition { type_, status, reason, message } = condition;
    format!("  {type_}={} {reason}: {message}\n", status.as_str())
}

fn event(event: &Event) -> String {
    let Event { type_, reason, message, action } = event;
    format!("  {} {reason} ({action}): {message}\n", event_type(*type_))
}

fn event_type(type_: EventType) -> &'static str {
    match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end().to_owned()
}

/// The whole decision as one JSON document.
pub(super) fn json(guest: &Guest, owner: &Owner, outcome: &Outcome) -> String {
    let Outcome { intents, status, conditions, events, requeue_after_ms, carry, released, probes } = outcome;
    document::json(&json!({
        "component": {
            "name": guest.manifest.name,
            "version": guest.manifest.version,
            "digest": guest.component.digest(),
        },
        "resource": key(&owner.key.kind, owner.key.namespace.as_deref(), &owner.key.name),
        "settle": {
            "intents": intents.iter().map(intent_json).collect::<Vec<_>>(),
            "status": status.as_deref().map(value),
            "conditions": conditions.iter().map(condition_json).collect::<Vec<_>>(),
            "events": events.iter().map(event_json).collect::<Vec<_>>(),
            "requeueAfterMs": requeue_after_ms,
            "carryBytes": carry.len(),
            "released": released,
            "probes": probes.iter().map(probe_json).collect::<Vec<_>>(),
        },
    }))
}

fn intent_json(intent: &Intent) -> Value {
    match intent {
        Intent::Ensure(Ensure { object, if_unchanged }) => {
            let if_unchanged = if_unchanged.as_ref().map(
                |ObservedVersion { uid, resource_version }| json!({"uid": uid, "resourceVersion": resource_version}),
            );
            json!({"ensure": {"object": value(object), "ifUnchanged": if_unchanged}})
        }
        Intent::Create(object) => json!({"create": {"object": value(object)}}),
        Intent::Amend(Amend { object, uid }) => json!({"amend": {"object": value(object), "uid": uid}}),
        Intent::Remove(Remove { key: removed, uid }) => {
            let key = key(&removed.kind, removed.namespace.as_deref(), &removed.name);
            json!({"remove": {"key": key, "uid": uid}})
        }
        Intent::Keep(kept) => json!({"keep": key(&kept.kind, kept.namespace.as_deref(), &kept.name)}),
    }
}

fn condition_json(condition: &Condition) -> Value {
    let Condition { type_, status, reason, message } = condition;
    json!({"type": type_, "status": status.as_str(), "reason": reason, "message": message})
}

fn event_json(event: &Event) -> Value {
    let Event { type_, reason, message, action } = event;
    json!({"type": event_type(*type_), "reason": reason, "message": message, "action": action})
}

/// What is sent is left out: it may hold a password.
fn probe_json(probe: &Probe) -> Value {
    let Probe { id, exchange, opening, every_ms } = probe;
    json!({
        "id": id, "pod": exchange.pod, "port": exchange.port, "everyMs": every_ms,
        "openingSteps": opening.len(), "steps": exchange.steps.len(),
    })
}

fn key(kind: &GroupVersionKind, namespace: Option<&str>, name: &str) -> Value {
    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "namespace": namespace, "name": name})
}

/// JSON text that the engine found to be valid.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
