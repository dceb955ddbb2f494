//! Between the bindings of contract 0.1.0 and the model. Every record is taken
//! apart field by field, so that a new field cannot be forgotten.

use super::{
    bindings::v0_1_0::{exports::operlet::operator::reconciler as bindings, operlet::operator::types},
    convert_exchange as exchanges,
};
use crate::model::{
    Amend, Answer, ChildKind, Condition, ConditionStatus, Decision, Ensure, Event, EventType, Failure,
    GroupVersionKind, Intent, Manifest, ObjectKey, ObjectsOfKind, Observation, ObservedVersion, Outcome,
    Question, Remove, Request, RequestedLimits, ResourceKind, Response, StateVersions,
};

pub(super) fn observation(observation: &Observation) -> bindings::Observation {
    let Observation {
        resource,
        deleting,
        observed,
        departed,
        answers,
        round,
        now_ms,
        entropy,
        carry,
        probes,
        settings,
    } = observation;
    bindings::Observation {
        resource: resource.to_string(),
        deleting: *deleting,
        observed: observed.iter().map(objects_of_kind).collect(),
        departed: departed.iter().map(objects_of_kind).collect(),
        answers: answers.iter().map(answer).collect(),
        round: *round,
        now_ms: *now_ms,
        entropy: entropy.to_vec(),
        carry: carry.clone(),
        probes: probes.iter().map(exchanges::probe_report).collect(),
        settings: settings.to_string(),
        extensions: Vec::new(),
    }
}

fn objects_of_kind(objects: &ObjectsOfKind) -> bindings::ObjectsOfKind {
    let ObjectsOfKind { kind: GroupVersionKind { group, version, kind }, objects } = objects;
    bindings::ObjectsOfKind {
        kind: types::GroupVersionKind { group: group.clone(), version: version.clone(), kind: kind.clone() },
        objects: objects.iter().map(|object| object.to_string()).collect(),
    }
}

pub(super) fn decision(decision: bindings::Decision) -> Decision {
    match decision {
        bindings::Decision::Ask(questions) => Decision::Ask(questions.into_iter().map(question).collect()),
        bindings::Decision::Checkpoint(bindings::Checkpoint { status, extensions: _ }) => {
            Decision::Checkpoint(status)
        }
        bindings::Decision::Settle(settled) => Decision::Settle(outcome(settled)),
    }
}

pub(super) fn failure(failure: bindings::Failure) -> Failure {
    match failure {
        bindings::Failure::Retry(bindings::Retry { message, after_ms }) => {
            Failure::Retry { message, after_ms }
        }
        bindings::Failure::Invalid(message) => Failure::Invalid(message),
        bindings::Failure::Bug(message) => Failure::Bug(message),
    }
}

fn outcome(outcome: bindings::Outcome) -> Outcome {
    let bindings::Outcome {
        intents,
        status,
        conditions,
        events,
        requeue_after_ms,
        carry,
        released,
        probes,
        extensions: _,
    } = outcome;
    Outcome {
        intents: intents.into_iter().map(intent).collect(),
        status,
        conditions: conditions.into_iter().map(condition).collect(),
        events: events.into_iter().map(event).collect(),
        requeue_after_ms,
        carry,
        released,
        probes: probes.into_iter().map(exchanges::probe).collect(),
    }
}

fn question(question: bindings::Question) -> Question {
    let bindings::Question { id, request } = question;
    let request = match request {
        bindings::Request::Get(key) => Request::Get(object_key(key)),
        bindings::Request::List(bindings::ListQuery { kind, selector, extensions: _ }) => {
            Request::List { kind: group_version_kind(kind), selector }
        }
        bindings::Request::Exchange(exchange) => Request::Exchange(exchanges::exchange(exchange)),
    };
    Question { id, request }
}

