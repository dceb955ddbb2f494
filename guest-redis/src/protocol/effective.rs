//! W and maxLag: on record is what is surely in force.

use std::collections::BTreeSet;

use super::case::{Case, checkpoint};
use super::record::{Effective, RunId};
use super::rules::{Rule, holds};
use super::step::{Order, Step};

/// Brings `min-replicas` settings in line with the policy: what loosens the bound is
/// on record first, what tightens it is in force first.
pub(super) fn step(case: &Case<'_>) -> Option<Step> {
    let (primary, answer) = case.primary()?;
    let wanted = case.policy.wanted;
    let on_record = case.record.effective;
    let in_force = Effective { min_replicas: answer.min_replicas, max_lag_s: answer.max_lag_s };

    let loosened = Effective {
        min_replicas: on_record.min_replicas.min(wanted.min_replicas),
        max_lag_s: on_record.max_lag_s.max(wanted.max_lag_s),
    };
    if !holds(Rule::LowerFirst, loosened == on_record) {
        return record(case, loosened);
    }
    let online: BTreeSet<RunId> = case.in_sync().map(|who| who.run).collect();
    let enough = online.len() >= usize::from(wanted.min_replicas);
    let raises = wanted.min_replicas > in_force.min_replicas;
    let wanted = Effective {
        min_replicas: if raises && !holds(Rule::RaiseInSync, enough) {
            in_force.min_replicas
        } else {
            wanted.min_replicas
        },
        ..wanted
    };
    // One that loosens may be on its way yet. An act that was carried out ends that
    // one, so what is in force is on record only after such.
    let set = case.act(primary.who, answer, Order::Configure(wanted));
    if in_force != wanted
        || (in_force != on_record && !holds(Rule::RaiseDone, case.facts.done.contains(&set.tried())))
    {
        return case.do_once([set]);
    }
    if in_force != on_record {
        return record(case, in_force);
    }
    prove(case)
}

/// From now on clients ask for W: what they were promised before must be held by as
/// many before an election may count on it.
fn prove(case: &Case<'_>) -> Option<Step> {
    let (primary, _) = case.primary()?;
    let acks = case.record.effective.min_replicas.max(1);
    if acks <= case.record.proven.max(1) {
        return None;
    }
    let enough = case.in_sync().count() >= usize::from(acks);
    match case.facts.proof.filter(|proof| proof.run == primary.who.run) {
        None if enough && !holds(Rule::RaiseProof, false) => Some(Step::Prove { on: primary.who, acks }),
        Some(proof) if !holds(Rule::RaiseProof, proof.acks >= acks) => None,
        None if !holds(Rule::RaiseProof, false) => None,
        _ => {
            let mut record = case.record.clone();
            record.proven = acks;
            Some(checkpoint(record))
        }
    }
}

fn record(case: &Case<'_>, effective: Effective) -> Option<Step> {
    let mut record = case.record.clone();
    record.effective = effective;
    record.proven = record.proven.min(effective.min_replicas);
    Some(checkpoint(record))
}
