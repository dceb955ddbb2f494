//! A Redis with an application that writes all the time, and everything that can
//! happen to it.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    chance::Chance,
    client::{self, Quorum, Written},
    cluster::{self, Cluster},
    faults::{Incident, Towards, Whom},
    host::{self, Host},
    outcome::Outcome,
    plug::Plug,
    prepared::Prepared,
    server::Server,
    trace::Trace,
};

/// The one Redis.
const REDIS: &str = "cache";

/// How long it may take until a new one serves.
const START: Duration = Duration::from_secs(120);

/// How many things happen.
const INCIDENTS: u64 = 4;

/// How long it is waited between two, at most.
const PAUSE: Duration = Duration::from_secs(8);

/// How long the weather between host and API server is bad, where it is.
const WEATHER: Duration = Duration::from_secs(60);

/// How long it may take until it is whole again, before the next copy of the data may
/// be lost: containers that crash often are started again after minutes.
const MENDING: Duration = Duration::from_secs(400);

/// How long it is then watched that nothing is written any more.
const QUIET: Duration = Duration::from_secs(15);

/// After how long a person does what is asked for.
const PERSON: Duration = Duration::from_secs(30);

/// How long the application has at the end to write once more: what was lost on a
/// network that was cut is sent again after some seconds.
const ANEW: Duration = Duration::from_secs(30);

/// How often servers are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The lag that is allowed, as the resource says it by default.
const LAG: Duration = Duration::from_secs(5);

/// A run.
struct Run<'a> {
    cluster: &'a Cluster,
    prepared: &'a Prepared,
    trace: &'a Trace,
    client: Client,
    chance: Chance,
    resource: Value,
    host: Host,
    quorum: Quorum,
    hosts: u32,
    /// How often the component was swapped.
    swaps: usize,
    writes: u64,
    /// A person has given up what only servers have that do not come back.
    accepted: bool,
}

/// Runs it.
pub(crate) async fn scenario(
    cluster: &Cluster,
    prepared: &Prepared,
    trace: &Trace,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut chance = Chance::new(outcome.seed);
    let resource = resource(&mut chance);
    trace.note(&format!("the resource: {}", resource.get("spec").unwrap_or(&Value::Null)));
    let client = cluster.server.administrator();
    let weather = match chance.below(4) {
        0 => Plug::in_bad_weather(outcome.seed, WEATHER),
        _ => Plug::default(),
    };
    let host = Host::start(cluster, prepared, weather, "host-0".to_owned());
    let written = Written::default();
    let quorum = Quorum::default();
    let application = tokio::spawn(client::write(
        cluster.server.clone(),
        cluster.network.clone(),
        REDIS,
        quorum.clone(),
        written.clone(),
    ));
    let held = cluster.invariants.clone();
    tokio::spawn(async move {
        loop {
            sleep(LOOK).await;
            held.look();
        }
    });
    let mut run = Run {
        cluster,
        prepared,
        trace,
        client,
        chance,
        resource,
        host,
        quorum,
        hosts: 0,
        swaps: 0,
        writes: 0,
        accepted: false,
    };
    let lived = run.live(&written).await;
    application.abort();
    outcome.problems.extend(cluster.invariants.broken());
    lived?;
    run.is_quiet().await?;
    run.keeps(&written).await?;
    outcome.writes = run.writes + run.host.plug.writes();
    outcome.end = cluster::end(&cluster.server);
    trace.add(serde_json::to_string(&outcome.end)?.as_bytes());
    outcome.problems.extend(cluster.invariants.broken());
    trace.note(&format!(
        "{} writes acknowledged, {} of them confirmed; the longest time without one {:.1} s",
        written.count(),
        written.confirmed().len(),
        written.longest().as_secs_f64()
    ));
    run.host.stop().await
}

fn resource(chance: &mut Chance) -> Value {
    let mut spec = json!({ "replicas": 1 + chance.below(3) });
    let mode = ["AOF", "AOF", "RDB", "Both", "None"].get(chance.below(5) as usize).copied();
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("persistence".to_owned(), json!({ "mode": mode }));
        if chance.below(3) > 0 {
            spec.insert("storage".to_owned(), json!({ "size": "1Gi", "storageClassName": cluster::STORAGE }));
        }
    }
    json!({
        "apiVersion": "redis.operlet.dev/v1", "kind": "Redis",
        "metadata": { "name": REDIS, "namespace": "default" }, "spec": spec,
    })
}

