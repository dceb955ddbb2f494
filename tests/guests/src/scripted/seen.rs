//! What a scripted component was shown, as it stands in its status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    operlet::operator::exchanges::{ExchangeEnd, PartialReplies},
    reconciler::{ObjectsOfKind, Observation, Response},
};

/// Longer than any test needs.
const HISTORY_MAX: usize = 100;

/// What the status is made of, beside what the script says.
pub(super) struct Status<'a> {
    pub(super) observation: &'a Observation,
    pub(super) resource: &'a Value,
    pub(super) keep: bool,
    pub(super) remember_departed: bool,
    pub(super) remember_probes: bool,
    pub(super) show: &'a [String],
}

impl Status<'_> {
    pub(super) fn with(&self, scripted: Value) -> Value {
        let mut status = Map::new();
        if self.keep {
            status = self.resource.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
            // These are the host's.
            for own in ["conditions", "observedGeneration", "stateVersion"] {
                status.remove(own);
            }
        }
        if let Value::Object(scripted) = scripted {
            status.extend(scripted);
        }
        if self.remember_departed {
            status.insert("remembered".to_owned(), self.remembered());
        }
        if self.remember_probes {
            status.insert("probeHistory".to_owned(), self.probe_history());
        }
        status.insert("seen".to_owned(), self.seen());
        Value::Object(status)
    }

    fn seen(&self) -> Value {
        let Observation { deleting, observed, departed, answers, round, carry, probes, .. } =
            self.observation;
        let answers: BTreeMap<_, _> =
            answers.iter().map(|answer| (answer.id.as_str(), response(&answer.response))).collect();
        let probes: BTreeMap<_, _> =
            probes.iter().map(|report| (report.id.as_str(), end(&report.end))).collect();
        let shown = |pointer: &String| Some((pointer.clone(), self.resource.pointer(pointer)?.clone()));
        let shown: Map<String, Value> = self.show.iter().filter_map(shown).collect();
        json!({
            "round": round, "deleting": deleting, "carry": String::from_utf8_lossy(carry),
            "observed": names(observed), "departed": names(departed), "answers": answers, "probes": probes,
            "shown": shown,
        })
    }

    fn remembered(&self) -> Value {
        let mut remembered = self.list("/status/remembered");
        for of_kind in &self.observation.departed {
            remembered.extend(
                of_kind.objects.iter().map(|object| format!("{}/{}", of_kind.kind.kind, name(object))),
            );
        }
        remembered.sort();
        remembered.dedup();
        json!(remembered)
    }

    fn probe_history(&self) -> Value {
        let mut history = self.list("/status/probeHistory");
        for report in &self.observation.probes {
            let start = format!("{}: ", report.id);
            let entry = format!("{start}{}", case(&report.end));
            if history.iter().rfind(|entry| entry.starts_with(&start)) != Some(&entry) {
                history.push(entry);
            }
        }
        history.truncate(HISTORY_MAX);
        json!(history)
    }

    fn list(&self, pointer: &str) -> Vec<String> {
        let list = self.resource.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// One line about a call, for the host's log: which one, when its reconcile began,
/// and what it was answered so far.
pub(super) fn line(resource: &Value, observation: &Observation) -> String {
    let text = |pointer| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let case = |response: &Response| {
        let shown = self::response(response);
        shown.get("case").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let answers = observation.answers.iter();
    let answers: Vec<String> =
        answers.map(|answer| format!("{}={}", answer.id, case(&answer.response))).collect();
    let (round, now) = (observation.round, observation.now_ms);
    format!("called for {namespace}/{name}. round={round} now={now} answers=[{}]", answers.join(" "))
}

/// The names of objects by kind; a kind without any is left out.
fn names(of_kinds: &[ObjectsOfKind]) -> BTreeMap<&str, Vec<String>> {
    let some = of_kinds.iter().filter(|of_kind| !of_kind.objects.is_empty());
    some.map(|of_kind| {
        (of_kind.kind.kind.as_str(), of_kind.objects.iter().map(|object| name(object)).collect())
    })
    .collect()
}

fn name(object: &str) -> String {
    let object: Value = serde_json::from_str(object).unwrap_or_default();
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn response(response: &Response) -> Value {
    match response {
        Response::Object(None) => json!({ "case": "none" }),
        Response::Object(Some(object)) => {
            let parsed: Value = serde_json::from_str(object).unwrap_or_default();
            let data = parsed.get("data").cloned().unwrap_or_else(|| json!({}));
            json!({ "case": "object", "name": name(object), "data": data })
        }
        Response::Objects(objects) => {
            let names: Vec<String> = objects.iter().map(|object| name(object)).collect();
            json!({ "case": "objects", "names": names })
        }
        Response::Exchange(ended) => end(ended),
        Response::Denied(reason) => json!({ "case": "denied", "reason": reason }),
        Response::Unavailable(reason) => json!({ "case": "unavailable", "reason": reason }),
    }
}

fn case(end: &ExchangeEnd) -> String {
    self::end(end).get("case").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn end(end: &ExchangeEnd) -> Value {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let texts = |replies: &[Vec<u8>]| replies.iter().map(text).collect::<Vec<_>>();
    let partial = |case: &str, partial: &PartialReplies| json!({ "case": case, "replies": texts(&partial.replies), "rest": text(&partial.rest) });
    let reasoned = |case: &str, reason: &str| json!({ "case": case, "reason": reason });
    match end {
        ExchangeEnd::Replies(replies) => json!({ "case": "replies", "replies": texts(replies) }),
        ExchangeEnd::Refused => json!({ "case": "refused" }),
        ExchangeEnd::Timeout(replies) => partial("timeout", replies),
        ExchangeEnd::Reset(replies) => partial("reset", replies),
        ExchangeEnd::TooLarge(replies) => partial("too-large", replies),
        ExchangeEnd::Unexpected(replies) => partial("unexpected", replies),
        ExchangeEnd::Stale => json!({ "case": "stale" }),
        ExchangeEnd::Denied(reason) => reasoned("denied", reason),
        ExchangeEnd::Gone => json!({ "case": "gone" }),
        ExchangeEnd::TlsFailed(reason) => reasoned("tls-failed", reason),
        ExchangeEnd::Unreachable(reason) => reasoned("unreachable", reason),
    }
}
