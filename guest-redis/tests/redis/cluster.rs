//! A cluster with one Redis: its objects as a cluster would give them, its servers, and
//! a host that asks the component and does what it decides.

use std::{collections::BTreeMap, mem};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use operlet_redis::{REDIS, RedisOperlet, talk::users::Operator};
use operlet_sdk::{
    Answer, Condition, Decision, Event, ExchangeEnd, Failure, Intent, Kind, ObjectsOfKind, Observation,
    Operator as _, Outcome, Probe, ProbeReport, Question, Request, Response, kinds, testing,
};
use serde_json::{Value, json};

use crate::server::{Server, Servers};

/// At rest servers are asked so often how they are.
pub(crate) const REST_MS: u64 = 10_000;

/// Rounds of a reconcile, as the host allows.
const ROUNDS_MAX: u32 = 32;

/// Far more reconciles than anything here takes.
const RECONCILES_MAX: u32 = 400;

/// A call of the component.
pub(crate) type Call = (Observation, Decision);

#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) resource: Value,
    /// By kind and name, what the resource owns.
    pub(crate) objects: BTreeMap<(String, String), Value>,
    departed: Vec<Value>,
    pub(crate) servers: Servers,
    pub(crate) now_ms: u64,
    pub(crate) carry: Vec<u8>,
    probes: Vec<Probe>,
    pub(crate) reports: Vec<ProbeReport>,
    /// The application's password, if its author gives one.
    pub(crate) password: String,
    /// Whether the StorageClass of claims lets them grow.
    pub(crate) expands: bool,
    /// Every event so far.
    pub(crate) events: Vec<Event>,
    /// Every call so far.
    pub(crate) calls: Vec<Call>,
    /// Counts what has to differ.
    count: u64,
    /// What chance there is, in each run of a test the same.
    pub(crate) seed: u64,
}

/// A Redis called `sample` with this spec, of which nothing exists yet.
pub(crate) fn fresh(spec: Value) -> Cluster {
    Cluster::new("sample", spec)
}

/// The same once the component has brought it up.
pub(crate) fn settled(spec: Value) -> Cluster {
    let mut cluster = fresh(spec);
    cluster.settle();
    cluster
}

impl Cluster {
    pub(crate) fn new(name: &str, spec: Value) -> Self {
        let resource = json!({
            "apiVersion": REDIS.api_version(),
            "kind": REDIS.kind,
            "metadata": {"name": name, "namespace": "shop", "uid": uid(0), "generation": 1},
            "spec": spec,
        });
        Self {
            resource,
            objects: BTreeMap::new(),
            departed: Vec::new(),
            servers: Servers::default(),
            now_ms: 1_795_000_000_000,
            carry: Vec::new(),
            probes: Vec::new(),
            reports: Vec::new(),
            password: "of its author's own".to_owned(),
            expands: true,
            events: Vec::new(),
            calls: Vec::new(),
            count: 0,
            seed: 7,
        }
    }

    // ---- What the host does ----------------------------------------------------

    /// What the component is shown in the first round.
    pub(crate) fn observation(&self) -> Observation {
        let mut observation = testing::observation(&self.resource).with_kinds_of(&RedisOperlet::describe());
        for of_kind in &mut observation.observed {
            let of_this = self.objects.iter().filter(|((kind, _), _)| *kind == of_kind.kind.kind);
            of_kind.objects = of_this.map(|(_, object)| object.to_string()).collect();
        }
        let departed = self.departed.iter().map(Value::to_string).collect();
        observation.departed = vec![ObjectsOfKind { kind: (&kinds::POD).into(), objects: departed }];
        observation.now_ms = self.now_ms;
        observation.carry.clone_from(&self.carry);
        observation.probes.clone_from(&self.reports);
        observation.entropy = [self.count.to_be_bytes(), self.seed.to_be_bytes()].concat().repeat(2);
        observation
    }

