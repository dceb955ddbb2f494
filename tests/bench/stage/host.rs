//! The host as an ordinary process.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{HOST_NAMESPACE, Metrics, Stage, operlet, until};

/// What the kernel counts CPU time in; it has told programs this number for as
/// long as it has told them any.
const TICKS_PER_SECOND: u64 = 100;

/// How long it may take to stop.
const STOP_MAX: Duration = Duration::from_secs(40);

/// A running host. Dropping it stops it.
pub(crate) struct Host {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Host {
    /// Starts it with the rights of its ServiceAccount, and waits until it is ready.
    pub(crate) fn start(stage: &Stage) -> Result<Self> {
        let kubeconfig = kubeconfig(stage)?;
        let address = free_address()?;
        let log = stage.lab.logs().join("bench-host.log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(operlet()?);
        command
            .args(["run", "--namespace", HOST_NAMESPACE, "--instance", "bench"])
            .args(["--admin-address", &address.to_string()])
            .env("KUBECONFIG", kubeconfig)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let process = command.spawn().context("cannot start the host")?;
        let mut host = Self { process, address, log };
        let begun = Instant::now();
        while host.get("/readyz").map(|(status, _)| status).ok() != Some(200) {
            if let Some(status) = host.process.try_wait()? {
                bail!("the host ended ({status}); its log is {}", host.log.display());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "the host is not ready; see {}",
                host.log.display()
            );
            sleep(Duration::from_millis(50));
        }
        Ok(host)
    }

    /// The CPU time it has used, with the kernel's on its behalf.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field, its name, may hold spaces; it ends with the last bracket.
        let fields: Vec<&str> = stat.rsplit_once(')').context("no bracket")?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let (user, system) = (ticks(11), ticks(12));
        Ok(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
    }

    /// The most memory it ever had, in MiB.
    pub(crate) fn memory_peak_mib(&self) -> Result<f64> {
        self.memory("VmHWM")
    }

    /// The memory it has, in MiB.
    pub(crate) fn memory_mib(&self) -> Result<f64> {
        self.memory("VmRSS")
    }

    fn memory(&self, field: &str) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        Ok(digits.parse::<f64>()? / 1024.0)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("{path}: see {}", self.log.display()))
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let (status, text) = self.get("/metrics")?;
        ensure!(status == 200, "the host answers {status} to /metrics: {text}");
        Ok(Metrics::parse(&text))
    }

    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut connection = TcpStream::connect(self.address)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Ok((status, body))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        // As Kubernetes stops it, so that nothing it holds is left behind.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let deadline = Instant::now() + STOP_MAX;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.process.kill();
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// The administrator's configuration with the token of the host's ServiceAccount
/// in place of his certificate.
fn kubeconfig(stage: &Stage) -> Result<PathBuf> {
    let account = ["create", "token", "operlet", "-n", HOST_NAMESPACE, "--duration=24h"];
    until("the host's ServiceAccount", || Ok(stage.lab.kubectl(&account).is_ok()))?;
    let token = stage.lab.kubectl(&account)?;
    let viewed = stage.lab.kubectl(&["config", "view", "--raw", "--flatten", "--minify", "-o", "json"])?;
    let mut config: Value = serde_json::from_str(&viewed)?;
    let user = config.pointer_mut("/users/0/user").context("the lab's configuration has no user")?;
    *user = json!({ "token": token.trim() });
    let path = stage.lab.logs().join("bench-host.kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// Free a moment ago, which has to do.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
