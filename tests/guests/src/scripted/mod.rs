//! A component that does what its resource says, so that a test can say it in
//! YAML and read in `status.seen` what the component was shown.
//!
//! `spec.rounds` lists decisions. The first that is still to be made is made: an
//! `ask` is done when all of it is answered, a `checkpoint` when it is on record,
//! and the last one is made again and again. `spec.deleting` takes the place of
//! `spec.rounds` while the resource is being deleted. Without `spec.rounds`
//! nothing is decided.
//!
//! Texts may hold `$uid:Kind/name` and `$version:Kind/name` of observed objects,
//! `$name` and `$namespace` of the resource, `$round`, `$now` and `$entropy`. A
//! question, an intent or a probe that names an object which is not observed is
//! left out.

mod convert;
mod format;
mod names;
mod seen;

use serde_json::{Map, Value};

use crate::{
    behaviour,
    behaviour::Answer,
    kind, manifest as plain_manifest, outcome,
    reconciler::{Checkpoint, ChildKind, Decision, Failure, Manifest, Observation, Outcome, Question, Retry},
};
use format::{Failing, RetryScript, Script, Settling, Step};
use names::Names;

/// What tells one scripted component from another.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The component's name.
    pub name: &'static str,
    /// The kind it reconciles, of the group `test.operlet.dev` at `v1`.
    pub kind: &'static str,
    /// The kind's plural.
    pub plural: &'static str,
    /// Whether its resources get the host's finalizer.
    pub finalizer: bool,
}

/// Resources that go when they are deleted.
pub const THINGS: Variant = Variant { name: "things", kind: "Thing", plural: "things", finalizer: false };

/// Resources that wait for the component's word.
pub const FINAL_THINGS: Variant =
    Variant { name: "final-things", kind: "FinalThing", plural: "finalthings", finalizer: true };

/// What the component says of itself.
#[must_use]
pub fn manifest(variant: Variant) -> Manifest {
    let Variant { name, kind: primary, plural, finalizer } = variant;
    let child = |group, name, plural, prune| ChildKind { resource: kind(group, name, plural), prune };
    Manifest {
        name: name.to_owned(),
        primary: kind("test.operlet.dev", primary, plural),
        children: vec![
            child("", "ConfigMap", "configmaps", true),
            child("", "Secret", "secrets", false),
            child("", "Service", "services", true),
            child("apps", "StatefulSet", "statefulsets", true),
            child("", "Pod", "pods", false),
            child("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
        ],
        observed_only: Vec::new(),
        reads: vec![kind("", "Secret", "secrets"), kind("", "ConfigMap", "configmaps")],
        ports: vec![6379, 7000, 7001],
        finalizer,
        ..plain_manifest()
    }
}

/// Decides as the resource says.
///
/// # Errors
/// Those that the resource asks for; `invalid` if its script cannot be read, with
/// what is wrong.
pub fn reconcile(observation: &Observation) -> Answer {
    let resource: Value = serde_json::from_str(&observation.resource)
        .map_err(|error| Failure::Bug(format!("the resource is no JSON: {error}")))?;
    let spec = resource.get("spec").cloned().unwrap_or_default();
    let script: Script = read("spec", if spec.is_null() { Value::Object(Map::new()) } else { spec })?;
    let steps = match (observation.deleting, script.deleting) {
        (true, Some(deleting)) => Some(deleting),
        _ => script.rounds,
    };
    match steps {
        Some(steps) => {
            Player { observation, names: Names::new(&resource, observation), resource }.play(steps)
        }
        None => Ok(Decision::Settle(outcome(Vec::new()))),
    }
}

/// One line about a call, for the host's log, so that a test can count the calls
/// for one resource.
#[must_use]
pub fn line(observation: &Observation) -> String {
    seen::line(&serde_json::from_str(&observation.resource).unwrap_or_default(), observation)
}

fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::Invalid(format!("{what}: {error}")))
}

/// Plays a script.
struct Player<'a> {
    observation: &'a Observation,
    names: Names,
    resource: Value,
}

