use serde::Serialize;

use crate::{Checkpoint, Decision, Exchange, Failure, Kind, ListQuery, Question, Request, outcome::json};

impl Decision {
    /// It needs to know more: the questions are answered side by side, then it is
    /// called again with the answers.
    pub fn ask(questions: impl Into<Vec<Question>>) -> Self {
        Self::Ask(questions.into())
    }

    /// This status must be on record before anything that follows from it.
    ///
    /// # Errors
    ///
    /// [`Failure::Bug`] if the status cannot be written as JSON.
    pub fn checkpoint(status: &impl Serialize) -> Result<Self, Failure> {
        let status = json("the status", status)?;
        Ok(Self::Checkpoint(Checkpoint { status, extensions: Vec::new() }))
    }
}

impl Question {
    /// Asks for one object, in the resource's namespace or in none.
    ///
    /// ```
    /// use operlet_sdk::{Decision, Question, kinds};
    ///
    /// let decision = Decision::ask([Question::get("password", &kinds::SECRET, "web-password")]);
    /// assert!(matches!(decision, Decision::Ask(questions) if questions.len() == 1));
    /// ```
    pub fn get(id: impl Into<String>, kind: &Kind, name: impl Into<String>) -> Self {
        Self { id: id.into(), request: Request::Get(kind.key(name)) }
    }

    /// Asks for all objects of a kind that match a label selector; an empty one
    /// selects all.
    pub fn list(id: impl Into<String>, kind: &Kind, selector: impl Into<String>) -> Self {
        let query = ListQuery { kind: kind.into(), selector: selector.into(), extensions: Vec::new() };
        Self { id: id.into(), request: Request::List(query) }
    }

    /// Asks for an exchange with a pod that the resource owns.
    pub fn exchange(id: impl Into<String>, exchange: Exchange) -> Self {
        Self { id: id.into(), request: Request::Exchange(exchange) }
    }
}
