//! Checks of what goes into a call and of what comes out, as far as they need
//! nothing but the contract and the limits.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::{
    bindings::v0_1_0::exports::operlet::operator::reconciler as bindings, call::CallError, verify_exchange,
};
use crate::model::{Limits, Observation};

const CONDITION_TYPE_BYTES_MAX: usize = 316;
const CONDITION_REASON_BYTES_MAX: usize = 1024;
const CONDITION_MESSAGE_BYTES_MAX: usize = 32 * 1024;
const EVENTS_MAX: usize = 16;
const EVENT_REASON_BYTES_MAX: usize = 128;
const EVENT_MESSAGE_BYTES_MAX: usize = 1024;
const EVENT_ACTION_BYTES_MAX: usize = 128;
const EXTENSIONS_MAX: usize = 32;
/// Kubernetes takes no more condition types either than it makes sense to read.
const CONDITIONS_MAX: usize = 64;

/// Whether an observation may be shown.
pub(super) fn observation(observation: &Observation, limits: &Limits) -> Result<(), CallError> {
    let count = observation.observed.iter().map(|kind| kind.objects.len()).sum();
    if count > limits.objects {
        return Err(CallError::TooManyObserved { count, limit: limits.objects });
    }
    let bytes = observation.bytes();
    if bytes > limits.input_bytes {
        return Err(CallError::InputTooLarge { bytes, limit: limits.input_bytes });
    }
    Ok(())
}

/// Whether an answer keeps to the contract.
pub(super) fn answer(
    answer: &Result<bindings::Decision, bindings::Failure>,
    limits: &Limits,
) -> Result<(), CallError> {
    let mut check = Check { bytes: 0, limit: limits.output_bytes };
    match answer {
        Ok(bindings::Decision::Settle(outcome)) => settled(outcome, limits, &mut check),
        Ok(bindings::Decision::Checkpoint(checkpoint)) => {
            check.object("checkpoint.status", &checkpoint.status)?;
            check.extensions("checkpoint", &checkpoint.extensions)
        }
        Ok(bindings::Decision::Ask(questions)) => {
            verify_exchange::questions(questions, limits.objects, &mut check)
        }
        Err(
            bindings::Failure::Retry(bindings::Retry { message, .. })
            | bindings::Failure::Invalid(message)
            | bindings::Failure::Bug(message),
        ) => check.text("failure.message", message, 0..=CONDITION_MESSAGE_BYTES_MAX),
    }
}

fn settled(outcome: &bindings::Outcome, limits: &Limits, check: &mut Check) -> Result<(), CallError> {
    too_many("intents", outcome.intents.len(), limits.objects)?;
    too_many("conditions", outcome.conditions.len(), CONDITIONS_MAX)?;
    too_many("events", outcome.events.len(), EVENTS_MAX)?;
    if outcome.carry.len() > limits.carry_bytes {
        return Err(CallError::CarryTooLarge { bytes: outcome.carry.len(), limit: limits.carry_bytes });
    }
    for (index, intent) in outcome.intents.iter().enumerate() {
        self::intent(index, intent, check)?;
    }
    if let Some(status) = &outcome.status {
        check.object("status", status)?;
    }
    conditions(&outcome.conditions, check)?;
    for (index, event) in outcome.events.iter().enumerate() {
        self::event(index, event, check)?;
    }
    verify_exchange::probes(&outcome.probes, check)?;
    check.extensions("settle", &outcome.extensions)
}

fn intent(index: usize, intent: &bindings::Intent, check: &mut Check) -> Result<(), CallError> {
    let field = |name: &str| format!("intents[{index}].{name}");
    match intent {
        bindings::Intent::Ensure(ensure) => {
            check.object(&field("ensure.object"), &ensure.object)?;
            if let Some(bindings::ObservedVersion { uid, resource_version }) = &ensure.if_unchanged {
                check.name(&field("ensure.if-unchanged.uid"), uid)?;
                check.name(&field("ensure.if-unchanged.resource-version"), resource_version)?;
            }
            check.extensions(&field("ensure"), &ensure.extensions)
        }
        bindings::Intent::Create(create) => {
            check.object(&field("create.object"), &create.object)?;
            check.extensions(&field("create"), &create.extensions)
        }
        bindings::Intent::Amend(amend) => {
            check.object(&field("amend.object"), &amend.object)?;
            check.name(&field("amend.uid"), &amend.uid)?;
            check.extensions(&field("amend"), &amend.extensions)
        }
        bindings::Intent::Remove(remove) => {
            check.name(&field("remove.key.name"), &remove.key.name)?;
            check.name(&field("remove.uid"), &remove.uid)?;
            check.extensions(&field("remove"), &remove.extensions)
        }
        bindings::Intent::Keep(key) => check.name(&field("keep.name"), &key.name),
    }
}

