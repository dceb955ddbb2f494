//! Calls the component until it settles: answers what it asks, and puts on record
//! what must be there first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    answer::{Answered, Asking},
    dependencies::Read,
    observe::Observed,
    resource_status::NewStatus,
    runtime::{Live, Runtime},
    status::{self, Wrote},
};
use crate::{
    engine::{CallContext, CallError},
    exchange::Room,
    model::{Decision, Failure, Outcome, Question, Request},
    plan::Fingerprint,
};

/// What the ids of questions and the reasons for failures may take of the input
/// beside what was read and received.
const FOR_WORDS: usize = 16 * 1024;

/// A decision that stands.
pub(super) struct Settlement {
    pub(super) outcome: Outcome,
    /// Whether a status was put on record on the way.
    pub(super) checkpointed: bool,
    /// Reads that were refused for want of a right.
    pub(super) forbidden: Vec<String>,
}

/// Why there is no decision. Nothing was changed, but for checkpoints.
pub(super) enum Undecided {
    /// What was observed has changed: begin anew.
    Stale,
    /// The resource is gone.
    Gone,
    /// It is told in a condition.
    Failed(Trouble),
}

/// Something that is told in a condition.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// When to try again; none leaves it to the back-off.
    pub(super) wait: Option<Duration>,
    /// Whether only a change can help.
    pub(super) until_changed: bool,
}

impl Trouble {
    pub(super) fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message, wait: None, until_changed: false }
    }
}

/// The rounds of one reconcile.
pub(super) struct Rounds<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) live: &'a Live,
    pub(super) observed: &'a mut Observed,
    /// When the reconcile must be over.
    pub(super) deadline: Instant,
    /// Everything that was read, as the component is shown it, also if nothing comes
    /// of it.
    pub(super) reads: &'a mut BTreeMap<Read, Fingerprint>,
}