    /// One reconcile, from the observation to what it settles on.
    pub(crate) fn try_reconcile(&mut self) -> Result<Outcome, Failure> {
        self.count += 1;
        let mut observation = self.observation();
        for round in 0..ROUNDS_MAX {
            observation.round = round;
            let decision = RedisOperlet::reconcile(&observation)?;
            self.calls.push((observation.clone(), decision.clone()));
            match decision {
                Decision::Ask(questions) => {
                    let answers = questions.into_iter().map(|question| self.answer(question));
                    observation.answers.extend(answers);
                }
                Decision::Checkpoint(checkpoint) => {
                    self.put_status(&checkpoint.status);
                    observation.resource = self.resource.to_string();
                }
                Decision::Settle(outcome) => {
                    self.departed.clear();
                    self.apply(&outcome);
                    return Ok(outcome);
                }
            }
        }
        panic!("it asks for more than {ROUNDS_MAX} rounds: {:#?}", self.calls.last());
    }

    #[track_caller]
    pub(crate) fn reconcile(&mut self) -> Outcome {
        self.try_reconcile().unwrap()
    }

    /// Reconciles until nothing is under way and nothing changes any more.
    #[track_caller]
    pub(crate) fn settle(&mut self) -> Outcome {
        for _ in 0..RECONCILES_MAX {
            let before = (self.resource.clone(), self.objects.clone());
            let outcome = self.reconcile();
            let is_at_rest = before == (self.resource.clone(), self.objects.clone());
            match outcome.requeue_after_ms.filter(|again_ms| *again_ms < REST_MS) {
                Some(again_ms) => self.pass(again_ms.max(1)),
                None if is_at_rest => return outcome,
                None => self.pass(100),
            }
        }
        panic!("it does not settle: {:#?}", self.resource["status"]);
    }

