//! The host, put together as `operlet run` does, with a simulated cluster in place of
//! a real one.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use kube::Client;
use operlet::{
    controller::{Clients, Connect, Supervisor, SupervisorOptions},
    engine::Engine,
    exchange::{ConnectionLimits, Exchanges},
    lease::{Lease, LeaseOptions},
    metrics::Metrics,
};
use operlet_sim::ApiServer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{cluster::Cluster, plug::Plug, prepared::Prepared, way::Way};

/// The namespace of the host.
pub(crate) const NAMESPACE: &str = "operlet-system";

/// Who the host is to the API server.
pub(crate) const USER: &str = "system:serviceaccount:operlet-system:operlet";

struct Line {
    server: ApiServer,
    plug: Plug,
}

impl Connect for Line {
    fn connect(&self, user: Option<&str>) -> Result<Client, kube::Error> {
        Ok(self.plug.client(&self.server, USER, user))
    }
}

/// Where hosts are: on a node of their own.
pub(crate) const NODE: &str = "host";

/// The address of all of them.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));

/// A host that runs.
pub(crate) struct Host {
    pub(crate) plug: Plug,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Host {
    pub(crate) fn start(cluster: &Cluster, prepared: &Prepared, plug: Plug, instance: String) -> Self {
        let stop = CancellationToken::new();
        cluster.network.assign(ADDRESS, NODE);
        let way = Way::new(cluster.network.clone(), plug.clone());
        let line = Line { server: cluster.server.clone(), plug: plug.clone() };
        let run = run(line, way, prepared.engine.clone(), instance, stop.clone());
        Self { plug, stop, running: tokio::spawn(run) }
    }

    /// Crashes it: it says nothing more to anybody.
    pub(crate) fn crash(self) -> Plug {
        self.plug.cut();
        self.running.abort();
        self.plug
    }

    /// Stops it: what is under way is finished and the Lease given back.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.running.await.context("the host panicked")
    }
}

async fn run(line: Line, way: Way, engine: Engine, instance: String, stop: CancellationToken) {
    let metrics = Metrics::new();
    let connect: Arc<dyn Connect> = Arc::new(line);
    let client = connect.connect(None).expect("a client of the simulation");
    let options = LeaseOptions {
        client,
        namespace: NAMESPACE.to_owned(),
        identity: instance.clone(),
        metrics: metrics.clone(),
    };
    let lease = Lease::new(options);
    let leadership = lease.leadership();
    let clients = Clients::new(connect, NAMESPACE, leadership.clone(), metrics);
    let exchanges = Exchanges::new(Arc::new(way), ConnectionLimits::default());
    let options = SupervisorOptions { clients, engine, exchanges, namespace: NAMESPACE.to_owned(), instance };
    let supervisor = Supervisor::new(options).expect("a supervisor");
    let release = CancellationToken::new();
    let kept = tokio::spawn(lease.keep(release.clone()));
    if stop.run_until_cancelled(leadership.acquired()).await.is_some() {
        supervisor.run(stop).await;
    }
    release.cancel();
    drop(kept.await);
}
