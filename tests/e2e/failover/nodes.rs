//! Nodes without power.

use serde_json::json;

use super::trial::{Setup, Trial, check, sure};
use crate::outage::faults::PowerCut;

/// Cuts the power of the primary's node until it is replaced.
fn without_power(trial: &mut Trial) {
    let primary = trial.primary();
    let cut = sure(PowerCut::of(&trial.cluster.lab, primary.node));
    trial.is_replaced(&primary);
    trial.sometime();
    sure(cut.restore());
}

#[test]
fn a_primary_whose_node_has_no_power_is_replaced() {
    check("node", &Setup::default(), without_power);
}

#[test]
fn a_primary_that_prefers_to_go_on_is_replaced_when_its_node_has_no_power() {
    let setup = Setup { spec: json!({ "failover": { "mode": "Available" } }), ..Setup::default() };
    check("node-available", &setup, without_power);
}

#[test]
fn after_a_power_cut_of_all_nodes_nothing_confirmed_is_missing() {
    let setup = Setup { spec: json!({ "storage": { "size": "64Mi" } }), ..Setup::default() };
    check("all-nodes", &setup, |trial| {
        let lab = &trial.cluster.lab;
        let cuts: Vec<_> = sure(lab.nodes()).into_iter().map(|node| sure(PowerCut::of(lab, node))).collect();
        trial.sometime();
        for cut in cuts {
            sure(cut.restore());
        }
        trial.cluster.operlet_is_ready("redis");
    });
}