    /// Reconciles for so long.
    #[track_caller]
    pub(crate) fn run(&mut self, for_ms: u64) -> Outcome {
        let until = self.now_ms + for_ms;
        loop {
            let outcome = self.reconcile();
            if self.now_ms >= until {
                return outcome;
            }
            self.pass(outcome.requeue_after_ms.unwrap_or(1000).max(1));
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now_ms += millis;
        self.converge();
    }

    fn answer(&mut self, question: Question) -> Answer {
        let response = match &question.request {
            Request::Exchange(exchange) => {
                Response::Exchange(self.servers.say(exchange, &self.operator(), self.now_ms))
            }
            Request::Get(key) if key.kind.kind == "StorageClass" => {
                let class = json!({"metadata": {"name": key.name}, "allowVolumeExpansion": self.expands});
                Response::Object(Some(class.to_string()))
            }
            // A Secret of somebody else's.
            Request::Get(key) => {
                let data = json!({"password": BASE64.encode(&self.password)});
                Response::Object(Some(json!({"metadata": {"name": key.name}, "data": data}).to_string()))
            }
            Request::List(_) => panic!("{question:?}"),
        };
        Answer { id: question.id, response, extensions: Vec::new() }
    }

    fn operator(&self) -> Operator {
        let secrets = self.objects.iter().filter(|((kind, _), _)| kind == "Secret");
        let key = secrets.filter_map(|(_, secret)| secret["data"]["key"].as_str()).next().unwrap();
        Operator::from_key(&BASE64.decode(key).unwrap()).unwrap()
    }

    /// As the host writes it: conditions stay, and it stamps what is its own.
    fn put_status(&mut self, status: &str) {
        let mut next: Value = serde_json::from_str(status).unwrap();
        assert!(next.get("conditions").is_none(), "the host writes them");
        let before = self.resource["status"].take();
        for (field, value) in [("conditions", &before["conditions"]), ("stateVersion", &json!(2))] {
            if !value.is_null() {
                next[field] = value.clone();
            }
        }
        next["observedGeneration"] = self.resource["metadata"]["generation"].clone();
        self.resource["status"] = next;
    }

    fn put_conditions(&mut self, conditions: &[Condition]) {
        let status = &mut self.resource["status"];
        let mut all = status["conditions"].as_array().cloned().unwrap_or_default();
        for condition in conditions {
            all.retain(|one| one["type"] != *condition.type_);
            all.push(json!({
                "type": condition.type_,
                "status": format!("{:?}", condition.status).trim_start_matches("ConditionStatus::"),
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": "2026-11-23T00:00:00Z",
            }));
        }
        status["conditions"] = all.into();
    }

    fn apply(&mut self, outcome: &Outcome) {
        for intent in &outcome.intents {
            match intent {
                Intent::Ensure(ensure) => {
                    let object: Value = serde_json::from_str(&ensure.object).unwrap();
                    let before = self.objects.get(&key(&object));
                    if let Some(expected) = &ensure.if_unchanged {
                        let meta = &before.unwrap()["metadata"];
                        assert_eq!(meta["uid"], *expected.uid);
                        assert_eq!(meta["resourceVersion"], *expected.resource_version);
                    }
                    let status = before.map(|before| before["status"].clone()).unwrap_or_default();
                    self.put(object, status);
                }
                Intent::Create(create) => {
                    let mut object: Value = serde_json::from_str(&create.object).unwrap();
                    assert!(!self.objects.contains_key(&key(&object)), "the host would ask anew");
                    let entries = object["stringData"].as_object_mut().map(mem::take).unwrap_or_default();
                    let entry =
                        |(name, text): (String, Value)| (name, BASE64.encode(text.as_str().unwrap()).into());
                    object["data"] = Value::Object(entries.into_iter().map(entry).collect());
                    object.as_object_mut().unwrap().remove("stringData");
                    self.put(object, Value::Null);
                }
                Intent::Amend(amend) => {
                    let fields: Value = serde_json::from_str(&amend.object).unwrap();
                    let mut object = self.objects[&key(&fields)].clone();
                    assert_eq!(object["metadata"]["uid"], *amend.uid);
                    merge(&mut object, fields);
                    let status = object["status"].take();
                    self.put(object, status);
                }
                Intent::Remove(remove) => {
                    let name = (remove.key.kind.kind.clone(), remove.key.name.clone());
                    assert_eq!(self.objects[&name]["metadata"]["uid"], *remove.uid);
                    self.remove_pod(ordinal(&remove.key.name));
                }
                Intent::Keep(_) => {}
            }
        }
        if let Some(status) = &outcome.status {
            self.put_status(status);
        }
        self.put_conditions(&outcome.conditions);
        self.carry.clone_from(&outcome.carry);
        self.events.extend(outcome.events.iter().cloned());
        self.probes.clone_from(&outcome.probes);
        self.converge();
    }

    // ---- What the API server does ------------------------------------------------

    fn put(&mut self, mut object: Value, status: Value) {
        let key = key(&object);
        let before = self.objects.get(&key).cloned().unwrap_or_default();
        let mut meta = before["metadata"].clone();
        merge(&mut meta, mem::take(&mut object["metadata"]));
        object["metadata"] = meta;
        if !status.is_null() {
            object["status"] = status;
        }
        if object == before {
            return;
        }
        self.count += 1;
        let meta = &mut object["metadata"];
        meta["namespace"] = json!("shop");
        meta["resourceVersion"] = json!(self.count.to_string());
        if meta["uid"].is_null() {
            meta["uid"] = json!(uid(self.count));
        }
        if object["spec"] != before["spec"] {
            object["metadata"]["generation"] =
                json!(before["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        self.objects.insert(key, object);
    }

    // ---- What the controllers and the nodes do -------------------------------------

    /// Brings pods, claims, endpoints and reports in line with the rest.
    fn converge(&mut self) {
        self.servers.replicate(self.now_ms);
        let name = self.name();
        let Some(mut set) = self.objects.get(&("StatefulSet".to_owned(), name.clone())).cloned() else {
            return;
        };
        let revision = format!("{name}-{:x}", hash(&set["spec"]["template"].to_string()));
        let wanted = u8::try_from(set["spec"]["replicas"].as_u64().unwrap()).unwrap();
        let exist: Vec<u8> = self.servers.0.keys().copied().collect();
        for pod in exist.into_iter().filter(|pod| *pod >= wanted) {
            self.remove_pod(pod);
        }
        for pod in 0..wanted {
            if !self.servers.0.contains_key(&pod) {
                self.add_pod(pod, &set, &revision);
            }
            self.show_pod(pod);
        }
        let status = json!({"observedGeneration": set["metadata"]["generation"], "updateRevision": revision});
        set["status"].take();
        self.put(set, status);
        self.lead();
        self.watch();
    }

    fn add_pod(&mut self, pod: u8, set: &Value, revision: &str) {
        let (name, template) = (self.pod(pod), &set["spec"]["template"]);
        let mut labels = template["metadata"]["labels"].clone();
        labels["controller-revision-hash"] = json!(revision);
        labels["statefulset.kubernetes.io/pod-name"] = json!(name);
        let annotations = &template["metadata"]["annotations"];
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "spec": template["spec"],
        });
        self.put(object, Value::Null);
        let templates = set["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default();
        for mut claim in templates {
            claim["metadata"]["name"] = json!(format!("data-{name}"));
            if !self.objects.contains_key(&key(&claim)) {
                self.put(claim, json!({"phase": "Bound"}));
            }
        }
        let uid =
            self.objects[&("Pod".to_owned(), name.clone())]["metadata"]["uid"].as_str().unwrap().to_owned();
        let announced = format!("{name}.{}-headless.shop.svc", self.name());
        // Its volume may hold what the pod before wrote.
        let claim = self.objects.get(&("PersistentVolumeClaim".to_owned(), format!("data-{name}")));
        let keys = claim.and_then(|claim| claim["status"]["keys"].as_u64()).unwrap_or(0);
        let server = Server::boot(self.count, &uid, &format!("10.0.0.{}", pod + 10), &announced, keys);
        let server = self.with_files(server);
        self.servers.0.insert(pod, server);
    }

    /// What its volumes hold when a server starts.
    fn with_files(&self, server: Server) -> Server {
        let name = self.name();
        let redis_conf = &self.object(&kinds::CONFIG_MAP, &format!("{name}-config"))["data"]["redis.conf"];
        let own = self.objects.get(&("Secret".to_owned(), format!("{name}-auth")));
        let own = own.map(|secret| BASE64.decode(secret["data"]["password"].as_str().unwrap()).unwrap());
        let password = own.map_or_else(|| self.password.clone(), |own| String::from_utf8(own).unwrap());
        server.with_files(redis_conf.as_str().unwrap(), &password)
    }

    /// The status of a pod as the kubelet writes it.
    fn show_pod(&mut self, pod: u8) {
        let server = &self.servers.0[&pod];
        let is_ready = !server.is_frozen && (server.upstream.is_none() || server.is_linked);
        let mut object = self.objects[&("Pod".to_owned(), self.pod(pod))].clone();
        let before = object["status"].take();
        let last = before["containerStatuses"][0]["lastState"].clone();
        let status = json!({
            "phase": "Running",
            "podIP": server.address,
            "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}],
            "containerStatuses": [{
                "name": "redis",
                "started": true,
                "ready": is_ready,
                "state": {"running": {"startedAt": "2026-11-23T00:00:00Z"}},
                "lastState": if last.is_null() { json!({}) } else { last },
            }],
        });
        self.put(object, status);
    }

    /// The EndpointSlice of the read-write Service.
    fn lead(&mut self) {
        let name = self.name();
        let Some(service) = self.objects.get(&("Service".to_owned(), name.clone())) else { return };
        let selected = &service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"];
        let pod =
            selected.as_str().filter(|pod| self.objects.contains_key(&("Pod".to_owned(), (*pod).to_owned())));
        let endpoints: Vec<Value> =
            pod.iter().map(|pod| json!({"targetRef": {"kind": "Pod", "name": pod}})).collect();
        let slice = json!({
            "apiVersion": kinds::ENDPOINT_SLICE.api_version(),
            "kind": "EndpointSlice",
            "metadata": {"name": format!("{name}-x7k2p"), "labels": {"kubernetes.io/service-name": name}},
            "endpoints": endpoints,
        });
        self.put(slice, Value::Null);
    }

    /// The latest of the probes that run.
    fn watch(&mut self) {
        let before = mem::take(&mut self.reports);
        for probe in &self.probes {
            let mut exchange = probe.exchange.clone();
            exchange.steps.splice(0..0, probe.opening.iter().cloned());
            let operator = self.operator();
            let end = self.servers.say(&exchange, &operator, self.now_ms);
            let same =
                before.iter().find(|report| report.id == probe.id && kind_of(&report.end) == kind_of(&end));
            let since_ms = same.map_or(self.now_ms, |report| report.since_ms);
            self.reports.push(ProbeReport { id: probe.id.clone(), end, since_ms, extensions: Vec::new() });
        }
    }

    // ---- What befalls it -----------------------------------------------------------

    /// A container ends, leaves its run id behind, and is started again.
    pub(crate) fn kill(&mut self, pod: u8) {
        let before = self.servers.0[&pod].clone();
        self.count += 1;
        let next = Server::boot(self.count, &before.uid, &before.address, &before.name, before.keys);
        let next = self.with_files(next);
        self.servers.0.insert(pod, next);
        let mut object = self.objects[&("Pod".to_owned(), self.pod(pod))].clone();
        let mut status = object["status"].take();
        status["containerStatuses"][0]["lastState"] =
            json!({"terminated": {"exitCode": 137, "message": before.run}});
        self.put(object, status);
        self.converge();
    }

    /// A pod goes, and the StatefulSet makes another.
    pub(crate) fn remove_pod(&mut self, pod: u8) {
        let name = self.pod(pod);
        let server = self.servers.0.remove(&pod).unwrap();
        let mut object = self.objects.remove(&("Pod".to_owned(), name.clone())).unwrap();
        let state = &mut object["status"]["containerStatuses"][0]["state"];
        *state = json!({"terminated": {"exitCode": 0, "message": server.run}});
        self.departed.push(object);
        let claim = self.objects.get(&("PersistentVolumeClaim".to_owned(), format!("data-{name}"))).cloned();
        if let Some(claim) = claim {
            self.put(claim, json!({"phase": "Bound", "keys": server.keys}));
        }
    }

    /// A process says nothing any more, or goes on.
    pub(crate) fn freeze(&mut self, pod: u8, is_frozen: bool) {
        self.servers.0.get_mut(&pod).unwrap().is_frozen = is_frozen;
        self.converge();
    }

    /// Clients write, and all that are linked get it.
    pub(crate) fn write(&mut self, pod: u8) {
        let server = self.servers.0.get_mut(&pod).unwrap();
        assert!(server.upstream.is_none(), "it is no primary");
        (server.keys, server.offset) = (server.keys + 1, server.offset + 100);
        self.converge();
    }

    /// Its author changes the spec.
    pub(crate) fn change(&mut self, spec: Value) {
        merge(&mut self.resource["spec"], spec);
        let generation = self.resource["metadata"]["generation"].as_u64().unwrap();
        self.resource["metadata"]["generation"] = json!(generation + 1);
    }

    // ---- What a test asks ------------------------------------------------------------

    pub(crate) fn status(&self) -> &Value {
        &self.resource["status"]
    }

    pub(crate) fn object(&self, kind: &Kind, name: &str) -> &Value {
        &self.objects[&(kind.kind.to_owned(), name.to_owned())]
    }

    pub(crate) fn object_mut(&mut self, kind: &Kind, name: &str) -> &mut Value {
        self.objects.get_mut(&(kind.kind.to_owned(), name.to_owned())).unwrap()
    }

    /// The pod that the read-write Service selects.
    pub(crate) fn selected(&self) -> &str {
        let service = self.object(&kinds::SERVICE, &self.name());
        service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"].as_str().unwrap()
    }

    /// The reasons of the events since the last time.
    pub(crate) fn told(&mut self) -> Vec<String> {
        mem::take(&mut self.events).into_iter().map(|event| event.reason).collect()
    }

    fn name(&self) -> String {
        self.resource["metadata"]["name"].as_str().unwrap().to_owned()
    }

    fn pod(&self, ordinal: u8) -> String {
        format!("{}-{ordinal}", self.name())
    }
}

/// A uid as Kubernetes gives one.
fn uid(number: u64) -> String {
    format!("5ca1ab1e-0000-4000-8000-{number:012x}")
}

fn key(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn ordinal(pod: &str) -> u8 {
    pod.rsplit_once('-').unwrap().1.parse().unwrap()
}

fn kind_of(end: &ExchangeEnd) -> mem::Discriminant<ExchangeEnd> {
    mem::discriminant(end)
}

/// FNV-1a: only for what has to differ.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Sets fields, as a server-side apply does.
fn merge(object: &mut Value, fields: Value) {
    match (object, fields) {
        (Value::Object(object), Value::Object(fields)) => {
            for (name, value) in fields {
                merge(object.entry(name).or_insert_with(Value::default), value);
            }
        }
        (object, fields) => *object = fields,
    }
}