fn answer(answer: &Answer) -> bindings::Answer {
    let Answer { id, response } = answer;
    let text = |object: &std::sync::Arc<str>| object.to_string();
    let response = match response {
        Response::Object(object) => bindings::Response::Object(object.as_ref().map(text)),
        Response::Objects(objects) => bindings::Response::Objects(objects.iter().map(text).collect()),
        Response::Exchange(end) => bindings::Response::Exchange(exchanges::end(end)),
        Response::Denied(reason) => bindings::Response::Denied(reason.clone()),
        Response::Unavailable(reason) => bindings::Response::Unavailable(reason.clone()),
    };
    bindings::Answer { id: id.clone(), response, extensions: Vec::new() }
}

fn intent(intent: bindings::Intent) -> Intent {
    match intent {
        bindings::Intent::Ensure(bindings::Ensure { object, if_unchanged, extensions: _ }) => {
            let if_unchanged = if_unchanged.map(|bindings::ObservedVersion { uid, resource_version }| {
                ObservedVersion { uid, resource_version }
            });
            Intent::Ensure(Ensure { object, if_unchanged })
        }
        bindings::Intent::Create(bindings::Create { object, extensions: _ }) => Intent::Create(object),
        bindings::Intent::Amend(bindings::Amend { object, uid, extensions: _ }) => {
            Intent::Amend(Amend { object, uid })
        }
        bindings::Intent::Remove(bindings::Remove { key, uid, extensions: _ }) => {
            Intent::Remove(Remove { key: object_key(key), uid })
        }
        bindings::Intent::Keep(key) => Intent::Keep(object_key(key)),
    }
}

fn object_key(key: types::ObjectKey) -> ObjectKey {
    let types::ObjectKey { kind, namespace, name } = key;
    ObjectKey { kind: group_version_kind(kind).into(), namespace, name }
}

fn condition(condition: bindings::Condition) -> Condition {
    let bindings::Condition { type_, status, reason, message } = condition;
    let status = match status {
        bindings::ConditionStatus::True => ConditionStatus::True,
        bindings::ConditionStatus::False => ConditionStatus::False,
        bindings::ConditionStatus::Unknown => ConditionStatus::Unknown,
    };
    Condition { type_, status, reason, message }
}

fn event(event: bindings::Event) -> Event {
    let bindings::Event { type_, reason, message, action, extensions: _ } = event;
    let type_ = match type_ {
        bindings::EventType::Normal => EventType::Normal,
        bindings::EventType::Warning => EventType::Warning,
    };
    Event { type_, reason, message, action }
}

pub(super) fn manifest(manifest: bindings::Manifest) -> Manifest {
    let bindings::Manifest {
        name,
        version,
        contract,
        primary,
        children,
        observed_only,
        reads,
        ports,
        finalizer,
        state: types::StateVersions { writes, reads: state_reads },
        limits: types::Limits { memory_bytes, call_ms, reconcile_ms, concurrency, extensions: _ },
        extensions: _,
    } = manifest;
    Manifest {
        name,
        version,
        contract,
        primary: resource_kind(primary),
        children: children
            .into_iter()
            .map(|bindings::ChildKind { resource, prune }| ChildKind {
                resource: resource_kind(resource),
                prune,
            })
            .collect(),
        observed_only: observed_only.into_iter().map(resource_kind).collect(),
        reads: reads.into_iter().map(resource_kind).collect(),
        ports,
        finalizer,
        state: StateVersions { writes, reads: state_reads },
        limits: RequestedLimits { memory_bytes, call_ms, reconcile_ms, concurrency },
    }
}

fn resource_kind(kind: types::ResourceKind) -> ResourceKind {
    let types::ResourceKind { kind, plural, namespaced } = kind;
    ResourceKind { kind: group_version_kind(kind), plural, namespaced }
}

fn group_version_kind(kind: types::GroupVersionKind) -> GroupVersionKind {
    let types::GroupVersionKind { group, version, kind } = kind;
    GroupVersionKind { group, version, kind }
}
