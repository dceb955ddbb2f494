//! Pods that do not reach each other.

use std::{net::IpAddr, thread::sleep, time::Duration};

use super::trial::{Setup, Trial, check, sure};
use crate::outage::{
    partition::{Partition, Unplugged},
    seats::Seat,
};

/// Longer than it takes to detect a silent primary and to be sure that it has fenced
/// itself, several times over.
const LONG: Duration = Duration::from_secs(30);

/// Cuts a pod off from others.
fn cut(trial: &Trial, primary: &Seat, others: &[Seat]) -> Partition {
    let addresses: Vec<IpAddr> = others.iter().map(|other| other.address).collect();
    sure(Partition::between(&trial.cluster.lab, primary.node, primary.address, &addresses))
}

#[test]
fn a_primary_that_only_the_operator_does_not_reach_stays() {
    check("from-operator", &Setup::default(), |trial| {
        let (primary, host) = (trial.primary(), trial.host());
        let partition = cut(trial, &primary, &[host]);
        let before = trial.written();
        sleep(LONG);
        assert_eq!(trial.primary().uid, primary.uid, "it was replaced though its replicas follow it");
        let since = trial.longest_gap_since(before);
        assert!(since < Duration::from_secs(3), "it did not take writes for {since:?}");
        partition.heal();
    });
}

#[test]
fn a_primary_that_its_replicas_do_not_reach_confirms_nothing_and_goes_on_later() {
    check("from-replicas", &Setup::default(), |trial| {
        let (primary, replicas) = (trial.primary(), trial.replicas());
        let partition = cut(trial, &primary, &replicas);
        sleep(LONG);
        trial.sometime();
        partition.heal();
    });
}

#[test]
fn a_primary_that_only_clients_reach_is_replaced_and_follows_later() {
    check("from-both", &Setup::default(), |trial| {
        let (primary, replicas, host) = (trial.primary(), trial.replicas(), trial.host());
        let others: Vec<Seat> = replicas.into_iter().chain([host]).collect();
        let partition = cut(trial, &primary, &others);
        trial.is_replaced(&primary);
        trial.sometime();
        partition.heal();
    });
}

#[test]
fn a_primary_whose_node_nobody_reaches_is_replaced_and_follows_later() {
    check("cable", &Setup::default(), |trial| {
        let primary = trial.primary();
        let unplugged = sure(Unplugged::node(&trial.cluster.lab, primary.node));
        trial.is_replaced(&primary);
        trial.sometime();
        unplugged.plug_in();
    });
}
