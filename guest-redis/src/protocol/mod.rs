//! The failover protocol: facts, record and policy in, the next step out.
//!
//! It knows neither JSON nor RESP nor Kubernetes objects nor exchanges. Intent is on
//! record before the act that follows from it, so a reconcile that ends between any
//! two steps goes on from the record alone. `tests/explore` drives this very code
//! through every interleaving of a bounded number of faults: change nothing here
//! without it.

mod attach;
mod bootstrap;
mod case;
mod effective;
mod elect;
mod evidence;
pub mod facts;
mod fence;
mod full_restart;
mod hibernate;
pub mod policy;
mod promote;
pub mod record;
mod roll;
pub mod rules;
mod scale;
mod steady;
pub mod step;
mod strike;
mod suspect;
mod switchover;
mod zombie;

use std::collections::BTreeSet;

use case::Case;
use facts::Facts;
use policy::Policy;
use record::{Incarnation, Phase, Record};
use step::{Settlement, Step};

/// The followers on record that follow the primary and have what it has.
#[must_use]
pub fn in_sync(policy: &Policy, facts: &Facts, record: &Record) -> BTreeSet<Incarnation> {
    let Some(answers) = &facts.answers else { return BTreeSet::new() };
    Case { policy, facts, record, answers }.in_sync().collect()
}

/// The next step.
#[must_use]
pub fn step(policy: &Policy, facts: &Facts, record: &Record) -> Step {
    if policy.paused {
        return Step::Settle(Settlement::default());
    }
    let Some(answers) = &facts.answers else { return Step::Look };
    let case = Case { policy, facts, record, answers };
    if record.epoch == 0 {
        return bootstrap::step(&case);
    }
    if let Some(step) = evidence::keep(&case).or_else(|| hibernate::asleep(&case)) {
        return step;
    }
    match record.phase() {
        Some(Phase::Fence) => fence::step(&case),
        Some(Phase::Promote) => zombie::demote(&case).unwrap_or_else(|| promote::step(&case)),
        Some(Phase::HandOver) => switchover::step(&case),
        Some(Phase::Open | Phase::Kick) | None => steady::step(&case),
    }
}
