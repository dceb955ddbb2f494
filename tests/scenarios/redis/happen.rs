//! What happens to it, and what people do with it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{LOOK, REDIS, Redis, reference};
use crate::{
    client,
    cluster::{self, Cluster},
    faults::{Incident, Towards, Whom},
    host,
};

/// How long it is waited for a host to write so often that it crashes.
const CRASH: Duration = Duration::from_secs(10);

/// What lasts until it is taken back.
#[derive(Debug)]
#[must_use = "it lasts until it is taken back"]
pub(crate) enum Lasting {
    Nothing,
    Frozen { pod: String, run_id: String },
    Dark(String),
    Cut { node: String, from: Vec<&'static str> },
    Paused,
}

impl Redis<'_> {
    /// Lets it happen, and takes back what only lasts for a while.
    pub(crate) async fn happen(&mut self, incident: Incident) -> Result<()> {
        let lasting = self.begin(incident).await?;
        sleep(incident.lasts()).await;
        self.take_back(lasting).await
    }

    /// Lets it happen.
    pub(crate) async fn begin(&mut self, incident: Incident) -> Result<Lasting> {
        self.trace.note(&format!("{incident:?}"));
        let Cluster { world, network, .. } = self.cluster;
        match incident {
            Incident::Kill(whom) => {
                let pod = self.pod(whom).await?;
                ensure!(world.kill("default", &pod, "redis"), "{pod} does not run");
            }
            Incident::Empty(whom) => {
                let pod = self.pod(whom).await?;
                ensure!(world.lose_volume("default", &pod, "data"), "{pod} has no volume");
            }
            Incident::Delete(whom) => {
                let pod = self.pod(whom).await?;
                let deleted = cluster::api(&self.client, &reference("Pod", &pod));
                match deleted.delete(&pod, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.is_not_found() => {}
                    done => drop(done?),
                }
            }
            Incident::Freeze(whom, _) => return self.freeze(whom).await,
            Incident::PowerCut(whom, _) => {
                let node = self.node(&self.pod(whom).await?).await?;
                world.cut_power(&node);
                return Ok(Lasting::Dark(node));
            }
            Incident::Partition(whom, towards, _) => {
                let node = self.node(&self.pod(whom).await?).await?;
                let others = cluster::NODES.into_iter().filter(|other| *other != node);
                let from: Vec<&str> = match towards {
                    Towards::Host => vec![host::NODE],
                    Towards::Pods => others.collect(),
                    Towards::All => others.chain([host::NODE, client::NODE]).collect(),
                };
                from.iter().for_each(|other| network.partition(&node, other));
                return Ok(Lasting::Cut { node, from });
            }
            Incident::Pause(_) => {
                self.change("paused", json!(true)).await?;
                return Ok(Lasting::Paused);
            }
            Incident::Crash => self.crash(),
            Incident::Swap => {
                self.swaps += 1;
                let versions = &self.prepared.versions;
                let version = versions.get(self.swaps % versions.len()).context("no version")?;
                cluster::apply(&self.client, version).await?;
            }
            Incident::Rotate(number) => self.rotate(number).await?,
            Incident::Switchover(number) => {
                self.change("switchover", json!({ "requestID": number.to_string() })).await?;
            }
            Incident::Scale(replicas) => self.change("replicas", json!(replicas)).await?,
            Incident::Configure(policy) => self.change("memory", json!({ "policy": policy })).await?,
            Incident::Roll(databases) => {
                self.change("config", json!({ "databases": databases.to_string() })).await?;
            }
        }
        Ok(Lasting::Nothing)
    }

    /// Takes back what lasts.
    pub(crate) async fn take_back(&mut self, lasting: Lasting) -> Result<()> {
        let Cluster { world, network, invariants, .. } = self.cluster;
        match lasting {
            Lasting::Nothing => {}
            Lasting::Frozen { pod, run_id } => {
                world.thaw("default", &pod, "redis");
                invariants.thaw(&run_id);
            }
            Lasting::Dark(node) => world.restore_power(&node),
            Lasting::Cut { node, from } => {
                from.iter().for_each(|other| network.heal(&node, other));
                // Who is cut off from the host alone hears its replicas all the time.
                if from.iter().any(|other| *other != host::NODE) {
                    invariants.heal();
                }
            }
            Lasting::Paused => self.change("paused", json!(false)).await?,
        }
        Ok(())
    }

    /// The host crashes with so many writes from now on. [`Redis::crash_if_due`] lets
    /// another one take its place.
    pub(crate) fn crash_within(&self, writes: u64) {
        self.trace.note(&format!("the host is to crash with its write {writes} from now on"));
        self.host.plug.cut_within(writes);
    }

    /// Waits until it has crashed, or for a while.
    pub(crate) async fn crash_if_due(&mut self) {
        let end = Instant::now() + CRASH;
        while !self.host.plug.is_cut() && Instant::now() < end {
            sleep(LOOK).await;
        }
        self.trace.note("another host");
        self.crash();
    }

    async fn freeze(&self, whom: Whom) -> Result<Lasting> {
        let pod = self.pod(whom).await?;
        let servers = self.cluster.servers.all();
        let run_id = servers.get(&pod).context("it never ran")?.redis().run_id().to_owned();
        ensure!(self.cluster.world.freeze("default", &pod, "redis"), "{pod} does not run");
        self.cluster.invariants.freeze(&run_id);
        Ok(Lasting::Frozen { pod, run_id })
    }

    /// Gives the application another password.
    async fn rotate(&self, number: u64) -> Result<()> {
        let name = format!("{REDIS}-auth");
        let patch: Value = json!({ "stringData": { "password": format!("password-{number}") } });
        let secret = cluster::api(&self.client, &reference("Secret", &name));
        secret.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }
}
