//! Questions that must not be answered, and rounds without end.

use super::Answer;
use crate::{
    operlet::operator::types::{GroupVersionKind, ObjectKey},
    reconciler::{Checkpoint, Decision, ListQuery, Observation, Question, Request},
};

fn config_map() -> GroupVersionKind {
    GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "ConfigMap".to_owned() }
}

fn get(id: impl Into<String>, name: &str) -> Question {
    let key = ObjectKey { kind: config_map(), namespace: None, name: name.to_owned() };
    Question { id: id.into(), request: Request::Get(key) }
}

fn ask(questions: impl Into<Vec<Question>>) -> Answer {
    Ok(Decision::Ask(questions.into()))
}

pub(super) fn nothing(_: &Observation) -> Answer {
    ask([])
}

pub(super) fn for_ever(observation: &Observation) -> Answer {
    ask([get(format!("question-{}", observation.round), "enough")])
}

pub(super) fn checkpoint_for_ever(observation: &Observation) -> Answer {
    let status = format!("{{\"step\":{}}}", observation.round);
    Ok(Decision::Checkpoint(Checkpoint { status, extensions: Vec::new() }))
}

pub(super) fn checkpoint_no_object(_: &Observation) -> Answer {
    Ok(Decision::Checkpoint(Checkpoint { status: "\"step 1\"".to_owned(), extensions: Vec::new() }))
}

pub(super) fn many_questions(_: &Observation) -> Answer {
    let questions: Vec<Question> = (0..513).map(|index| get(format!("question-{index}"), "enough")).collect();
    ask(questions)
}

pub(super) fn same_questions(_: &Observation) -> Answer {
    ask([get("same", "one"), get("same", "two")])
}

pub(super) fn nameless(_: &Observation) -> Answer {
    ask([get("nameless", "")])
}

pub(super) fn long_id(_: &Observation) -> Answer {
    ask([get("x".repeat(129), "enough")])
}

pub(super) fn huge_selector(_: &Observation) -> Answer {
    let query = ListQuery { kind: config_map(), selector: "a=b,".repeat(1025), extensions: Vec::new() };
    ask([Question { id: "all".to_owned(), request: Request::List(query) }])
}
