//! The one Redis of a run: what it is asked to be, and how it is.

mod happen;
mod whole;

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    client::{self, Quorum, Written},
    cluster::{self, Cluster},
    faults::Whom,
    host::Host,
    plug::Plug,
    prepared::Prepared,
    trace::Trace,
};

/// Its name.
pub(crate) const REDIS: &str = "cache";

/// How long it may take until a new one serves.
pub(crate) const START: Duration = Duration::from_secs(120);

/// How long it may take until it is whole again, before the next copy of the data may
/// be lost: containers that crash often are started again after minutes.
pub(crate) const MENDING: Duration = Duration::from_secs(400);

/// How often servers are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The one Redis, the host that operates it, and the application that writes to it.
pub(crate) struct Redis<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) prepared: &'a Prepared,
    pub(crate) trace: &'a Trace,
    pub(crate) client: Client,
    pub(crate) host: Host,
    pub(crate) written: Written,
    resource: Value,
    quorum: Quorum,
    application: JoinHandle<()>,
    hosts: u32,
    /// How often the component was swapped.
    pub(crate) swaps: usize,
    writes: u64,
    /// Confirmed writes may be lost until it is whole again: it promises nothing, or a
    /// person has given up what only servers have that do not come back.
    lossy: bool,
    /// Those that were confirmed before then.
    forgiven: BTreeSet<u64>,
    /// How often a person has given up something.
    losses: u64,
}

impl<'a> Redis<'a> {
    /// Has it operated and written to. It is not made yet: [`Redis::apply`] does that.
    pub(crate) fn new(
        cluster: &'a Cluster,
        prepared: &'a Prepared,
        trace: &'a Trace,
        spec: &Value,
        line: Plug,
    ) -> Self {
        let host = Host::start(cluster, prepared, line, "host-0".to_owned());
        let (written, quorum) = (Written::default(), Quorum::default());
        let (server, network) = (cluster.server.clone(), cluster.network.clone());
        let application =
            tokio::spawn(client::write(server, network, REDIS, quorum.clone(), written.clone()));
        let held = cluster.invariants.clone();
        tokio::spawn(async move {
            loop {
                sleep(LOOK).await;
                held.look();
            }
        });
        let resource = json!({
            "apiVersion": "redis.operlet.dev/v1", "kind": "Redis",
            "metadata": { "name": REDIS, "namespace": "default" }, "spec": spec,
        });
        Self {
            cluster,
            prepared,
            trace,
            client: cluster.server.administrator(),
            host,
            written,
            resource,
            quorum,
            application,
            hosts: 0,
            swaps: 0,
            writes: 0,
            lossy: false,
            forgiven: BTreeSet::new(),
            losses: 0,
        }
    }

    /// Changes a field of what it is asked to be, and says so.
    pub(crate) async fn change(&mut self, field: &str, value: Value) -> Result<()> {
        if let Some(spec) = self.resource.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert(field.to_owned(), value);
        }
        self.apply().await
    }

    /// Says what it is asked to be.
    pub(crate) async fn apply(&mut self) -> Result<()> {
        if !self.promises() {
            self.lossy = true;
            self.cluster.invariants.promise(false);
        }
        // What is promised is lowered once it is so.
        self.quorum.fetch_max(quorum(self.pods() - 1), Ordering::Relaxed);
        cluster::apply(&self.client, &self.resource).await
    }

    /// Whether it is asked to keep what was confirmed.
    fn promises(&self) -> bool {
        self.pods() > 1 && self.resource.pointer("/spec/failover/mode").is_none_or(|mode| mode != "Available")
    }

    /// Lets another host take the place of the one that is there.
    pub(crate) fn crash(&mut self) {
        self.hosts += 1;
        let name = format!("host-{}", self.hosts);
        let next = Host::start(self.cluster, self.prepared, Plug::default(), name);
        self.writes += std::mem::replace(&mut self.host, next).crash().writes();
    }

    /// How many times hosts wrote.
    pub(crate) fn writes(&self) -> u64 {
        self.writes + self.host.plug.writes()
    }

    pub(crate) fn pods(&self) -> u8 {
        let replicas = self.resource.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or_default();
        replicas as u8 + 1
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let found = cluster::api(&self.client, &self.resource).get(REDIS).await?;
        Ok(found.data.get("status").cloned().unwrap_or_default())
    }

    /// The ordinal of the pod that is the primary on record.
    pub(crate) async fn primary(&self) -> Result<u8> {
        let status = self.status().await?;
        let pod = status.pointer("/primary/pod").and_then(Value::as_str).unwrap_or_default();
        let ordinal = pod.rsplit('-').next().and_then(|ordinal| ordinal.parse().ok());
        Ok(ordinal.unwrap_or_default())
    }

    pub(crate) async fn pod(&self, whom: Whom) -> Result<String> {
        let primary = self.primary().await?;
        let ordinal = match whom {
            Whom::Primary => primary,
            Whom::Other(distance) => (primary + distance) % self.pods(),
        };
        Ok(format!("{REDIS}-{ordinal}"))
    }

    pub(crate) async fn node(&self, pod: &str) -> Result<String> {
        let found = cluster::api(&self.client, &reference("Pod", pod)).get_opt(pod).await?;
        let node = found.as_ref().and_then(|pod| pod.data.pointer("/spec/nodeName")?.as_str());
        // One that is away may come to any of them.
        Ok(node.unwrap_or(cluster::NODES[0]).to_owned())
    }
}

/// How many replicas must have a write, so that it is never lost.
fn quorum(replicas: u8) -> u8 {
    replicas.div_ceil(2).max(1)
}

/// An object of this kind and name, to be found by.
pub(crate) fn reference(kind: &str, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "default" } })
}
