//! `operlet run`: puts the parts together.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use http::{HeaderValue, header::USER_AGENT};
use kube::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinError, JoinHandle},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    controller::{Clients, Connect as _, Supervisor, SupervisorOptions},
    engine::{Compiler, Engine, EngineOptions},
    exchange::{ConnectionLimits, Exchanges, TcpDial},
    lease::{Ended, Lease, LeaseOptions},
    metrics::Metrics,
};

/// How long what is under way may take to finish after a signal. It is less than
/// the 30 s that the manifest allows before the process is killed, and more than
/// what the queues allow.
const STOP: Duration = Duration::from_secs(25);

/// Random bytes that tell processes of one name apart.
const SUFFIX_BYTES: usize = 4;

/// Several times what a component of half a MiB takes (32 to 48 MiB), and it leaves
/// the host enough of the 512 MiB of the manifest.
const COMPILE_MEMORY_MIB: u64 = 320;

/// What `operlet run` may be told.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The host's own namespace: its Lease and its copies of components are there,
    /// and it impersonates only ServiceAccounts from there
    #[arg(long, env = "POD_NAMESPACE", default_value = "operlet-system")]
    pub namespace: String,

    /// The name of this process in events and in the Lease
    #[arg(long, env = "HOSTNAME", default_value = "operlet")]
    pub instance: String,

    /// The uid of the pod that this process is the only one of: started again in
    /// the same pod it goes on at once
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,

    /// How much memory the process that compiles a component may take, in MiB. The
    /// container's limit must have room for it beside the host
    #[arg(long, env = "OPERLET_COMPILE_MEMORY_MIB", default_value_t = COMPILE_MEMORY_MIB)]
    pub compile_memory_mib: u64,

    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "OPERLET_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin_address: SocketAddr,
}

/// Waits for the Lease and serves until SIGTERM or SIGINT, then lets what is under
/// way finish and gives the Lease back.
///
/// # Errors
/// If the cluster cannot be found, the address cannot be listened on, another host
/// has taken the Lease, or what was under way did not finish in time.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let RunOptions { namespace, instance, pod_uid, compile_memory_mib, admin_address } = options;
    raise_open_files();
    let mut config = Config::infer()
        .await
        .context("no cluster found: run it as a pod with a ServiceAccount, or set KUBECONFIG")?;
    config.headers.extend(user_agent(&instance).map(|agent| (USER_AGENT, agent)));
    let identity = identity(&instance, pod_uid.as_deref())?;
    tracing::info!(api_server = %config.cluster_url, namespace, identity, "starting");
    let metrics = Metrics::new();
    let client = config.connect(None).context("cannot make a client for the cluster")?;
    let lease = LeaseOptions { client, namespace: namespace.clone(), identity, metrics: metrics.clone() };
    let lease = Lease::new(lease);
    let leadership = lease.leadership();
    let clients = Clients::new(Arc::new(config), &namespace, leadership.clone(), metrics.clone());
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let compiler = Compiler { program, memory_bytes: compile_memory_mib.saturating_mul(1024 * 1024) };
    let options = EngineOptions { compiler: Some(compiler), ..EngineOptions::default() };
    let engine = Engine::new(options).context("cannot set up the WebAssembly engine")?;
    let exchanges = Exchanges::new(Arc::new(TcpDial), ConnectionLimits::default());
    let supervisor = Supervisor::new(SupervisorOptions { clients, engine, exchanges, namespace, instance })
        .context("cannot make a client for the cluster")?;
    let admin = Admin { ready: supervisor.ready(), leadership: leadership.clone(), metrics };
    let admin = tokio::spawn(admin.serve(admin_address));
    let (stop, release) = (CancellationToken::new(), CancellationToken::new());
    let mut lease = tokio::spawn(lease.keep(release.clone()));
    let stopped = stop.clone();
    let mut serving = tokio::spawn(async move {
        // What is known of the cluster must be from after the predecessor's end.
        if stopped.run_until_cancelled(leadership.acquired()).await.is_some() {
            supervisor.run(stopped).await;
        }
    });
    tokio::select! {
        name = signals.next() => tracing::info!("stopping on {name}"),
        ended = &mut serving => {
            ended.context("the supervisor panicked")?;
            anyhow::bail!("the supervisor ended by itself");
        }
        ended = &mut lease => return without_lease(ended),
        ended = admin => {
            ended.context("the admin endpoint panicked")?
                .with_context(|| format!("cannot serve the admin endpoint on {admin_address}"))?;
        }
    }
    stop.cancel();
    tokio::select! {
        finished = finish(serving, &mut lease, &release) => finished,
        name = signals.next() => {
            anyhow::bail!("ended at once by {name}: what was under way is broken off and the Lease is not released")
        }
        () = sleep(STOP) => anyhow::bail!(
            "what was under way did not finish within {} s and is broken off: the Lease is not released",
            STOP.as_secs()
        ),
    }
}

/// Lets what is under way finish, and only then another host begin.
async fn finish(
    mut serving: JoinHandle<()>,
    lease: &mut JoinHandle<Ended>,
    release: &CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = &mut serving => ended.context("the supervisor panicked")?,
        ended = &mut *lease => return without_lease(ended),
    }
    release.cancel();
    without_lease(lease.await)?;
    tracing::info!("stopped");
    Ok(())
}

fn without_lease(ended: Result<Ended, JoinError>) -> anyhow::Result<()> {
    match ended.context("what keeps the Lease panicked")? {
        Ended::Released => Ok(()),
        Ended::Lost { holder: Some(holder) } => anyhow::bail!(
            "the Lease was taken over by {holder} while this host could not renew it: what this one knows \
             is out of date, so it ends"
        ),
        Ended::Lost { holder: None } => anyhow::bail!(
            "the Lease is not this host's any more, and nobody's: another one may have been at work \
             meanwhile, so what this one knows is out of date and it ends"
        ),
    }
}

/// Every connection is an open file, and many systems allow a process only 1,024
/// unless it asks for more.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, limit = limit.current, "cannot raise the limit of open files");
    }
}

/// Who this process is to others that want the Lease. Of one pod only one process
/// lives at a time; without a pod, every process is another.
fn identity(instance: &str, pod_uid: Option<&str>) -> anyhow::Result<String> {
    if let Some(uid) = pod_uid.filter(|uid| !uid.is_empty()) {
        return Ok(format!("{instance}_{uid}"));
    }
    let mut bytes = [0; SUFFIX_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the operating system gives no random bytes: {error}"))?;
    Ok(format!("{instance}_{:08x}", u32::from_ne_bytes(bytes)))
}

/// What the API server's audit log calls this process.
fn user_agent(instance: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("operlet/{} ({instance})", env!("CARGO_PKG_VERSION"))).ok()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_container_is_the_same_and_other_processes_are_not() {
        let identity = |uid| identity("host-1", uid).unwrap();
        assert_eq!(identity(Some("7c9e")), "host-1_7c9e");
        assert_ne!(identity(None), identity(None));
        assert_ne!(identity(Some("")), identity(Some("")));
    }
}
