//! What fails over: a Redis of Operlet, or servers with sentinels.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    outage::{
        place::Place,
        route::{Route, Sentinels},
        seats::{Seat, Watch},
        subject::{PORT, Subject, spread},
        wait::{PATIENCE, until},
        wire::{Connection, Login, Reply},
        writer::Client,
    },
    stage::Stage,
};

/// Servers of either.
pub(crate) const SERVERS: usize = 3;

/// How many replicas confirm a write: as many as must be there for one.
pub(crate) const QUORUM: u64 = 1;

const OPERLET: &str = "bench-failover";
const SENTINEL: &str = "bench-sentinel";
const MANIFEST: &str = include_str!("../manifests/sentinel.yaml");

/// Something with a primary and two replicas on three nodes.
pub(crate) struct System {
    pub(crate) subject: Subject,
    pub(crate) servers: Watch,
    pub(crate) login: Login,
    route: Route,
    /// Of the sentinels, if it has any.
    sentinels: Option<Watch>,
}

impl System {
    /// A Redis with such a spec.
    pub(crate) fn operlet(stage: &Stage, spec: &Value) -> Result<Self> {
        stage.namespace(OPERLET)?;
        let subject =
            Subject { lab: stage.lab.clone(), namespace: OPERLET.to_owned(), name: "failover".to_owned() };
        subject.apply(&spread(2, &subject.name, spec))?;
        subject.gets_well(SERVERS)?;
        let (login, route) = (subject.login()?, Route::Address(subject.service()?));
        Ok(Self { servers: subject.watch(), subject, login, route, sentinels: None })
    }

    /// Servers with sentinels.
    pub(crate) fn sentinel(stage: &Stage, persistent: bool) -> Result<Self> {
        stage.namespace(SENTINEL)?;
        let value = json!(if persistent { "yes" } else { "no" }).to_string();
        stage.apply(&MANIFEST.replace("\"PERSISTENCE\"", &value))?;
        let lab = stage.lab.clone();
        let watch = |label: &str| Watch::start(&lab, SENTINEL, label);
        let (servers, sentinels) = (watch("app=redis"), watch("app=sentinel"));
        let route = Route::Sentinels(Sentinels {
            sentinels: sentinels.seats(),
            servers: servers.seats(),
            primary: "main".to_owned(),
            port: PORT,
        });
        let subject = Subject { lab, namespace: SENTINEL.to_owned(), name: "redis".to_owned() };
        let system = Self { subject, servers, login: Login::default(), route, sentinels: Some(sentinels) };
        system.gets_well()?;
        Ok(system)
    }

    /// The primary's pod.
    pub(crate) fn primary(&self) -> Result<Seat> {
        if self.sentinels.is_none() {
            return self.subject.primary();
        }
        let address = self.route.find()?.ip();
        let seat = self.servers.seats().present().into_iter().find(|seat| seat.address == address);
        seat.with_context(|| format!("the primary {address} is no pod"))
    }

    /// Waits until it is complete and at rest.
    pub(crate) fn gets_well(&self) -> Result<()> {
        until("all servers are there and follow the primary", PATIENCE, || self.is_well())
    }

    /// Whether it is complete.
    pub(crate) fn is_well(&self) -> Result<()> {
        let Some(sentinels) = &self.sentinels else { return self.subject.is_well(SERVERS).map(drop) };
        let pods = self.subject.lab.kubectl(&["get", "pods", "-n", SENTINEL, "-o", "json"])?;
        let pods: Value = serde_json::from_str(&pods)?;
        let pods = pods.pointer("/items").and_then(Value::as_array).context("no list of pods")?;
        let fine = pods.iter().filter(|pod| is_ready(pod)).count();
        ensure!(fine == 2 * SERVERS && pods.len() == fine, "{fine} of {} pods are ready", pods.len());
        let told = self.connect()?.ask(&["INFO", "replication"])?.to_string();
        ensure!(told.contains("role:master"), "the primary is none: {told}");
        ensure!(told.matches("state=online").count() == SERVERS - 1, "replicas are missing: {told}");
        for sentinel in sentinels.seats().present() {
            let mut connection = Connection::open((sentinel.address, 26379).into(), &Login::default())?;
            let Reply::Array(told) = connection.ask(&["SENTINEL", "MASTER", "main"])? else {
                bail!("{} does not know the primary", sentinel.pod);
            };
            let told: Vec<String> = told.iter().map(Reply::to_string).collect();
            let value = |name: &str| {
                told.chunks(2).find_map(|pair| match pair {
                    [key, value] if key == name => Some(value.as_str()),
                    _ => None,
                })
            };
            let quiet = value("flags") == Some("master")
                && value("num-slaves") == Some("2")
                && value("num-other-sentinels") == Some("2");
            ensure!(quiet, "{} sees something else: {}", sentinel.pod, told.join(" "));
        }
        Ok(())
    }

    /// A connection to the primary.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let address = (self.primary()?.address, PORT).into();
        Connection::open(address, &self.login).with_context(|| format!("cannot connect to {address}"))
    }

    /// A client on a node.
    pub(crate) fn client(&self, prefix: String, node: u8, quorum: Option<u64>) -> Client {
        let place = Place::on_node(&self.subject.lab, node);
        Client { prefix, place, route: self.route.clone(), login: self.login.clone(), quorum }
    }

    /// Removes it.
    pub(crate) fn remove(self) -> Result<()> {
        let namespace = &self.subject.namespace;
        self.subject.lab.kubectl(&["delete", "namespace", namespace, "--timeout=300s"]).map(drop)
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = |condition: &Value| {
        let text = |field: &str| condition.get(field).and_then(Value::as_str);
        (text("type"), text("status")) == (Some("Ready"), Some("True"))
    };
    let leaves = pod.pointer("/metadata/deletionTimestamp").is_some();
    !leaves && conditions.is_some_and(|conditions| conditions.iter().any(ready))
}

/// How long a fault is looked at at least: longer than any of them takes to show. Then
/// it is waited for clients to write as they should.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