impl Rounds<'_> {
    /// Calls the component until it settles.
    pub(super) async fn decide(&mut self) -> Result<Settlement, Undecided> {
        let limit = self.live.terms.limits.rounds;
        let shown = self.observed.observation.bytes().saturating_add(FOR_WORDS);
        let room = Arc::new(Room::new(self.live.terms.limits.input_bytes.saturating_sub(shown)));
        let (mut checkpointed, mut forbidden, mut exchanges) = (false, Vec::new(), 0);
        for round in 0..limit {
            self.observed.observation.round = round;
            match self.call().await? {
                Decision::Settle(outcome) => {
                    return Ok(Settlement { outcome, checkpointed, forbidden });
                }
                Decision::Ask(questions) => {
                    self.check(&questions, &mut exchanges)?;
                    let Answered { answers, reads, forbidden: refused } = self.ask(questions, &room).await;
                    self.observed.observation.answers.extend(answers);
                    self.reads.extend(reads);
                    forbidden.extend(refused);
                }
                Decision::Checkpoint(status) => {
                    self.checkpoint(&status).await?;
                    checkpointed = true;
                }
            }
        }
        self.runtime.metrics.limit_breach("rounds");
        let message = format!(
            "the component did not settle within {limit} rounds (limit rounds): it asks or checkpoints for ever"
        );
        Err(Undecided::Failed(Trouble::new("TooManyRounds", message)))
    }

    async fn call(&self) -> Result<Decision, Undecided> {
        let context = CallContext {
            operlet: self.runtime.operlet.clone(),
            resource: self.observed.owner.key.to_string().into(),
        };
        let Live { component, terms, .. } = self.live;
        let begun = Instant::now();
        let called = component.reconcile(&self.observed.observation, &terms.limits, &context).await;
        self.runtime.metrics.guest_call(result_name(&called), begun.elapsed().as_secs_f64());
        match called {
            Ok(Ok(decision)) => Ok(decision),
            Ok(Err(failure)) => Err(Undecided::Failed(failed(failure))),
            Err(error) => {
                if let Some(limit) = error.limit() {
                    self.runtime.metrics.limit_breach(limit);
                }
                Err(Undecided::Failed(call_failed(&error)))
            }
        }
    }

    /// What no single answer can be checked for.
    fn check(&self, questions: &[Question], exchanges: &mut usize) -> Result<(), Undecided> {
        let answered: BTreeSet<&str> =
            self.observed.observation.answers.iter().map(|answer| answer.id.as_str()).collect();
        if let Some(twice) = questions.iter().find(|question| answered.contains(question.id.as_str())) {
            let message = format!(
                "the component asks {:?} again: an id may be used once in a reconcile, and its answer stays",
                twice.id
            );
            return Err(Undecided::Failed(Trouble::new("ComponentFailed", message)));
        }
        let new =
            questions.iter().filter(|question| matches!(question.request, Request::Exchange(_))).count();
        *exchanges = exchanges.saturating_add(new);
        let limit = self.live.terms.limits.exchanges;
        if *exchanges > limit {
            self.runtime.metrics.limit_breach("exchanges");
            let message = format!(
                "the component wants {exchanges} exchanges in one reconcile, and the limit is {limit} (limit \
                 exchanges)"
            );
            return Err(Undecided::Failed(Trouble::new("TooManyExchanges", message)));
        }
        Ok(())
    }

    async fn ask(&self, questions: Vec<Question>, room: &Arc<Room>) -> Answered {
        let Self { runtime, live, observed, deadline, .. } = self;
        Asking { runtime, live, observed, deadline: *deadline, room }.answer(questions).await
    }

    /// Puts a status on record, if the resource is still the one observed.
    async fn checkpoint(&mut self, wanted: &str) -> Result<(), Undecided> {
        let new = NewStatus {
            wanted: Some(wanted),
            conditions: &[],
            generation: None,
            state_version: Some(self.live.manifest.state.writes),
            now: "",
        };
        let wrote = status::write(self.runtime, self.live, &self.observed.resource, &new).await;
        self.runtime.metrics.checkpoint(match &wrote {
            Ok(Wrote::Unchanged | Wrote::Written(_)) => "written",
            Ok(Wrote::Stale | Wrote::Gone) => "conflict",
            Err(_) => "failed",
        });
        match wrote {
            Ok(Wrote::Unchanged) => Ok(()),
            Ok(Wrote::Written(resource)) => {
                self.observed.moves_on(resource);
                Ok(())
            }
            Ok(Wrote::Stale) => Err(Undecided::Stale),
            Ok(Wrote::Gone) => Err(Undecided::Gone),
            Err(error) => {
                let reason = if error.forbidden { "Forbidden" } else { "WriteFailed" };
                Err(Undecided::Failed(Trouble::new(reason, error.to_string())))
            }
        }
    }
}

fn result_name(called: &Result<Result<Decision, Failure>, CallError>) -> &'static str {
    match called {
        Ok(Ok(Decision::Settle(_))) => "settle",
        Ok(Ok(Decision::Ask(_))) => "ask",
        Ok(Ok(Decision::Checkpoint(_))) => "checkpoint",
        Ok(Err(Failure::Retry { .. })) => "retry",
        Ok(Err(Failure::Invalid(_))) => "invalid",
        Ok(Err(Failure::Bug(_))) => "bug",
        Err(error) => error.class(),
    }
}

fn failed(failure: Failure) -> Trouble {
    match failure {
        Failure::Retry { message, after_ms } => {
            Trouble { wait: after_ms.map(Duration::from_millis), ..Trouble::new("Retrying", message) }
        }
        Failure::Invalid(message) => {
            Trouble { until_changed: true, ..Trouble::new("InvalidResource", message) }
        }
        Failure::Bug(message) => Trouble::new("ComponentBug", message),
    }
}

fn call_failed(error: &CallError) -> Trouble {
    let reason = match error {
        CallError::Trap { .. } => "ComponentTrapped",
        error if error.is_components_fault() => "ComponentFailed",
        _ => "NotCalled",
    };
    Trouble::new(reason, error.to_string())
}
