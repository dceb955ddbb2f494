use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    super::{Controllers, change, create, delete, delete_now},
    World,
};
use crate::{
    api::{ApiServer, Clock, Place, State},
    world::{Act, Application, Container, Event, Exec, Images, Network, Volume},
};

type Log = Arc<Mutex<Vec<String>>>;

/// Starts servers that say what happens to them.
#[derive(Clone, Default)]
struct Image(Log);

struct Server {
    log: Log,
    started: Duration,
    hook: Option<Duration>,
    data: Option<Volume>,
    /// Ends after so long.
    lasts: Option<Duration>,
}

impl Images for Image {
    fn start(&self, container: &Container<'_>) -> Option<Box<dyn Application>> {
        let lasts = container.spec.pointer("/env/0/value").and_then(Value::as_str);
        let lasts = lasts.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let data = container.mounts.get("/data").cloned();
        let before = data.as_ref().and_then(|data| data.read("file"));
        self.0.lock().unwrap().push(format!("start {}", before.map_or(0, |before| before.len())));
        data.iter().for_each(|data| {
            data.append("file", b"x");
            data.sync("file");
        });
        Some(Box::new(Server {
            log: self.0.clone(),
            started: container.now,
            hook: None,
            data,
            lasts: lasts.map(|lasts| container.now + lasts),
        }))
    }
}

impl Application for Server {
    fn happen(&mut self, _: Duration, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Terminate => {
                self.log.lock().unwrap().push("terminate".to_owned());
                self.data.iter().for_each(|data| data.append("file", b"unsynced"));
                acts.push(Act::Exit(0));
            }
            Event::Due => acts.push(Act::Exit(7)),
            _ => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        self.lasts
    }

    fn exec(&mut self, now: Duration, command: &[String]) -> Exec {
        let ended = |code: i32| Exec::Ended { code, message: None };
        match command.first().map(String::as_str) {
            Some("started") => {
                Exec::Ended { code: 0, message: Some(format!("started {}", self.started.as_secs())) }
            }
            Some("ready") => ended(i32::from(now < self.started + Duration::from_secs(5))),
            Some("hook") => {
                let begun = *self.hook.get_or_insert_with(|| {
                    self.log.lock().unwrap().push("hook".to_owned());
                    now
                });
                if now < begun + Duration::from_secs(3) { Exec::Running } else { ended(0) }
            }
            _ => ended(0),
        }
    }
}

struct Cluster {
    api: ApiServer,
    world: World,
    log: Log,
}

impl Cluster {
    fn new() -> Self {
        let (image, network) = (Image::default(), Network::new(1));
        let log = image.0.clone();
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || {
            let passed = SignedDuration::try_from(begun.elapsed()).unwrap();
            Timestamp::from_second(1_900_000_000).unwrap().checked_add(passed).unwrap()
        });
        let api = ApiServer::new(clock, 1);
        let controllers = Controllers::new(api.clone(), network.clone(), Arc::new(image));
        let world = controllers.world();
        tokio::spawn(network.run());
        tokio::spawn(controllers.run());
        let cluster = Self { api, world, log };
        cluster.create("nodes", json!({ "metadata": { "name": "one" } }));
        let ready = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        change(&mut cluster.api.state(), &place("nodes", "one"), "status", |node| node["status"] = ready);
        cluster
    }

    fn create(&self, plural: &str, object: Value) {
        create(&mut self.api.state(), "", plural, "default", object);
    }

    /// Makes a pod with one container.
    fn pod(&self, more: Value) {
        let mut container = json!({
            "name": "main", "image": "server:1",
            "readinessProbe": { "exec": { "command": ["ready"] }, "periodSeconds": 1 },
        });
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let volumes = json!([
            { "name": "data", "emptyDir": {} },
            { "name": "config", "configMap": { "name": "map", "optional": true } },
        ]);
        let spec = json!({ "containers": [container], "volumes": volumes });
        self.create("pods", json!({ "metadata": { "name": "pod" }, "spec": spec }));
    }

    fn get(&self, plural: &str, name: &str, pointer: &str) -> Value {
        let state = self.api.state();
        let object = state.store.get(&place(plural, name));
        object.and_then(|object| object.value.pointer(pointer).cloned()).unwrap_or_default()
    }

    /// What the pod's status says.
    fn status(&self, pointer: &str) -> Value {
        self.get("pods", "pod", &format!("/status{pointer}"))
    }

    fn container(&self, pointer: &str) -> Value {
        self.status(&format!("/containerStatuses/0{pointer}"))
    }

    fn ready(&self) -> Value {
        self.status("/conditions/3/status")
    }

    fn told(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn delete(&self, delete: impl FnOnce(&mut State, &Place, &str)) {
        let uid = self.uid();
        delete(&mut self.api.state(), &place("pods", "pod"), &uid);
    }

    fn uid(&self) -> String {
        self.get("pods", "pod", "/metadata/uid").as_str().unwrap_or_default().to_owned()
    }
}

