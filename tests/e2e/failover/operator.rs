//! An operator, or an API server, that is not there when it is needed.

use std::{thread::sleep, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use super::trial::{NAME, Setup, Trial, check, sure};
use crate::{
    lease::{NoApiServer, NoHost},
    outage::{
        faults::{self, PowerCut},
        wait::{PATIENCE, until},
    },
};

/// By then the container of a killed server has been started again.
const RESTARTED: Duration = Duration::from_secs(5);

/// What the host's process is called.
const HOST: &str = "operlet";

/// Kills the host; its container is started again.
fn kill_host(trial: &Trial) {
    let (lab, pod) = (&trial.cluster.lab, trial.host());
    let processes = lab.pod_processes(pod.node, &pod.uid);
    let host = processes.iter().find(|process| process.is_first() && process.name() == HOST);
    let process = host.expect("the host runs");
    sure(process.signal(Signal::KILL));
}

#[test]
fn a_primary_that_is_killed_without_an_operator_is_replaced_when_there_is_one() {
    check("no-operator", &Setup::default(), |trial| {
        let primary = trial.primary();
        let nobody = NoHost::in_cluster(trial.cluster);
        sure(faults::kill(&trial.cluster.lab, &primary));
        sleep(RESTARTED);
        trial.sometime();
        drop(nobody);
        trial.cluster.operlet_is_ready("redis");
        trial.is_replaced(&primary);
    });
}

#[test]
fn an_operator_that_is_killed_while_it_replaces_a_primary_goes_on_with_that() {
    check("operator-killed", &Setup::default(), |trial| {
        let primary = trial.primary();
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.sometime();
        kill_host(trial);
        trial.cluster.operlet_is_ready("redis");
    });
}

/// Its Secret is the only thing that servers know it by.
#[test]
fn an_operator_whose_secret_was_deleted_replaces_a_killed_primary() {
    check("no-secret", &Setup::default(), |trial| {
        let primary = trial.primary();
        let name = format!("{NAME}-operator");
        let before = sure(trial.subject.object("secrets", &name));
        let delete = ["delete", "secret", &name, "-n", &trial.subject.namespace];
        trial.cluster.kubectl.run(&delete);
        let after = sure(until("it is made again", PATIENCE, || trial.subject.object("secrets", &name)));
        assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
        assert!(after["data"] == before["data"], "it was made with another key");
        trial.sometime();
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.is_replaced(&primary);
    });
}

#[test]
fn an_operator_that_is_killed_when_nothing_else_happens_is_not_missed() {
    check("operator-killed-alone", &Setup::default(), |trial| {
        let primary = trial.primary();
        kill_host(trial);
        trial.sometime();
        assert_eq!(trial.primary().uid, primary.uid, "nothing was wrong with it");
    });
}

#[test]
fn a_primary_and_the_operator_that_lose_their_node_are_replaced() {
    check("node-of-both", &Setup::default(), |trial| {
        // The client stays where it is: on the node that the operator was on.
        let host = trial.host();
        let target = trial.replicas().into_iter().find(|replica| replica.node != host.node);
        let primary = target.expect("there is a third node");
        sure(trial.subject.patch(&json!({ "switchover": { "target": primary.pod, "requestID": "here" } })));
        sure(until("it handed over", PATIENCE, || trial.has_primary(&primary.pod)));
        trial.gets_well();
        trial.place_host(primary.node);
        let cut = sure(PowerCut::of(&trial.cluster.lab, primary.node));
        trial.is_replaced(&primary);
        sure(cut.restore());
    });
}

#[test]
fn an_api_server_that_is_away_while_a_primary_is_replaced_only_takes_time() {
    check("no-api-server", &Setup::default(), |trial| {
        let primary = trial.primary();
        sure(faults::kill(&trial.cluster.lab, &primary));
        trial.sometime();
        let outage = NoApiServer::in_cluster(trial.cluster);
        trial.sometime();
        drop(outage);
        trial.is_replaced(&primary);
    });
}
