//! An application that writes through the read-write Service the whole time, and
//! remembers what was acknowledged.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::{Api, Client};
use operlet_sim::{ApiServer, Network, NetworkStream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

/// Where clients are: on a node of their own.
pub(crate) const NODE: &str = "clients";

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));

/// How often it writes.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it waits for anything.
const PATIENCE: Duration = Duration::from_millis(500);

/// For how many replicas it waits after each write.
pub(crate) type Quorum = Arc<AtomicU8>;

/// What was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    acknowledged: Vec<u64>,
    confirmed: Vec<u64>,
    /// The longest time without an acknowledgement, after the first one.
    longest: Duration,
    last: Option<Instant>,
}

impl Written {
    fn note(&self, number: u64, confirmed: bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = kept.last.replace(now).map(|last| now - last);
        kept.longest = kept.longest.max(since.unwrap_or_default());
        kept.acknowledged.push(number);
        if confirmed {
            kept.confirmed.push(number);
        }
    }

    /// Those writes that so many replicas had confirmed as were asked for.
    pub(crate) fn confirmed(&self) -> Vec<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).confirmed.clone()
    }

    /// How many were acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len()
    }

    /// The longest time without an acknowledgement, after the first one.
    pub(crate) fn longest(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).longest
    }
}

/// The key of a write.
pub(crate) fn key(number: u64) -> String {
    format!("write-{number}")
}

/// Writes for ever, and waits for so many replicas each time.
pub(crate) async fn write(
    server: ApiServer,
    network: Network,
    redis: &'static str,
    quorum: Quorum,
    written: Written,
) {
    network.assign(ADDRESS, NODE);
    let client = server.administrator();
    let mut connection = None;
    for number in 0.. {
        sleep(PAUSE).await;
        if connection.is_none() {
            let opened = timeout(PATIENCE, connect(&client, &network, redis)).await;
            connection = opened.ok().and_then(Result::ok);
        }
        let Some(stream) = &mut connection else { continue };
        let quorum = quorum.load(Ordering::Relaxed);
        match timeout(PATIENCE, set(stream, number, quorum)).await {
            Ok(Ok(acks)) => written.note(number, acks >= quorum),
            _ => connection = None,
        }
    }
}

/// Connects to whom the Service leads to, and logs in.
pub(crate) async fn connect(client: &Client, network: &Network, redis: &str) -> Result<NetworkStream> {
    let service = Api::<Service>::default_namespaced(client.clone()).get(redis).await?;
    let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    let name = selector.get("statefulset.kubernetes.io/pod-name").context("it selects nobody")?;
    let pod = Api::<Pod>::default_namespaced(client.clone()).get(name).await?;
    let address = pod.status.and_then(|status| status.pod_ip).context("it has no address yet")?;
    let secret = Api::<Secret>::default_namespaced(client.clone()).get(&format!("{redis}-auth")).await?;
    let password = secret.data.and_then(|mut data| data.remove("password")).context("no password")?;
    let password = String::from_utf8(password.0)?;
    let to = SocketAddr::new(address.parse()?, 6379);
    let mut stream = network.stream(NODE, ADDRESS, to).await?;
    let reply = say(&mut stream, &format!("AUTH {}\r\n", password.trim_end()), 1).await?;
    ensure!(reply == "+OK\r\n", "{reply}");
    Ok(stream)
}

/// Waits until a connection is closed on which nothing is said.
pub(crate) async fn closed(stream: &mut NetworkStream) {
    let mut part = [0; 256];
    while stream.read(&mut part).await.is_ok_and(|count| count > 0) {}
}

/// Writes, and says how many replicas have it.
async fn set(stream: &mut NetworkStream, number: u64, quorum: u8) -> Result<u8> {
    let commands = format!("SET {} x\r\nWAIT {quorum} 200\r\n", key(number));
    let reply = say(stream, &commands, 2).await?;
    let Some(acks) = reply.strip_prefix("+OK\r\n:") else { bail!("it was refused: {reply}") };
    Ok(acks.trim_end().parse()?)
}

/// Says something, and reads so many lines; an error may be shorter.
async fn say(stream: &mut NetworkStream, text: &str, lines: usize) -> Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut reply = Vec::new();
    while reply.iter().filter(|byte| **byte == b'\n').count() < lines {
        let mut part = [0; 256];
        let count = stream.read(&mut part).await?;
        ensure!(count > 0, "the connection was closed");
        reply.extend_from_slice(part.get(..count).unwrap_or_default());
        if reply.starts_with(b"-") {
            break;
        }
    }
    Ok(String::from_utf8(reply)?)
}