impl Player<'_> {
    fn play(&self, steps: Vec<Value>) -> Answer {
        let count = steps.len();
        for (index, step) in steps.into_iter().enumerate() {
            let what = format!("spec.rounds[{index}]");
            let last = index + 1 == count;
            match read(&what, step)? {
                Step::Ask(questions) => {
                    let questions = self.questions(&what, questions)?;
                    let answered = |id: &str| self.observation.answers.iter().any(|answer| answer.id == id);
                    let done = questions.iter().all(|question| answered(&question.id));
                    if !questions.is_empty() && (!done || last) {
                        return Ok(Decision::Ask(questions));
                    }
                }
                Step::Checkpoint(status) => {
                    let status = self.resolved(&what, Value::Object(status))?;
                    if !self.is_on_record(&status) || last {
                        let status = status.to_string();
                        return Ok(Decision::Checkpoint(Checkpoint { status, extensions: Vec::new() }));
                    }
                }
                Step::Settle(settling) => return self.settle(&what, *settling).map(Decision::Settle),
                Step::Fail(failing) => return Err(fail(failing)),
                Step::Behave(name) => {
                    let unknown = || Err(Failure::Invalid(format!("{what}: there is no behaviour {name}")));
                    return behaviour::behave(&name, self.observation).unwrap_or_else(unknown);
                }
            }
        }
        self.settle("spec.rounds", Settling::default()).map(Decision::Settle)
    }

    fn questions(&self, what: &str, questions: Vec<Value>) -> Result<Vec<Question>, Failure> {
        let asked = self.resolvable(questions).into_iter().map(|question| read(what, question));
        let asked: Vec<format::Asking> = asked.collect::<Result<_, _>>()?;
        let questions = asked.into_iter().filter_map(|asking| convert::question(asking, &self.names));
        questions.collect::<Result<_, _>>().map_err(|error| Failure::Invalid(format!("{what}: {error}")))
    }

    fn settle(&self, what: &str, settling: Settling) -> Result<Outcome, Failure> {
        let invalid = |error: String| Failure::Invalid(format!("{what}: {error}"));
        let mut outcome = outcome(Vec::new());
        for intent in self.resolvable(settling.intents) {
            outcome.intents.push(convert::intent(read(what, intent)?).map_err(invalid)?);
        }
        for probe in self.resolvable(settling.probes) {
            outcome.probes.extend(convert::probe(read(what, probe)?, &self.names));
        }
        for condition in settling.conditions {
            outcome.conditions.push(convert::condition(read(what, self.resolved(what, condition)?)?));
        }
        for event in settling.events {
            outcome.events.push(convert::event(read(what, self.resolved(what, event)?)?));
        }
        let status = self.resolved(what, Value::Object(settling.status))?;
        let status = seen::Status {
            observation: self.observation,
            resource: &self.resource,
            keep: settling.keep_status,
            remember_departed: settling.remember_departed,
            remember_probes: settling.remember_probes,
            show: &settling.show,
        }
        .with(status);
        outcome.status = (!settling.silent).then(|| status.to_string());
        outcome.requeue_after_ms = settling.requeue_after_ms;
        let carry = self.names.fill(&settling.carry).map_err(unresolved(what))?;
        outcome.carry = carry.into_bytes();
        outcome.released = settling.released;
        Ok(outcome)
    }

    /// Those of them whose names are all known.
    fn resolvable(&self, values: Vec<Value>) -> Vec<Value> {
        values.into_iter().filter_map(|value| self.names.resolve(value).ok()).collect()
    }

    fn resolved(&self, what: &str, value: Value) -> Result<Value, Failure> {
        self.names.resolve(value).map_err(unresolved(what))
    }

    fn is_on_record(&self, wanted: &Value) -> bool {
        let mut fields = wanted.as_object().into_iter().flatten();
        fields.all(|(name, value)| self.resource.pointer(&format!("/status/{name}")) == Some(value))
    }
}

/// That something is not observed passes, most likely.
fn unresolved(what: &str) -> impl Fn(String) -> Failure {
    move |name| {
        let message = format!("{what}: {name} is not observed");
        Failure::Retry(Retry { message, after_ms: Some(500) })
    }
}

fn fail(failing: Failing) -> Failure {
    match failing {
        Failing::Retry(RetryScript::Message(message)) => Failure::Retry(Retry { message, after_ms: None }),
        Failing::Retry(RetryScript::After { message, after_ms }) => {
            Failure::Retry(Retry { message, after_ms: Some(after_ms) })
        }
        Failing::Invalid(message) => Failure::Invalid(message),
        Failing::Bug(message) => Failure::Bug(message),
    }
}

#[cfg(test)]
mod tests;