fn place(plural: &str, name: &str) -> Place {
    Place {
        group: String::new(),
        plural: plural.to_owned(),
        namespace: if plural == "nodes" { String::new() } else { "default".to_owned() },
        name: name.to_owned(),
    }
}

async fn seconds(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_ready_when_its_probe_says_so() {
    let cluster = Cluster::new();
    cluster.pod(json!({}));
    seconds(3.0).await;
    assert_eq!((cluster.status("/phase"), cluster.ready()), (json!("Running"), json!("False")));
    assert!(cluster.container("/state/running/startedAt").is_string());
    assert_eq!(cluster.status("/podIP"), json!("10.244.0.1"));
    seconds(6.0).await;
    assert_eq!((cluster.ready(), cluster.container("/ready")), (json!("True"), json!(true)));
    assert_eq!(cluster.container("/restartCount"), json!(0));
    let version = cluster.api.state().store.version();
    seconds(60.0).await;
    assert_eq!(cluster.api.state().store.version(), version, "nothing more is said of it");
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_what_it_mounts() {
    let cluster = Cluster::new();
    let volumes =
        json!([{ "name": "v", "secret": { "secretName": "s", "items": [{ "key": "a", "path": "b" }] } }]);
    let mounts = json!([{ "name": "v", "mountPath": "/v" }]);
    let spec = json!({ "containers": [{ "name": "main", "image": "server:1", "volumeMounts": mounts }], "volumes": volumes });
    cluster.create("pods", json!({ "metadata": { "name": "pod" }, "spec": spec }));
    seconds(10.0).await;
    assert_eq!(cluster.status("/phase"), json!("Pending"));
    cluster.create("secrets", json!({ "metadata": { "name": "s" }, "data": { "a": "aGVsbG8=", "c": "" } }));
    seconds(2.0).await;
    assert_eq!((cluster.status("/phase"), cluster.ready()), (json!("Running"), json!("True")));
    let volume = cluster.world.volume("default", "pod", "v").unwrap();
    assert_eq!((volume.read("b"), volume.read("a")), (Some(b"hello".to_vec()), None));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_is_started_again_and_again_later() {
    let cluster = Cluster::new();
    cluster.pod(json!({
        "env": [{ "name": "LASTS", "value": "6" }],
        "startupProbe": { "exec": { "command": ["started"] }, "periodSeconds": 1 },
    }));
    seconds(8.5).await;
    let (first, message) =
        (cluster.container("/containerID"), cluster.container("/lastState/terminated/message"));
    assert_eq!(cluster.container("/restartCount"), json!(1));
    assert_eq!(cluster.container("/lastState/terminated/exitCode"), json!(7));
    assert_eq!(cluster.container("/lastState/terminated/reason"), json!("Error"));
    assert_eq!(message, json!("started 0"));
    assert_ne!(cluster.container("/lastState/terminated/containerID"), first);
    seconds(7.0).await;
    assert_eq!(cluster.container("/state/waiting/reason"), json!("CrashLoopBackOff"));
    assert_eq!(cluster.container("/lastState/terminated/containerID"), first);
    assert_eq!((cluster.ready(), cluster.status("/podIP")), (json!("False"), json!("10.244.0.1")));
    seconds(10.0).await;
    assert_eq!(cluster.container("/restartCount"), json!(2));
    assert!(cluster.told().starts_with(&["start 0".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_is_killed_when_its_probe_has_waited_long_enough() {
    let cluster = Cluster::new();
    cluster.pod(json!({
        "lifecycle": { "preStop": { "exec": { "command": ["hook"] } } },
        "livenessProbe": {
            "exec": { "command": ["live"] }, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 2,
            "terminationGracePeriodSeconds": 1,
        },
    }));
    seconds(10.0).await;
    assert_eq!(cluster.ready(), json!("True"));
    assert!(cluster.world.freeze("default", "pod", "main"));
    // Two answers are waited for, then the hook for a second, then the process for two.
    seconds(8.5).await;
    assert_eq!((cluster.container("/restartCount"), cluster.ready()), (json!(0), json!("False")));
    seconds(2.5).await;
    assert_eq!(cluster.container("/restartCount"), json!(1));
    assert_eq!(cluster.container("/lastState/terminated/exitCode"), json!(137));
    seconds(6.5).await;
    assert_eq!(cluster.ready(), json!("True"));
    assert_eq!(cluster.told(), ["start 0", "start 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_runs_its_hook_and_is_asked_to_end() {
    let cluster = Cluster::new();
    cluster.pod(json!({ "lifecycle": { "preStop": { "exec": { "command": ["hook"] } } } }));
    seconds(10.0).await;
    cluster.delete(delete);
    seconds(2.0).await;
    assert_eq!(cluster.told(), ["start 0", "hook"]);
    assert_eq!(cluster.ready(), json!("True"));
    seconds(1.3).await;
    assert_eq!(cluster.told(), ["start 0", "hook", "terminate"]);
    seconds(0.5).await;
    assert_eq!(cluster.uid(), "");
    assert_eq!(cluster.world.process("default", "pod", "main"), None);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_that_does_not_end_is_killed() {
    let cluster = Cluster::new();
    cluster.pod(json!({}));
    seconds(10.0).await;
    cluster.world.freeze("default", "pod", "main");
    cluster.delete(delete);
    seconds(29.0).await;
    assert_ne!(cluster.uid(), "");
    seconds(2.0).await;
    assert_eq!(cluster.uid(), "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_at_once_runs_a_little_longer() {
    let cluster = Cluster::new();
    cluster.pod(json!({}));
    seconds(10.0).await;
    cluster.delete(delete_now);
    assert_eq!(cluster.uid(), "");
    seconds(0.02).await;
    assert!(cluster.world.process("default", "pod", "main").is_some());
    seconds(1.0).await;
    assert_eq!(cluster.world.process("default", "pod", "main"), None);
    assert_eq!(cluster.told(), ["start 0", "terminate"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_containers_start_again() {
    let cluster = Cluster::new();
    cluster.pod(json!({
        "startupProbe": { "exec": { "command": ["started"] }, "periodSeconds": 1 },
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    }));
    seconds(10.0).await;
    cluster.world.cut_power("one");
    seconds(35.0).await;
    assert_eq!(cluster.ready(), json!("True"), "nobody has noticed");
    seconds(10.0).await;
    assert_eq!((cluster.ready(), cluster.status("/phase")), (json!("False"), json!("Running")));
    assert_eq!(cluster.get("nodes", "one", "/status/conditions/0/status"), json!("Unknown"));
    cluster.world.restore_power("one");
    seconds(25.0).await;
    assert_eq!(cluster.get("nodes", "one", "/status/conditions/0/status"), json!("True"));
    assert_eq!((cluster.ready(), cluster.container("/restartCount")), (json!("True"), json!(1)));
    let last = cluster.container("/lastState/terminated");
    assert_eq!(
        (&last["reason"], &last["exitCode"], &last["message"]),
        (&json!("ContainerStatusUnknown"), &json!(137), &Value::Null)
    );
    assert_eq!(cluster.told(), ["start 0", "start 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_deleted_while_its_node_was_off_goes_when_it_is_back() {
    let cluster = Cluster::new();
    cluster.pod(json!({}));
    seconds(10.0).await;
    cluster.world.cut_power("one");
    cluster.delete(delete);
    seconds(100.0).await;
    assert_ne!(cluster.uid(), "");
    cluster.world.restore_power("one");
    seconds(20.0).await;
    assert_eq!((cluster.uid(), cluster.told()), (String::new(), vec!["start 0".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_volume_is_empty_when_the_container_starts_again() {
    let cluster = Cluster::new();
    cluster.pod(json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }));
    seconds(10.0).await;
    cluster.world.kill("default", "pod", "main");
    seconds(2.0).await;
    assert!(cluster.world.lose_volume("default", "pod", "data"));
    seconds(20.0).await;
    assert_eq!(cluster.told(), ["start 0", "start 1", "start 0"]);
}

#[tokio::test(start_paused = true)]
async fn files_follow_their_objects_after_a_while() {
    let cluster = Cluster::new();
    cluster
        .create("configmaps", json!({ "metadata": { "name": "map" }, "data": { "key": "old", "gone": "" } }));
    cluster.pod(json!({ "volumeMounts": [{ "name": "config", "mountPath": "/config" }] }));
    seconds(5.0).await;
    let volume = cluster.world.volume("default", "pod", "config").unwrap();
    assert_eq!(volume.read("key"), Some(b"old".to_vec()));
    change(&mut cluster.api.state(), &place("configmaps", "map"), "", |map| {
        map["data"] = json!({ "key": "new" })
    });
    seconds(0.5).await;
    assert_eq!(volume.read("key"), Some(b"old".to_vec()));
    seconds(92.0).await;
    assert_eq!((volume.read("key"), volume.read("gone")), (Some(b"new".to_vec()), None));
}

/// All objects after an eventful while.
fn outcome() -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let cluster = Cluster::new();
        cluster.pod(json!({
            "startupProbe": { "exec": { "command": ["started"] }, "periodSeconds": 1 },
            "livenessProbe": { "exec": { "command": ["live"] }, "periodSeconds": 1 },
        }));
        seconds(30.0).await;
        cluster.world.kill("default", "pod", "main");
        seconds(30.0).await;
        cluster.world.freeze("default", "pod", "main");
        seconds(60.0).await;
        cluster.world.cut_power("one");
        seconds(60.0).await;
        cluster.world.restore_power("one");
        seconds(600.0).await;
        cluster.api.objects()
    })
}

#[test]
fn a_seed_decides_what_becomes_of_pods() {
    let (once, again) = (outcome(), outcome());
    assert_eq!(once, again);
    let pod = once.iter().find(|object| object["kind"] == "Pod").unwrap();
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], json!(3));
}
