//! `operlet run`: puts the parts together.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    admin,
    controller::{Supervisor, SupervisorOptions},
    engine::{Engine, EngineOptions},
};

/// What `operlet run` may be told.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The host's own namespace: it keeps its copies of components there, and
    /// impersonates only ServiceAccounts from there
    #[arg(long, env = "POD_NAMESPACE", default_value = "operlet-system")]
    pub namespace: String,

    /// The name of this process in events
    #[arg(long, env = "HOSTNAME", default_value = "operlet")]
    pub instance: String,

    /// Where /healthz and /readyz are served
    #[arg(long, env = "OPERLET_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin_address: SocketAddr,
}

/// Serves until SIGTERM or SIGINT, then lets what is under way finish.
///
/// # Errors
/// If the cluster cannot be found, or the address cannot be listened on.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let RunOptions { namespace, instance, admin_address } = options;
    let config = Config::infer()
        .await
        .context("no cluster found: run it as a pod with a ServiceAccount, or set KUBECONFIG")?;
    tracing::info!(api_server = %config.cluster_url, namespace, "starting");
    let client = Client::try_from(config.clone()).context("cannot make a client for the cluster")?;
    let engine = Engine::new(EngineOptions::default()).context("cannot set up the WebAssembly engine")?;
    let supervisor = Supervisor::new(SupervisorOptions {
        config,
        client,
        engine,
        namespace,
        instance,
        exchanges: crate::exchange::Exchanges::new(
            std::sync::Arc::new(crate::exchange::TcpDial),
            crate::exchange::ConnectionLimits::default(),
        ),
        leadership: crate::lease::Leadership::always(),
        metrics: crate::metrics::Metrics,
    });
    let admin = tokio::spawn(admin::serve(admin_address, supervisor.ready()));
    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(supervisor.run(stop.clone()));
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
        ended = &mut serving => {
            ended.context("the supervisor panicked")?;
            anyhow::bail!("the supervisor ended by itself");
        }
        ended = admin => {
            ended.context("the admin endpoint panicked")?
                .with_context(|| format!("cannot serve the admin endpoint on {admin_address}"))?;
        }
    }
    stop.cancel();
    serving.await.context("the supervisor panicked")?;
    tracing::info!("stopped");
    Ok(())
}
