//! Of two hosts one works, whatever happens to it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use operlet_lab::{AuditEntry, AuditMark, Component};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, alone},
    kubectl::{check, eventually},
    redis::Redis,
};

/// How long a Lease keeps others out.
const DURATION: Duration = Duration::from_secs(10);

/// How long after its last renewal a holder starts nothing more.
const HOLD: Duration = Duration::from_secs(7);

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(2);

/// What this machine may take for anything, busy as it is.
const MARGIN: Duration = Duration::from_secs(5);

/// No host in the cluster, as long as this lives.
pub(crate) struct NoHost<'a>(&'a Cluster);

impl<'a> NoHost<'a> {
    pub(crate) fn in_cluster(cluster: &'a Cluster) -> Self {
        let nobody = Self(cluster);
        let scale = ["scale", "deployment", "operlet", "-n", HOST_NAMESPACE, "--replicas=0"];
        cluster.kubectl.run(&scale);
        eventually("the host in the cluster is gone", || {
            let pods = cluster.kubectl.list(HOST_NAMESPACE, "pods", "app.kubernetes.io/name=operlet");
            check(pods.is_empty(), format!("{} pods", pods.len()))
        });
        nobody
    }
}

impl Drop for NoHost<'_> {
    fn drop(&mut self) {
        // Also after a failure, which must not become that of every test to come; a
        // second panic would end them all.
        let installed = catch_unwind(AssertUnwindSafe(|| self.0.install_host()));
        assert!(installed.is_ok() || std::thread::panicking(), "the host could not be installed again");
    }
}

/// No API server, as long as this lives.
pub(crate) struct NoApiServer<'a>(&'a Cluster);

impl<'a> NoApiServer<'a> {
    pub(crate) fn in_cluster(cluster: &'a Cluster) -> Self {
        cluster.lab.stop(Component::Apiserver).unwrap();
        Self(cluster)
    }
}

impl Drop for NoApiServer<'_> {
    fn drop(&mut self) {
        self.0.lab.start(Component::Apiserver).unwrap();
    }
}

/// A host that is a process of this machine.
struct Host {
    name: &'static str,
    process: Child,
    admin: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Host {
    fn start(cluster: &Cluster, name: &'static str, port: u16) -> Self {
        Self::start_in(cluster, name, port, "")
    }

    /// Starts it as if it were in a pod with this uid.
    fn start_in(cluster: &Cluster, name: &'static str, port: u16, pod: &str) -> Self {
        let program = std::env::var_os("OPERLET_BIN").expect("OPERLET_BIN is set by `cargo xtask test lab`");
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = Command::new(program)
            .args(["run", "--namespace", HOST_NAMESPACE, "--instance", name])
            .args(["--admin-address", &admin.to_string()])
            .env("KUBECONFIG", cluster.lab.kubeconfig())
            .env("POD_UID", pod)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { name, process, admin, log }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn log(&self) -> String {
        let mut text = String::new();
        File::open(self.log.path()).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// The headers and the body that it answers with.
    fn ask(&self, path: &str) -> Result<String, String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.admin)?;
            stream.set_read_timeout(Some(MARGIN))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().map_err(|error: std::io::Error| error.to_string())
    }

    #[track_caller]
    fn answers(&self, path: &str, words: &[&str]) {
        eventually(&format!("{} answers {path} with {words:?}", self.name), || {
            let answer = self.ask(path)?;
            check(words.iter().all(|word| answer.contains(word)), answer)
        });
    }

    /// Waits for its end, not for long.
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < 2 * MARGIN, "{} does not end:\n{}", self.name, self.log());
            sleep(Duration::from_millis(10));
        }
    }

    fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Whether it made this request.
    fn made(&self, entry: &AuditEntry) -> bool {
        entry.agent().ends_with(&format!("({})", self.name))
    }

    /// What it wrote since, apart from the Lease.
    fn writes(&self, since: &AuditMark) -> Vec<AuditEntry> {
        let entries = since.entries().unwrap();
        entries.into_iter().filter(|e| self.made(e) && e.is_write() && e.resource() != "leases").collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of {}:\n{}", self.name, self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lease(cluster: &Cluster) -> Value {
    cluster.kubectl.get(HOST_NAMESPACE, "leases", "operlet").unwrap_or_default()["spec"].clone()
}

