//! What people ask for: another primary, version, configuration, size or password.

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::json;

use super::trial::{Setup, Trial, check, sure};
use crate::outage::{
    faults,
    seats::Seat,
    subject::PORT,
    wait::{PATIENCE, until},
    wire::{Connection, Login, Reply},
};

const OLD: &str = "the-old-password";
const NEW: &str = "the-new-password";

/// Asks for another primary.
fn hand_over(trial: &Trial, target: &Seat) {
    sure(trial.subject.patch(&json!({ "switchover": { "target": target.pod, "requestID": "1" } })));
}

#[test]
fn a_primary_hands_over_to_the_replica_that_a_person_names() {
    check("switchover", &Setup::default(), |trial| {
        let (primary, replicas) = (trial.primary(), trial.replicas());
        let target = &replicas[0];
        hand_over(trial, target);
        trial.is_replaced(&primary);
        assert_eq!(trial.primary().pod, target.pod, "it handed over to the one that was named");
    });
}

#[test]
fn a_primary_that_is_killed_while_it_hands_over_is_replaced() {
    check("switchover-from-killed", &Setup::default(), |trial| {
        let (primary, replicas) = (trial.primary(), trial.replicas());
        hand_over(trial, &replicas[0]);
        trial.shortly();
        sure(faults::kill(&trial.cluster.lab, &primary));
    });
}

#[test]
fn a_target_that_is_killed_before_it_takes_over_costs_nothing() {
    check("switchover-to-killed", &Setup::default(), |trial| {
        let replicas = trial.replicas();
        // It takes over in a fifth of a second.
        let kill = sure(faults::aim(&trial.cluster.lab, &replicas[0]));
        hand_over(trial, &replicas[0]);
        sure(kill());
    });
}

#[test]
fn another_version_reaches_every_server_and_the_primary_last() {
    let setup = Setup { spec: json!({ "version": "7.0" }), ..Setup::default() };
    check("version", &setup, |trial| {
        sure(trial.subject.patch(&json!({ "version": "8.0" })));
        sure(until("every server is of version 8.0", PATIENCE, || {
            trial.subject.is_well(trial.pods)?;
            of_all(trial, &["INFO", "server"], |told| {
                ensure!(told.contains("redis_version:8.0"), "{told:.80}");
                Ok(())
            })
        }));
    });
}

#[test]
fn another_configuration_reaches_every_server() {
    let setup = Setup { spec: json!({ "config": { "databases": "16" } }), ..Setup::default() };
    check("configuration", &setup, |trial| {
        // No server takes this without a restart.
        sure(trial.subject.patch(&json!({ "config": { "databases": "20" } })));
        sure(until("every server has it", PATIENCE, || {
            trial.subject.is_well(trial.pods)?;
            of_all(trial, &["SELECT", "18"], |told| {
                ensure!(told == "OK", "{told}");
                Ok(())
            })
        }));
    });
}

#[test]
fn a_primary_that_goes_when_there_are_fewer_replicas_hands_over_first() {
    check("scaled", &Setup::default(), |trial| {
        let replicas = trial.replicas();
        let last = replicas.last().expect("there are two");
        hand_over(trial, last);
        sure(until("the last pod is primary", PATIENCE, || trial.has_primary(&last.pod)));
        trial.gets_well();
        trial.sometime();
        trial.pods = 2;
        sure(trial.subject.patch(&json!({ "replicas": 1 })));
        trial.is_replaced(last);
    });
}

#[test]
fn a_password_is_changed_while_clients_use_the_old_one_and_the_new_one() {
    let secret = |password: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "own" },
            "stringData": { "password": password },
        })
    };
    let spec = json!({ "auth": { "secretRef": { "name": "own" } } });
    let setup = Setup { spec, manifest: Some(secret(OLD)), ..Setup::default() };
    check("password", &setup, |trial| {
        trial.login.also(NEW);
        let mut changed = secret(NEW);
        changed["metadata"]["namespace"] = json!(trial.subject.namespace);
        trial.cluster.kubectl.apply(&changed.to_string());
        let pods = sure(trial.subject.pods());
        // Mounted Secrets lag by a minute.
        sure(until("every server knows the new password and not the old one", 2 * PATIENCE, || {
            for pod in &pods {
                let address = (pod.address, PORT).into();
                let open = |password: &str| Connection::open(address, &Login::new(None, password.to_owned()));
                open(NEW)?;
                if open(OLD).is_ok() {
                    bail!("{} still takes the old one", pod.pod);
                }
            }
            Ok(())
        }));
    });
}

/// Asks every server the same.
fn of_all(trial: &Trial, command: &[&str], judge: impl Fn(&str) -> Result<()>) -> Result<()> {
    for pod in trial.subject.pods()? {
        let mut connection = Connection::open((pod.address, PORT).into(), &trial.login)?;
        match connection.ask(command)? {
            Reply::Error(error) => return Err(anyhow!("{}: {error}", pod.pod)),
            told => judge(&told.to_string())?,
        }
    }
    Ok(())
}
