//! From what a script says to the contract's types.

use super::{
    format::{
        Asking, ConditionScript, EffectScript, Entry, EventScript, Exchanging, Intending, Key, Listing, Probing,
        Saying, TlsScript, UntilScript, Version,
    },
    names::Names,
};
use crate::{
    operlet::operator::{
        exchanges::{Effect, Exchange, Probe, SecretEntry, Step, Tls, Transport, Until},
        types::{GroupVersionKind, ObjectKey},
    },
    reconciler::{
        Amend, Condition, ConditionStatus, Create, Ensure, Event, EventType, Intent, ListQuery, ObservedVersion,
        Question, Remove, Request,
    },
};

/// None if it is about a pod that is not observed.
pub(super) fn question(asking: Asking, names: &Names) -> Option<Result<Question, String>> {
    let Asking { id, get, list, exchange } = asking;
    let request = match (get, list, exchange) {
        (Some(key), None, None) => Request::Get(object_key(key)),
        (None, Some(Listing { api_version, kind, selector }), None) => {
            let kind = group_version_kind(&api_version, &kind);
            Request::List(ListQuery { kind, selector, extensions: Vec::new() })
        }
        (None, None, Some(exchanging)) => Request::Exchange(self::exchange(exchanging, names)?),
        _ => return Some(Err(format!("the question {id} needs one of get, list and exchange"))),
    };
    Some(Ok(Question { id, request }))
}

/// None if it is about a pod that is not observed.
pub(super) fn probe(probing: Probing, names: &Names) -> Option<Probe> {
    let Probing { id, exchange, opening, every_ms } = probing;
    let exchange = self::exchange(exchange, names)?;
    Some(Probe { id, exchange, opening: opening.into_iter().map(step).collect(), every_ms })
}

fn exchange(exchanging: Exchanging, names: &Names) -> Option<Exchange> {
    let Exchanging { pod, pod_uid, port, tls, steps, effect, timeout_ms, max_bytes } = exchanging;
    let pod_uid = pod_uid.or_else(|| names.uid("Pod", &pod).map(str::to_owned))?;
    let transport = match tls {
        None => Transport::Plain,
        Some(TlsScript { ca: Entry { name, key }, server_name, client_certificate }) => {
            Transport::Tls(Tls { ca: SecretEntry { name, key }, server_name, client_certificate })
        }
    };
    let effect = match effect {
        EffectScript::Probe => Effect::Probe,
        EffectScript::Act => Effect::Act,
    };
    let steps = steps.into_iter().map(step).collect();
    Some(Exchange {
        pod,
        pod_uid,
        port,
        transport,
        steps,
        effect,
        timeout_ms,
        max_bytes,
        extensions: Vec::new(),
    })
}

fn step(saying: Saying) -> Step {
    let Saying { send, until, expect } = saying;
    let until = match until {
        UntilScript::Eof => Until::Eof,
        UntilScript::Delimiter(text) => Until::Delimiter(text.into_bytes()),
        UntilScript::Length(length) => Until::Length(length),
    };
    let expect = expect.into_iter().map(String::into_bytes).collect();
    Step { send: send.into_bytes(), until, expect }
}

pub(super) fn intent(intending: Intending) -> Result<Intent, String> {
    let extensions = Vec::new();
    Ok(match intending {
        Intending::Ensure { object, if_unchanged } => {
            let observed =
                |Version { uid, resource_version }| ObservedVersion { uid, resource_version };
            let if_unchanged = if_unchanged.map(observed);
            Intent::Ensure(Ensure { object: object.to_string(), if_unchanged, extensions })
        }
        Intending::Create { object } => Intent::Create(Create { object: object.to_string(), extensions }),
        Intending::Amend { object, uid } => Intent::Amend(Amend { object: object.to_string(), uid, extensions }),
        Intending::Remove { api_version, kind, namespace, name, uid } => {
            let key = object_key(Key { api_version, kind, namespace, name });
            Intent::Remove(Remove { key, uid, extensions })
        }
        Intending::Keep(key) => Intent::Keep(object_key(key)),
    })
}

fn object_key(key: Key) -> ObjectKey {
    let Key { api_version, kind, namespace, name } = key;
    ObjectKey { kind: group_version_kind(&api_version, &kind), namespace, name }
}

fn group_version_kind(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
}

pub(super) fn condition(script: ConditionScript) -> Condition {
    let ConditionScript { class, status, reason, message } = script;
    let status = match status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    Condition { type_: class, status, reason, message }
}

pub(super) fn event(script: EventScript) -> Event {
    let EventScript { class, reason, message, action } = script;
    let type_ = if class == "Warning" { EventType::Warning } else { EventType::Normal };
    Event { type_, reason, message, action, extensions: Vec::new() }
}