/// Waits until it is held by this host, and says since when, as the Lease does.
#[track_caller]
fn is_held_by(cluster: &Cluster, host: &Host) -> String {
    eventually(&format!("{} holds the Lease", host.name), || {
        let lease = lease(cluster);
        let holder = lease["holderIdentity"].as_str().unwrap_or_default();
        check(holder.starts_with(&format!("{}_", host.name)), lease.to_string())?;
        Ok(lease["acquireTime"].as_str().unwrap().to_owned())
    })
}

/// This moment, as the audit log and Leases write it; such texts sort as times do.
fn now() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let time = k8s_openapi::jiff::Timestamp::from_microsecond(since.as_micros().try_into().unwrap()).unwrap();
    format!("{time:.6}")
}

fn told<T: ToString>(entries: &[T]) -> String {
    entries.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// So many resources that a host which wakes up finds enough to do.
const MANY: [&str; 5] = ["one", "two", "three", "four", "five"];

#[test]
fn a_host_that_was_stopped_writes_nothing_after_another_took_over_and_ends() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-lease");
    let _nobody = NoHost::in_cluster(cluster);
    let start = cluster.lab.audit_mark().unwrap();
    let mut first = Host::start(cluster, "lease-first", 18081);
    is_held_by(cluster, &first);
    let second = Host::start(cluster, "lease-second", 18082);
    second.answers("/readyz", &["200 OK", "standing by", "operlet-system/operlet", "lease-first_"]);
    let resources = MANY.map(|name| Redis::apply(&namespace, name, &json!({ "replicas": 0 })));
    for redis in &resources {
        redis.is_running(1);
    }
    first.answers("/readyz", &["200 OK", "ok"]);
    first.answers("/metrics", &["application/openmetrics-text", "\noperlet_lease_held 1\n"]);
    first.answers(
        "/metrics",
        &[r#"operlet_api_requests_total{operlet="redis",verb="patch",resource="statefulsets"}"#],
    );
    second.answers("/metrics", &["\noperlet_lease_held 0\n"]);
    assert!(!first.writes(&start).is_empty(), "writes of the one that holds the Lease are seen");
    assert_eq!(told(&second.writes(&start)), "", "the one that stands by writes nothing");

    first.signal(Signal::STOP);
    let stopped = Instant::now();
    let acquired = is_held_by(cluster, &second);
    let took = stopped.elapsed();
    println!("the next one began {took:?} after the first was stopped");
    assert!(took >= DURATION - RENEW - MARGIN / 5, "it did not wait long enough: {took:?}");
    assert!(took <= DURATION + MARGIN, "it waited too long: {took:?}");
    for redis in &resources {
        redis.set(&json!({ "replicas": 0, "config": { "maxclients": "321" } }));
        redis.is_running(1);
    }
    let transitions = lease(cluster)["leaseTransitions"].clone();

    // Changes wait for it in its sockets, and its timers are overdue.
    first.signal(Signal::CONT);
    let status = first.ends();
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("taken over by lease-second_"), "{}", first.log());
    let late: Vec<_> = first
        .writes(&start)
        .into_iter()
        .filter(|entry| entry.request_received_timestamp > acquired)
        .collect();
    assert_eq!(told(&late), "", "written after {acquired}");
    assert_eq!(lease(cluster)["leaseTransitions"], transitions, "the first one took nothing back");
}

