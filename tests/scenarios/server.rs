//! The containers of a Redis: what their scripts do with a model of the server.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use operlet_sim::{Act, Application, Container, Event, Exec, Images, Volume, models::redis::Redis};
use serde_json::Value;

/// For how long a replica is ready whose link is down.
const READY_WITHOUT_LINK: Duration = Duration::from_secs(60);

/// The user that the operator is.
const OPERATOR: &str = "operlet";

/// All servers that run or ran, by the names of their pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers(Arc<Mutex<BTreeMap<String, Server>>>);

/// A server, as one sees it who can look into it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    redis: Arc<Mutex<Redis>>,
    running: Arc<Mutex<bool>>,
    address: IpAddr,
    /// The hash of the operator's password that it started with.
    operator: String,
}

impl Servers {
    /// Those that were started last, by pod.
    pub(crate) fn all(&self) -> BTreeMap<String, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Server {
    pub(crate) fn redis(&self) -> MutexGuard<'_, Redis> {
        self.redis.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of its pod.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether the operator can log in.
    pub(crate) fn knows_operator(&self) -> bool {
        self.redis().admits(OPERATOR, &self.operator)
    }

    /// Whether the process is still there.
    pub(crate) fn runs(&self) -> bool {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process, and what the probes' script remembers.
struct Running {
    server: Server,
    /// Since when it is asked whether it has handed over.
    hands_over: Option<Duration>,
}

/// One that the start script ends because something is missing.
struct Unstartable;

impl Images for Servers {
    fn start(&self, container: &Container<'_>) -> Option<Box<dyn Application>> {
        if container.spec.get("name").and_then(Value::as_str) != Some("redis") {
            return None;
        }
        let text = |pointer: &str| container.pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let Some(lines) = configuration(container) else { return Some(Box::new(Unstartable)) };
        let data = container.mounts.get("/data").cloned().unwrap_or_default();
        let file = format!("/run/redis/{}.conf", text("/metadata/uid"));
        let redis = Redis::new(&lines, data, container.seed, container.now, &file);
        let operator = line(&container.mounts, "/etc/redis-operator", "operator-hash").unwrap_or_default();
        let server = Server {
            redis: Arc::new(Mutex::new(redis)),
            running: Arc::new(Mutex::new(true)),
            address: container.address,
            operator,
        };
        let name = text("/metadata/name").to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, server.clone());
        Some(Box::new(Running { server, hands_over: None }))
    }
}

/// What the start script writes: none if something is missing that it needs.
fn configuration(container: &Container<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let read = |mount: &str, name: &str| line(&container.mounts, mount, name);
    let file = container.mounts.get("/etc/redis")?.read("redis.conf")?;
    let mut lines: Vec<(String, Vec<String>)> =
        String::from_utf8_lossy(&file).lines().filter_map(directive).collect();
    let text = |pointer: &str| container.pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let headless = text("/spec/subdomain");
    let name = format!("{}.{headless}.{}.svc", text("/metadata/name"), text("/metadata/namespace"));
    lines.push(("replica-announce-ip".to_owned(), vec![name]));
    let users = [
        (OPERATOR, format!("#{}", read("/etc/redis-operator", "operator-hash")?), "operator.acl"),
        ("operlet-probe", format!("#{}", read("/etc/redis-operator", "probe-hash")?), "probe.acl"),
        ("operlet-health", format!(">{}", read("/etc/redis-operator", "health-password")?), "health.acl"),
        ("default", format!(">{}", read("/etc/redis-auth", "password")?), "default.acl"),
    ];
    for (user, secret, rules) in users {
        let rules = read("/etc/redis", rules)?;
        let words = [user, "reset", "on", &secret].into_iter().chain(rules.split_whitespace());
        lines.push(("user".to_owned(), words.map(str::to_owned).collect()));
    }
    Some(lines)
}

/// The first line of a file that is mounted.
fn line(mounts: &BTreeMap<String, Volume>, mount: &str, name: &str) -> Option<String> {
    let bytes = mounts.get(mount)?.read(name)?;
    let text = String::from_utf8(bytes).ok()?;
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned)
}

/// A line of a configuration file.
fn directive(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let values = match quoted {
        Some(value) => vec![value.to_owned()],
        None => rest.split_whitespace().map(str::to_owned).collect(),
    };
    Some((name.to_owned(), values))
}

impl Application for Running {
    fn happen(&mut self, now: Duration, event: Event, acts: &mut Vec<Act>) {
        self.server.redis().happen(now, event, acts);
    }

    fn due(&self) -> Option<Duration> {
        self.server.redis().due()
    }

    fn listens(&self, port: u16) -> bool {
        self.server.redis().listens(port)
    }

    fn exec(&mut self, now: Duration, command: &[String]) -> Exec {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let is = |good: bool| Exec::Ended { code: i32::from(!good), message: None };
        let server = self.server.clone();
        let redis = server.redis();
        match words.as_slice() {
            [_, "/etc/redis/probe.sh", "started"] => {
                Exec::Ended { code: 0, message: Some(redis.run_id().to_owned()) }
            }
            [_, "/etc/redis/probe.sh", "live"] => is(true),
            [_, "/etc/redis/probe.sh", "ready"] => is(redis.follows().is_none()
                || match redis.link() {
                    Ok(()) => true,
                    Err(since) => since.is_some_and(|since| since < READY_WITHOUT_LINK),
                }),
            [_, "/etc/redis/probe.sh", "handed-over", seconds, ..] => {
                let since = *self.hands_over.get_or_insert(now);
                let patience = Duration::from_secs(seconds.parse().unwrap_or_default());
                let over = redis.follows().is_some() || redis.replicas() == 0;
                if over || now.saturating_sub(since) >= patience { is(true) } else { Exec::Running }
            }
            _ => is(false),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.server.running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Application for Unstartable {
    fn happen(&mut self, _: Duration, _: Event, acts: &mut Vec<Act>) {
        acts.push(Act::Exit(1));
    }

    fn due(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn exec(&mut self, _: Duration, _: &[String]) -> Exec {
        Exec::Ended { code: 1, message: None }
    }
}
