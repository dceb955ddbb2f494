//! The host, put together as `operlet run` does, with a simulated cluster in place of
//! a real one.

use std::{io, net::SocketAddr, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use operlet::{
    controller::{Clients, Connect, Supervisor, SupervisorOptions},
    engine::Engine,
    exchange::{BoxStream, ConnectionLimits, Dial, Exchanges},
    lease::{Lease, LeaseOptions},
    metrics::Metrics,
};
use operlet_sim::ApiServer;
use tokio_util::sync::CancellationToken;

use crate::plug::Plug;

/// The namespace of the host.
pub(crate) const NAMESPACE: &str = "operlet-system";

/// Who the host is to the API server.
pub(crate) const USER: &str = "system:serviceaccount:operlet-system:operlet";

struct Cluster {
    server: ApiServer,
    plug: Plug,
}

impl Connect for Cluster {
    fn connect(&self, user: Option<&str>) -> Result<Client, kube::Error> {
        Ok(self.plug.client(&self.server, USER, user))
    }
}

/// A network on which nobody listens.
struct Nobody;

impl Dial for Nobody {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        async { Err(io::ErrorKind::ConnectionRefused.into()) }.boxed()
    }
}

/// Runs a host until it is told to stop; then what is under way is finished and the
/// Lease given back.
pub(crate) async fn run(
    server: ApiServer,
    plug: Plug,
    engine: Engine,
    instance: &str,
    stop: CancellationToken,
) {
    let metrics = Metrics::new();
    let connect: Arc<dyn Connect> = Arc::new(Cluster { server, plug });
    let client = connect.connect(None).expect("a client of the simulation");
    let options = LeaseOptions {
        client,
        namespace: NAMESPACE.to_owned(),
        identity: instance.to_owned(),
        metrics: metrics.clone(),
    };
    let lease = Lease::new(options);
    let leadership = lease.leadership();
    let clients = Clients::new(connect, NAMESPACE, leadership.clone(), metrics);
    let exchanges = Exchanges::new(Arc::new(Nobody), ConnectionLimits::default());
    let options = SupervisorOptions {
        clients,
        engine,
        exchanges,
        namespace: NAMESPACE.to_owned(),
        instance: instance.to_owned(),
    };
    let supervisor = Supervisor::new(options).expect("a supervisor");
    let release = CancellationToken::new();
    let kept = tokio::spawn(lease.keep(release.clone()));
    if stop.run_until_cancelled(leadership.acquired()).await.is_some() {
        supervisor.run(stop).await;
    }
    release.cancel();
    drop(kept.await);
}
