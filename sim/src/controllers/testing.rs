//! A cluster for tests of controllers, with kubelets and containers that end as they are
//! told.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Controllers, change, try_create};
use crate::{
    api::{ApiServer, Clock, Place},
    world::{Act, Application, Container, Event, Exec, Images, Network},
};

/// Runs until it is told to end, or as its command says: for so many seconds, and then it
/// ends with that code.
struct Server(Option<(Duration, i32)>);

struct Image;

impl Images for Image {
    fn start(&self, container: &Container<'_>) -> Option<Box<dyn Application>> {
        let word =
            |at: usize| container.spec.pointer(&format!("/command/{at}"))?.as_str()?.parse::<i32>().ok();
        let seconds = word(0).and_then(|seconds| u64::try_from(seconds).ok());
        let end = seconds.map(|seconds| (container.now + Duration::from_secs(seconds), word(1).unwrap_or(0)));
        Some(Box::new(Server(end)))
    }
}

impl Application for Server {
    fn happen(&mut self, _: Duration, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Terminate => acts.push(Act::Exit(0)),
            Event::Due => acts.push(Act::Exit(self.0.map_or(0, |(_, code)| code))),
            _ => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        self.0.map(|(end, _)| end)
    }

    fn exec(&mut self, _: Duration, _: &[String]) -> Exec {
        Exec::Ended { code: 0, message: None }
    }
}

/// A cluster with one node.
pub(super) struct Cluster {
    pub(super) api: ApiServer,
    begun: Instant,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let network = Network::new(1);
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || {
            let passed = SignedDuration::try_from(begun.elapsed()).unwrap();
            Timestamp::from_second(1_900_000_000).unwrap().checked_add(passed).unwrap()
        });
        let api = ApiServer::new(clock, 1);
        let controllers = Controllers::new(api.clone(), network.clone(), Arc::new(Image));
        tokio::spawn(network.run());
        tokio::spawn(controllers.run());
        let cluster = Self { api, begun };
        cluster.create("", "nodes", json!({ "metadata": { "name": "one" } }));
        let ready = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        let node = place("", "nodes", "", "one");
        change(&mut cluster.api.state(), &node, "status", |node| node["status"] = ready);
        cluster
    }

    pub(super) fn create(&self, group: &str, plural: &str, object: Value) {
        try_create(&mut self.api.state(), group, plural, "default", object).unwrap();
    }

    pub(super) fn change(&self, group: &str, plural: &str, name: &str, patch: Value) {
        let place = place(group, plural, "default", name);
        change(&mut self.api.state(), &place, "", |object| json_patch::merge(object, &patch));
    }

    pub(super) fn get(&self, group: &str, plural: &str, name: &str) -> Option<Value> {
        self.api.state().store.get(&place(group, plural, "default", name)).map(|object| object.value.clone())
    }

    pub(super) fn all(&self, group: &str, plural: &str) -> Vec<Value> {
        let state = self.api.state();
        let all = state.store.list(group, plural, Some("default"));
        all.map(|(_, object)| object.value.clone()).collect()
    }

    /// Waits until something is so, and says how many seconds after the beginning that was.
    pub(super) async fn until(&self, is: impl Fn(&Self) -> bool) -> f64 {
        for _ in 0..200_000 {
            if is(self) {
                return self.begun.elapsed().as_secs_f64();
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("it has not become what it should: {:?}", self.api.objects())
    }
}

/// A template of pods with one container.
pub(super) fn template(policy: &str, command: &[&str]) -> Value {
    json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": { "restartPolicy": policy, "terminationGracePeriodSeconds": 1, "containers": [
            { "name": "main", "image": "server:1", "command": command },
        ] },
    })
}

fn place(group: &str, plural: &str, namespace: &str, name: &str) -> Place {
    Place { group: group.into(), plural: plural.into(), namespace: namespace.into(), name: name.into() }
}
