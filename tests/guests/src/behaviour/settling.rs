//! Decisions that must not be carried out.

use super::Answer;
use crate::{
    condition, config_map, ensure, event, outcome,
    reconciler::{Decision, Intent, Observation, Outcome},
};

fn settle(outcome: Outcome) -> Answer {
    Ok(Decision::Settle(outcome))
}

fn settle_one(object: impl Into<String>) -> Answer {
    settle(outcome(vec![ensure(object.into())]))
}

pub(super) fn huge_output(_: &Observation) -> Answer {
    settle_one("x".repeat(5 * 1024 * 1024))
}

pub(super) fn huge_object(_: &Observation) -> Answer {
    settle_one(config_map("huge", &"x".repeat(4 * 1024 * 1024)))
}

pub(super) fn huge_carry(_: &Observation) -> Answer {
    let mut outcome = outcome(Vec::new());
    outcome.carry = vec![0; 64 * 1024 + 1];
    settle(outcome)
}

pub(super) fn many_intents(_: &Observation) -> Answer {
    let intents: Vec<Intent> = (0..513).map(|index| ensure(config_map(&format!("map-{index}"), ""))).collect();
    settle(outcome(intents))
}

pub(super) fn many_conditions(_: &Observation) -> Answer {
    let mut outcome = outcome(Vec::new());
    outcome.conditions = (0..65).map(|index| condition(&format!("Ready{index}"))).collect();
    settle(outcome)
}

pub(super) fn many_events(_: &Observation) -> Answer {
    let mut outcome = outcome(Vec::new());
    outcome.events = (0..17).map(|index| event(&format!("Told{index}"))).collect();
    settle(outcome)
}

pub(super) fn same_conditions(_: &Observation) -> Answer {
    let mut outcome = outcome(Vec::new());
    outcome.conditions = vec![condition("Ready"), condition("Ready")];
    settle(outcome)
}

pub(super) fn no_json(_: &Observation) -> Answer {
    settle_one("{\"kind\":")
}

pub(super) fn two_json(_: &Observation) -> Answer {
    settle_one("{}{}")
}

pub(super) fn no_object(_: &Observation) -> Answer {
    settle_one("[]")
}

pub(super) fn undeclared_kind(_: &Observation) -> Answer {
    settle_one(r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"undeclared"}}"#)
}

pub(super) fn other_namespace(_: &Observation) -> Answer {
    settle_one(metadata(r#""name":"stray","namespace":"kube-system""#))
}

/// An owner of its own choice, who could then delete the object.
pub(super) fn foreign_owner(_: &Observation) -> Answer {
    let owner = r#"{"apiVersion":"v1","kind":"Node","name":"node1","uid":"1","controller":true}"#;
    settle_one(metadata(&format!(r#""name":"disowned","ownerReferences":[{owner}]"#)))
}

/// A label by which the object would be shown to another resource.
pub(super) fn forged_label(_: &Observation) -> Answer {
    settle_one(metadata(r#""name":"forged","labels":{"operlet.dev/owner":"0123456789abcdef"}"#))
}

pub(super) fn own_uid(_: &Observation) -> Answer {
    settle_one(metadata(r#""name":"chosen","uid":"00000000-0000-0000-0000-000000000001""#))
}

pub(super) fn same_object(_: &Observation) -> Answer {
    settle(outcome(vec![ensure(config_map("twice", "a")), ensure(config_map("twice", "b"))]))
}

/// Writes another resource of its own kind, which is not among its children.
pub(super) fn own_resource(_: &Observation) -> Answer {
    settle_one(r#"{"apiVersion":"test.operlet.dev/v1","kind":"Thing","metadata":{"name":"a"}}"#)
}

fn metadata(fields: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{{fields}}}}}"#)
}
