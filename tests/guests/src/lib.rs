//! What the components for the host's tests have in common: the bindings, made
//! straight from `wit/` so that nothing stands between a test and the contract,
//! everything that they do wrong, and a component that does what its resource says.

pub mod behaviour;
pub mod scripted;

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated code; the documentation stands in wit/")]
mod generated {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "operator",
        pub_export_macro: true,
        export_macro_name: "export_operator",
        default_bindings_module: "operlet_test_guests",
    });
}

pub use generated::{export_operator, exports, operlet};

/// The types of the reconciler.
pub use generated::exports::operlet::operator::reconciler;

use generated::operlet::operator::{
    diagnostics::{self, Level},
    types::{GroupVersionKind, Limits, ResourceKind, StateVersions},
};
use reconciler::{
    ChildKind, Condition, ConditionStatus, Create, Decision, Ensure, Event, EventType, Intent, Manifest,
    Observation, Outcome,
};

/// A manifest that can be used: `Thing`s bring about ConfigMaps and Secrets.
#[must_use]
pub fn manifest() -> Manifest {
    let limits = Limits {
        memory_bytes: None,
        call_ms: None,
        reconcile_ms: None,
        concurrency: None,
        extensions: Vec::new(),
    };
    Manifest {
        name: "things".to_owned(),
        version: "0.1.0".to_owned(),
        contract: "0.1.0".to_owned(),
        primary: kind("test.operlet.dev", "Thing", "things"),
        children: vec![
            ChildKind { resource: kind("", "ConfigMap", "configmaps"), prune: true },
            ChildKind { resource: kind("", "Secret", "secrets"), prune: false },
        ],
        observed_only: vec![kind("", "Pod", "pods")],
        reads: Vec::new(),
        ports: vec![6379],
        finalizer: false,
        state: StateVersions { writes: 1, reads: vec![1] },
        limits,
        extensions: Vec::new(),
    }
}

/// A namespaced kind at version v1.
#[must_use]
pub fn kind(group: &str, kind: &str, plural: &str) -> ResourceKind {
    let kind = GroupVersionKind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() };
    ResourceKind { kind, plural: plural.to_owned(), namespaced: true }
}

/// An outcome of these intents and nothing else.
#[must_use]
pub fn outcome(intents: Vec<Intent>) -> Outcome {
    Outcome {
        intents,
        status: None,
        conditions: Vec::new(),
        events: Vec::new(),
        requeue_after_ms: None,
        carry: Vec::new(),
        released: false,
        probes: Vec::new(),
        extensions: Vec::new(),
    }
}

/// That this object should be so.
#[must_use]
pub fn ensure(object: String) -> Intent {
    Intent::Ensure(Ensure { object, if_unchanged: None, extensions: Vec::new() })
}

/// That this object should exist.
#[must_use]
pub fn create(object: String) -> Intent {
    Intent::Create(Create { object, extensions: Vec::new() })
}

/// A ConfigMap of this name with one entry. Neither may need escaping.
#[must_use]
pub fn config_map(name: &str, value: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"value":"{value}"}}}}"#
    )
}

/// A condition that holds.
#[must_use]
pub fn condition(type_: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: ConditionStatus::True,
        reason: "Tested".to_owned(),
        message: "as the test wants it".to_owned(),
    }
}

/// An event that says nothing.
#[must_use]
pub fn event(reason: &str) -> Event {
    Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        message: "all of it".to_owned(),
        action: "Show".to_owned(),
        extensions: Vec::new(),
    }
}

/// Behaves well, and shows in its decision everything that it was shown.
#[must_use]
pub fn show(observation: &Observation) -> Decision {
    let entropy: String = observation.entropy.iter().map(|byte| format!("{byte:02x}")).collect();
    let count = |kinds: &[reconciler::ObjectsOfKind]| kinds.iter().map(|kind| kind.objects.len()).sum::<usize>();
    let (seen, gone) = (count(&observation.observed), count(&observation.departed));
    let value = format!(
        "now {} entropy {entropy} round {} seen {seen} gone {gone} answers {} probes {}",
        observation.now_ms,
        observation.round,
        observation.answers.len(),
        observation.probes.len()
    );
    let mut outcome = outcome(vec![
        ensure(config_map("shown", &value)),
        create(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"made"}}"#.to_owned()),
    ]);
    outcome.status = Some(format!(r#"{{"seen":{seen},"carried":{}}}"#, observation.carry.len()));
    outcome.conditions = vec![condition("Ready")];
    outcome.events = vec![event("Shown")];
    outcome.requeue_after_ms = Some(60_000);
    outcome.carry = vec![1, 2, 3];
    outcome.released = observation.deleting;
    Decision::Settle(outcome)
}

/// Sends the messages of panics to the host.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| diagnostics::log(Level::Error, &info.to_string())));
}