#[test]
fn a_host_that_is_told_to_end_lets_the_next_begin_at_once() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-released");
    eventually("the pod of the host holds the Lease", || {
        let pods = cluster.kubectl.list(HOST_NAMESPACE, "pods", "app.kubernetes.io/name=operlet");
        let holder = lease(cluster)["holderIdentity"].clone();
        let found = pods.iter().any(|pod| {
            let part = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
            holder == format!("{}_{}", part("name"), part("uid"))
        });
        check(found, format!("{holder} is no pod of the host"))
    });
    let _nobody = NoHost::in_cluster(cluster);
    let mut first = Host::start(cluster, "lease-leaving", 18083);
    is_held_by(cluster, &first);
    let second = Host::start(cluster, "lease-next", 18084);
    second.answers("/readyz", &["standing by"]);
    Redis::apply(&namespace, "before", &json!({ "replicas": 0 })).is_running(1);

    let asked = now();
    first.signal(Signal::TERM);
    let status = first.ends();
    let ended = Instant::now();
    assert!(status.success(), "{status}\n{}", first.log());
    while lease(cluster)["holderIdentity"].as_str().is_none_or(|holder| !holder.starts_with("lease-next_")) {
        assert!(ended.elapsed() < Duration::from_secs(1), "the next one did not begin: {}", lease(cluster));
    }
    println!("asked to end at {asked}, the next one began at {}", lease(cluster)["acquireTime"]);
    assert!(first.log().contains("released the Lease"), "{}", first.log());
    Redis::apply(&namespace, "after", &json!({ "replicas": 0 })).is_running(1);
}

#[test]
fn a_host_that_crashed_goes_on_at_once_when_its_container_is_started_again() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-crashed");
    let _nobody = NoHost::in_cluster(cluster);
    let first = Host::start_in(cluster, "lease-crashing", 18086, "uid-of-a-pod");
    let acquired = is_held_by(cluster, &first);
    let transitions = lease(cluster)["leaseTransitions"].clone();
    drop(first);
    assert_eq!(lease(cluster)["holderIdentity"], "lease-crashing_uid-of-a-pod", "nothing was released");

    let again = Host::start_in(cluster, "lease-crashing", 18087, "uid-of-a-pod");
    let started = Instant::now();
    again.answers("/metrics", &["\noperlet_lease_held 1\n"]);
    let took = started.elapsed();
    println!("it held the Lease again {took:?} after it was started");
    assert!(took < MARGIN, "{took:?}");
    Redis::apply(&namespace, "after", &json!({ "replicas": 0 })).is_running(1);
    let lease = lease(cluster);
    assert_eq!((&lease["leaseTransitions"], &lease["acquireTime"]), (&transitions, &json!(acquired)));
}

#[test]
fn a_host_without_an_api_server_writes_nothing_and_goes_on_when_it_is_back() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-unreachable");
    let _nobody = NoHost::in_cluster(cluster);
    let mut host = Host::start(cluster, "lease-alone", 18085);
    is_held_by(cluster, &host);
    Redis::apply(&namespace, "before", &json!({ "replicas": 0 })).is_running(1);
    let transitions = lease(cluster)["leaseTransitions"].clone();

    let start = cluster.lab.audit_mark().unwrap();
    let outage = NoApiServer::in_cluster(cluster);
    let stopped = now();
    sleep(HOLD + RENEW + MARGIN);
    // The status of the Operlet tells that its kinds cannot be watched, so there is
    // something to write all the time.
    let log = host.log();
    assert!(
        log.contains("could not renew the Lease operlet-system/operlet in time: nothing is written"),
        "{log}"
    );
    host.answers("/metrics", &["\noperlet_lease_held 0\n"]);
    drop(outage);
    cluster.operlet_is_ready("redis");
    Redis::apply(&namespace, "after", &json!({ "replicas": 0 })).is_running(1);
    host.answers("/metrics", &["\noperlet_lease_held 1\n"]);
    assert!(host.runs(), "it was not started again");
    assert_eq!(lease(cluster)["leaseTransitions"], transitions, "nobody had it in between");

    let renewed = start.entries().unwrap().into_iter().find(|entry| {
        let after = entry.request_received_timestamp > stopped;
        after
            && host.made(entry)
            && entry.resource() == "leases"
            && entry.verb == "update"
            && entry.code() == 200
    });
    let renewed = renewed.expect("the Lease was renewed").request_received_timestamp;
    let writes = host.writes(&start);
    assert!(writes.iter().any(|entry| entry.request_received_timestamp > renewed), "it went on");
    let between: Vec<_> = writes
        .into_iter()
        .filter(|entry| {
            entry.request_received_timestamp > stopped && entry.request_received_timestamp < renewed
        })
        .collect();
    assert_eq!(told(&between), "", "written before it was renewed at {renewed}");
}