fn conditions(conditions: &[bindings::Condition], check: &mut Check) -> Result<(), CallError> {
    let mut types = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let field = |name: &str| format!("conditions[{index}].{name}");
        check.word(&field("type"), &condition.type_, CONDITION_TYPE_BYTES_MAX)?;
        check.word(&field("reason"), &condition.reason, CONDITION_REASON_BYTES_MAX)?;
        check.text(&field("message"), &condition.message, 0..=CONDITION_MESSAGE_BYTES_MAX)?;
        if !types.insert(&condition.type_) {
            return Err(invalid(&field("type"), format!("is {}, as another's is", condition.type_)));
        }
    }
    Ok(())
}

fn event(index: usize, event: &bindings::Event, check: &mut Check) -> Result<(), CallError> {
    let field = |name: &str| format!("events[{index}].{name}");
    check.word(&field("reason"), &event.reason, EVENT_REASON_BYTES_MAX)?;
    check.text(&field("message"), &event.message, 0..=EVENT_MESSAGE_BYTES_MAX)?;
    check.text(&field("action"), &event.action, 0..=EVENT_ACTION_BYTES_MAX)?;
    check.extensions(&field("event"), &event.extensions)
}

/// Adds the texts up while it checks them.
pub(super) struct Check {
    bytes: usize,
    limit: usize,
}

impl Check {
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), CallError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit { Err(CallError::OutputTooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// One JSON value that is an object.
    fn object(&mut self, field: &str, json: &str) -> Result<(), CallError> {
        self.json(field, json)?;
        if json.trim_start().starts_with('{') {
            Ok(())
        } else {
            Err(invalid(field, "must be a JSON object".to_owned()))
        }
    }

    fn json(&mut self, field: &str, json: &str) -> Result<(), CallError> {
        self.add(json.len())?;
        serde_json::from_str::<IgnoredAny>(json)
            .map(|IgnoredAny| ())
            .map_err(|error| invalid(field, format!("is not JSON: {error}")))
    }

    pub(super) fn text(
        &mut self,
        field: &str,
        text: &str,
        bytes: std::ops::RangeInclusive<usize>,
    ) -> Result<(), CallError> {
        self.add(text.len())?;
        if bytes.contains(&text.len()) {
            return Ok(());
        }
        let (least, most) = bytes.into_inner();
        Err(invalid(field, format!("has {} bytes; {least} to {most} are allowed", text.len())))
    }

    /// A word for programs, as Kubernetes wants it in conditions.
    fn word(&mut self, field: &str, word: &str, bytes_max: usize) -> Result<(), CallError> {
        self.text(field, word, 1..=bytes_max)?;
        let inner = |c: char| c.is_ascii_alphanumeric() || "_-./,:".contains(c);
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if word.chars().all(inner) && edge(word.chars().next()) && edge(word.chars().next_back()) {
            Ok(())
        } else {
            Err(invalid(field, format!("is {word:?}; it must be one CamelCase word")))
        }
    }

    /// A name or uid, which must be there.
    pub(super) fn name(&mut self, field: &str, name: &str) -> Result<(), CallError> {
        const NAME_BYTES_MAX: usize = 253;
        self.text(field, name, 1..=NAME_BYTES_MAX)
    }

    pub(super) fn extensions(
        &mut self,
        field: &str,
        extensions: &[(String, String)],
    ) -> Result<(), CallError> {
        too_many("extensions in one record", extensions.len(), EXTENSIONS_MAX)?;
        let mut names = BTreeSet::new();
        for (name, json) in extensions {
            let field = format!("{field}.extensions[{name:?}]");
            self.add(name.len())?;
            self.json(&field, json)?;
            if !names.insert(name) {
                return Err(invalid(&field, "is there twice".to_owned()));
            }
        }
        Ok(())
    }
}

pub(super) fn too_many(what: &'static str, count: usize, limit: usize) -> Result<(), CallError> {
    if count > limit { Err(CallError::TooMany { what, count, limit }) } else { Ok(()) }
}

pub(super) fn invalid(field: &str, problem: String) -> CallError {
    CallError::InvalidOutput { field: field.to_owned(), problem }
}