impl Run<'_> {
    /// From its making until it is whole again after all that happens to it.
    async fn live(&mut self, written: &Written) -> Result<()> {
        self.apply().await?;
        self.is_whole_within(START).await.context("after it was made")?;
        for _ in 0..INCIDENTS {
            sleep(self.chance.up_to(PAUSE)).await;
            let incident = Incident::by(&mut self.chance);
            if incident.may_lose() {
                self.is_whole_within(MENDING).await.with_context(|| format!("before {incident:?}"))?;
            }
            self.happen(incident).await.with_context(|| format!("{incident:?}"))?;
        }
        self.is_whole_within(MENDING).await.context("at the end")?;
        let before = written.confirmed().len();
        let end = Instant::now() + ANEW;
        while written.confirmed().len() == before {
            ensure!(Instant::now() < end, "it is whole, and the application cannot write");
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn set(&mut self, field: &str, value: Value) {
        if let Some(spec) = self.resource.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert(field.to_owned(), value);
        }
    }

    async fn apply(&self) -> Result<()> {
        cluster::apply(&self.client, &self.resource).await
    }

    fn pods(&self) -> u8 {
        let replicas = self.resource.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or_default();
        replicas as u8 + 1
    }

    async fn status(&self) -> Result<Value> {
        let found = cluster::api(&self.client, &self.resource).get(REDIS).await?;
        Ok(found.data.get("status").cloned().unwrap_or_default())
    }

    /// The ordinal of the pod that is the primary on record.
    async fn primary(&self) -> Result<u8> {
        let status = self.status().await?;
        let pod = status.pointer("/primary/pod").and_then(Value::as_str).unwrap_or_default();
        let ordinal = pod.rsplit('-').next().and_then(|ordinal| ordinal.parse().ok());
        Ok(ordinal.unwrap_or_default())
    }

    async fn pod(&self, whom: Whom) -> Result<String> {
        let primary = self.primary().await?;
        let ordinal = match whom {
            Whom::Primary => primary,
            Whom::Other(distance) => (primary + distance) % self.pods(),
        };
        Ok(format!("{REDIS}-{ordinal}"))
    }

    async fn node(&self, pod: &str) -> Result<String> {
        let pod = cluster::api(&self.client, &reference("Pod", pod)).get(pod).await?;
        let node = pod.data.pointer("/spec/nodeName").and_then(Value::as_str);
        Ok(node.context("it is on no node")?.to_owned())
    }

    /// Lets it happen, and takes back what only lasts for a while.
    async fn happen(&mut self, incident: Incident) -> Result<()> {
        self.trace.note(&format!("{incident:?}"));
        let Cluster { world, network, invariants, .. } = self.cluster;
        match incident {
            Incident::Kill(whom) => {
                let pod = self.pod(whom).await?;
                ensure!(world.kill("default", &pod, "redis"), "{pod} does not run");
            }
            Incident::Empty(whom) => {
                let pod = self.pod(whom).await?;
                ensure!(world.lose_volume("default", &pod, "data"), "{pod} has no volume");
            }
            Incident::Freeze(whom, time) => {
                let pod = self.pod(whom).await?;
                let servers = self.cluster.servers.all();
                let frozen = servers.get(&pod).context("it never ran")?.redis().run_id().to_owned();
                ensure!(world.freeze("default", &pod, "redis"), "{pod} does not run");
                invariants.freeze(&frozen);
                sleep(time).await;
                world.thaw("default", &pod, "redis");
                invariants.thaw(&frozen);
            }
            Incident::Delete(whom) => {
                let pod = self.pod(whom).await?;
                let deleted = cluster::api(&self.client, &reference("Pod", &pod));
                deleted.delete(&pod, &DeleteParams::default()).await?;
            }
            Incident::PowerCut(whom, time) => {
                let node = self.node(&self.pod(whom).await?).await?;
                world.cut_power(&node);
                sleep(time).await;
                world.restore_power(&node);
            }
            Incident::Partition(whom, towards, time) => {
                let node = self.node(&self.pod(whom).await?).await?;
                let others = cluster::NODES.into_iter().filter(|other| *other != node);
                let cut: Vec<&str> = match towards {
                    Towards::Host => vec![host::NODE],
                    Towards::Pods => others.collect(),
                    Towards::All => others.chain([host::NODE, client::NODE]).collect(),
                };
                cut.iter().for_each(|other| network.partition(&node, other));
                sleep(time).await;
                cut.iter().for_each(|other| network.heal(&node, other));
                if towards != Towards::Host {
                    invariants.heal(LAG);
                }
            }
            Incident::Crash => {
                self.hosts += 1;
                let next =
                    Host::start(self.cluster, self.prepared, Plug::default(), format!("host-{}", self.hosts));
                self.writes += std::mem::replace(&mut self.host, next).crash().writes();
            }
            Incident::Switchover => {
                let id = self.chance.below(1_000_000).to_string();
                self.set("switchover", json!({ "requestID": id }));
                self.apply().await?;
            }
            Incident::Scale(replicas) => {
                self.set("replicas", json!(replicas));
                // What is promised is lowered once it is so.
                self.quorum.fetch_max(quorum(replicas), Ordering::Relaxed);
                self.apply().await?;
            }
            Incident::Configure => {
                let policy = ["noeviction", "allkeys-lru"].get(self.chance.below(2) as usize).copied();
                self.set("memory", json!({ "policy": policy }));
                self.apply().await?;
            }
            Incident::Roll => {
                let databases = (16 + self.chance.below(4)).to_string();
                self.set("config", json!({ "databases": databases }));
                self.apply().await?;
            }
            Incident::Rotate => {
                let name = format!("{REDIS}-auth");
                let password = format!("password-{}", self.chance.below(1_000_000));
                let patch = json!({ "stringData": { "password": password } });
                let secret = cluster::api(&self.client, &reference("Secret", &name));
                secret.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            }
            Incident::Swap => {
                self.swaps += 1;
                let versions = &self.prepared.versions;
                let version = versions.get(self.swaps % versions.len()).context("no version")?;
                cluster::apply(&self.client, version).await?;
            }
        }
        Ok(())
    }

    /// Waits until all servers run, and all but one follow it closely.
    async fn is_whole_within(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        let mut asked = Instant::now() + PERSON;
        loop {
            let problem = match self.is_whole().await? {
                Ok(()) => {
                    self.quorum.store(quorum(self.pods() - 1), Ordering::Relaxed);
                    return Ok(());
                }
                Err(problem) => problem,
            };
            if Instant::now() >= end {
                bail!("it does not become whole: {problem}; {}", self.status().await?);
            }
            if Instant::now() >= asked {
                self.decide().await?;
                asked = Instant::now() + PERSON;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Does what a person can do, if it says that one must: it gives up what only those
    /// have that do not come back.
    async fn decide(&mut self) -> Result<()> {
        let status = self.status().await?;
        let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let blocked = conditions.filter(|condition| {
            condition.get("type").is_some_and(|is| is == "FailoverBlocked")
                && condition.get("status").is_some_and(|is| is == "True")
        });
        let told: String = blocked.filter_map(|condition| condition.get("message")?.as_str()).collect();
        let annotation = told.split_whitespace().find_map(|word| word.split_once('='));
        let Some((key, value)) = annotation.filter(|(key, _)| key.ends_with("/accept-loss")) else {
            return Ok(());
        };
        self.trace.note(&format!("a person: {key}={value}"));
        self.accepted = true;
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        let resource = cluster::api(&self.client, &self.resource);
        resource.patch(REDIS, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn is_whole(&self) -> Result<Result<(), String>> {
        if let Err(problem) = self.are_whole() {
            return Ok(Err(problem));
        }
        let status = self.status().await?;
        let condition = |kind: &str| {
            let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
            let mut found = conditions.filter(|condition| condition.get("type").is_some_and(|is| is == kind));
            found.next().and_then(|found| found.get("status")?.as_str()).unwrap_or_default().to_owned()
        };
        let good = condition("Ready") == "True" && condition("Progressing") != "True";
        Ok(if good { Ok(()) } else { Err(format!("its status is {status}")) })
    }

    /// Whether the servers are all there, by what they do themselves.
    fn are_whole(&self) -> Result<(), String> {
        let servers = self.cluster.servers.all();
        let wanted: BTreeSet<String> = (0..self.pods()).map(|ordinal| format!("{REDIS}-{ordinal}")).collect();
        let running: BTreeSet<String> =
            servers.iter().filter(|(_, server)| server.runs()).map(|(pod, _)| pod.clone()).collect();
        let runs = servers.values().filter(|server| server.runs());
        let (leading, following): (Vec<_>, Vec<_>) =
            runs.partition(|server| server.redis().follows().is_none());
        let linked = following.iter().all(|server| server.redis().link().is_ok());
        if running != wanted {
            Err(format!("{running:?} run, and {wanted:?} should"))
        } else if leading.len() != 1 || !linked {
            Err(format!("{} lead, and it is {linked} that all others are linked", leading.len()))
        } else if !leading.iter().all(|server| server.redis().takes_writes()) {
            Err("it takes no writes".to_owned())
        } else {
            Ok(())
        }
    }

    /// Nothing is written any more, for a while, soon.
    async fn is_quiet(&self) -> Result<()> {
        let end = Instant::now() + MENDING;
        loop {
            let before = self.host.plug.writes();
            sleep(QUIET).await;
            let after = self.host.plug.writes();
            if before == after {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} writes while nothing changed", after - before);
        }
    }

    /// Everything that was confirmed is at the primary, and everybody has what it has.
    async fn keeps(&self, written: &Written) -> Result<()> {
        let pod = self.pod(Whom::Primary).await?;
        let servers = self.cluster.servers.all();
        let server = servers.get(&pod).with_context(|| format!("{pod} never ran"))?;
        let lost: Vec<u64> = {
            let redis = server.redis();
            let is_lost = |number: &u64| redis.value(&client::key(*number)).is_none();
            written.confirmed().into_iter().filter(is_lost).collect()
        };
        ensure!(lost.is_empty() || self.accepted, "I13: confirmed writes are lost: {lost:?}");
        let has = |server: &Server| {
            let redis = server.redis();
            (redis.history().0.to_owned(), redis.keys())
        };
        for (other, others) in servers.iter().filter(|(_, server)| server.runs()) {
            let (expected, is) = (has(server), has(others));
            ensure!(is == expected, "{other} has {is:?}, and the primary {pod} {expected:?}");
        }
        Ok(())
    }
}

/// How many replicas must have a write, so that it is never lost.
fn quorum(replicas: u8) -> u8 {
    replicas.div_ceil(2).max(1)
}

/// An object of this kind and name, to be found by.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "default" } })
}
