//! Servers and pods that end, freeze or lose their data.

use serde_json::json;

use super::trial::{NAME, Setup, Trial, check, namespace_of, sure};
use crate::{
    encrypted::{authority, secret},
    outage::{faults, wire::Tls},
};

/// Freezes the primary until it is replaced.
fn frozen(trial: &mut Trial) {
    let primary = trial.primary();
    let frozen = sure(faults::freeze(&trial.cluster.lab, &primary));
    trial.is_replaced(&primary);
    frozen.thaw();
}

#[test]
fn a_primary_whose_process_is_killed_is_replaced() {
    check("killed", &Setup::default(), |trial| {
        let primary = trial.primary();
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.is_replaced(&primary);
    });
}

#[test]
fn a_primary_without_persistence_that_comes_back_empty_empties_nobody() {
    let setup = Setup { spec: json!({ "persistence": { "mode": "None" } }), ..Setup::default() };
    check("killed-without-persistence", &setup, |trial| {
        let primary = trial.primary();
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.is_replaced(&primary);
    });
}

#[test]
fn a_primary_whose_data_is_gone_when_its_container_starts_again_empties_nobody() {
    let setup = Setup { spec: json!({ "storage": { "size": "64Mi" } }), ..Setup::default() };
    check("emptied", &setup, |trial| {
        let primary = trial.primary();
        sure(faults::empty_and_kill(&trial.cluster.lab, &primary));
        trial.is_replaced(&primary);
    });
}

#[test]
fn a_primary_that_is_frozen_is_replaced_and_follows_when_it_is_thawed() {
    check("frozen", &Setup::default(), frozen);
}

#[test]
fn a_frozen_primary_that_prefers_to_go_on_is_replaced_before_anybody_kills_it() {
    let setup = Setup { spec: json!({ "failover": { "mode": "Available" } }), ..Setup::default() };
    check("frozen-available", &setup, frozen);
}

#[test]
fn a_frozen_primary_that_speaks_tls_is_replaced_and_follows_when_it_is_thawed() {
    const CASE: &str = "frozen-tls";
    let (authority, namespace) = (authority(), namespace_of(CASE));
    let setup = Setup {
        spec: json!({ "tls": { "secretName": format!("{NAME}-tls") } }),
        manifest: Some(secret(&authority, NAME, &namespace)),
        tls: Some(sure(Tls::new(authority.der(), &format!("{NAME}.{namespace}.svc")))),
        ..Setup::default()
    };
    check(CASE, &setup, frozen);
}

#[test]
fn a_primary_whose_pod_is_deleted_hands_over() {
    check("deleted", &Setup::default(), |trial| {
        let primary = trial.primary();
        sure(faults::delete(&trial.cluster.lab, &trial.subject.namespace, &primary.pod));
        trial.is_replaced(&primary);
    });
}

#[test]
fn a_primary_whose_pod_is_deleted_by_force_is_replaced() {
    check("deleted-by-force", &Setup::default(), |trial| {
        let primary = trial.primary();
        sure(faults::delete_by_force(&trial.cluster.lab, &trial.subject.namespace, &primary.pod));
        trial.is_replaced(&primary);
    });
}

#[test]
fn the_successor_of_a_killed_primary_is_replaced_when_it_is_killed_too() {
    check("killed-twice", &Setup::default(), |trial| {
        for _ in 0..2 {
            let primary = trial.primary();
            sure(faults::kill(&trial.cluster.lab, &primary));
            trial.is_replaced(&primary);
            trial.gets_well();
            trial.sometime();
        }
    });
}

/// Of three replicas two have every confirmed write, so one of them may go as well.
#[test]
fn a_replica_that_is_killed_while_a_primary_is_replaced_does_not_matter() {
    let setup = Setup { replicas: 3, ..Setup::default() };
    check("killed-meanwhile", &setup, |trial| {
        let (primary, replicas) = (trial.primary(), trial.replicas());
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.sometime();
        sure(faults::kill(&trial.cluster.lab, &replicas[0]));
        trial.is_replaced(&primary);
    });
}
