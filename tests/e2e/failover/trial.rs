//! One Redis, a client that writes to it all the time, and what must hold whatever
//! is done to them.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, Namespace, alone},
    outage::{
        place::Place,
        route::Route,
        sampler::Sampler,
        seats::{Seat, Watch},
        seed::Chance,
        subject::{Subject, spread},
        wait::{PATIENCE, until},
        wire::{Login, Tls},
        writer::{Client, Writer},
    },
};

/// The first seed, and how many there are, if nobody says otherwise.
const SEED: u64 = 1;
const RUNS: u64 = 1;

/// So many writes in a row show that it goes on.
const ENOUGH: usize = 25;

/// Within this time things happen by chance: more than a heartbeat of anything.
const JITTER: Duration = Duration::from_secs(2);

pub(crate) const NAME: &str = "subject";

/// A Redis to try something on.
pub(crate) struct Setup {
    /// Followers of the primary.
    pub(crate) replicas: u8,
    /// What its spec has besides.
    pub(crate) spec: Value,
    /// What is applied before it.
    pub(crate) manifest: Option<Value>,
    /// How clients make sure of the server, if they speak TLS to it.
    pub(crate) tls: Option<Tls>,
    /// Makes its objects in place of the operator, whom the spec keeps from it.
    pub(crate) made_by: Option<Maker>,
}

/// Makes objects for a Redis with this spec.
type Maker = fn(&Cluster, &Subject, &Value) -> Result<()>;

/// One run of a case.
pub(crate) struct Trial {
    pub(crate) cluster: &'static Cluster,
    pub(crate) subject: Subject,
    pub(crate) login: Login,
    pub(crate) chance: Chance,
    /// How many pods there should be at the end.
    pub(crate) pods: usize,
    /// Whether writes may be lost that no replica confirmed.
    pub(crate) may_lose: bool,
    title: String,
    quorum: u64,
    writer: Option<Writer>,
    sampler: Option<Sampler>,
    _watch: Watch,
    host: HostPlace,
    namespace: Namespace,
}

impl Default for Setup {
    fn default() -> Self {
        Self { replicas: 2, spec: json!({}), manifest: None, tls: None, made_by: None }
    }
}

/// Where a case takes place.
pub(crate) fn namespace_of(case: &str) -> String {
    format!("failover-{case}")
}

/// Runs a case with every seed: it is set up, `act` does something to it, and then
/// it must get well.
#[track_caller]
pub(crate) fn check(case: &str, setup: &Setup, mut act: impl FnMut(&mut Trial)) {
    let variable = |name: &str, otherwise: u64| {
        let value = std::env::var(name).ok();
        value.map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
    };
    let (first, runs) = (variable("OPERLET_FAILOVER_SEED", SEED), variable("OPERLET_FAILOVER_RUNS", RUNS));
    for seed in first..first + runs {
        let (cluster, _guard) = alone();
        let mut trial = sure(Trial::begin(cluster, case, setup, seed));
        act(&mut trial);
        sure(trial.end());
    }
}

/// What it is if nothing went wrong; otherwise the test has failed.
#[track_caller]
pub(crate) fn sure<T>(outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error:#}"))
}

impl Trial {
    fn begin(cluster: &'static Cluster, case: &str, setup: &Setup, seed: u64) -> Result<Self> {
        let namespace = cluster.namespace(&namespace_of(case));
        let lab = cluster.lab.clone();
        let subject = Subject { lab: lab.clone(), namespace: namespace.name.clone(), name: NAME.to_owned() };
        if let Some(manifest) = &setup.manifest {
            let mut manifest = manifest.clone();
            manifest["metadata"]["namespace"] = json!(namespace.name);
            cluster.kubectl.apply(&manifest.to_string());
        }
        let spec = spread(setup.replicas, NAME, &setup.spec);
        subject.apply(&spec)?;
        if let Some(make) = setup.made_by {
            make(cluster, &subject, &spec)?;
        }
        let pods = usize::from(setup.replicas) + 1;
        subject.gets_well(pods)?;
        let (host, place) = HostPlace::off(cluster, subject.primary()?.node)?;
        let (login, watch) = (subject.login()?.over(setup.tls.clone()), subject.watch());
        // Half the replicas, rounded up, and one at least.
        let quorum = u64::from(setup.replicas.div_ceil(2).max(1));
        let client = Client {
            prefix: format!("{case}-{seed}"),
            place: Place::on_node(&lab, place),
            route: Route::Address(subject.service()?),
            login: login.clone(),
            quorum: Some(quorum),
        };
        let mut trial = Self {
            cluster,
            title: format!("{case} with seed {seed}"),
            chance: Chance::new(seed),
            pods,
            may_lose: true,
            quorum,
            writer: Some(Writer::start(client)),
            sampler: Some(Sampler::start(&lab, watch.seats(), &login)),
            subject,
            login,
            _watch: watch,
            host,
            namespace,
        };
        trial.goes_on()?;
        trial.sometime();
        Ok(trial)
    }

    /// The pod of the primary.
    #[track_caller]
    pub(crate) fn primary(&self) -> Seat {
        sure(self.subject.primary())
    }

    /// The pods of the replicas.
    #[track_caller]
    pub(crate) fn replicas(&self) -> Vec<Seat> {
        sure(self.subject.replicas())
    }

    /// The host's pod.
    #[track_caller]
    pub(crate) fn host(&self) -> Seat {
        sure(host(self.cluster))
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn written(&self) -> usize {
        self.writer.as_ref().map_or(0, Writer::acknowledged)
    }

    /// The longest time without an acknowledged write after the first so many.
    pub(crate) fn longest_gap_since(&self, written: usize) -> Duration {
        let mut log = self.writer.as_ref().expect("it has not ended").log();
        let before = log.acks.drain(..written.saturating_sub(1)).map(|ack| ack.at).next_back();
        let since = before.unwrap_or_default();
        for ack in &mut log.acks {
            ack.at -= since;
        }
        log.ended -= since;
        log.longest_gap().0
    }

    /// Whether a pod is the primary.
    pub(crate) fn has_primary(&self, pod: &str) -> Result<()> {
        let now = self.subject.primary_name()?;
        ensure!(now == pod, "it is {now}");
        Ok(())
    }

    /// Moves the host to a node.
    #[track_caller]
    pub(crate) fn place_host(&mut self, node: u8) {
        sure(self.host.on(node));
    }

    /// Lets a moment pass, by chance: a step of the operator takes no longer.
    pub(crate) fn shortly(&mut self) {
        sleep(self.chance.below(JITTER / 5));
    }

    /// Lets some time pass, by chance.
    pub(crate) fn sometime(&mut self) {
        sleep(self.chance.below(JITTER));
    }

    /// Waits until another pod than this one is primary, and writes go on.
    #[track_caller]
    pub(crate) fn is_replaced(&mut self, primary: &Seat) {
        sure(until("another pod is primary", PATIENCE, || {
            let now = self.subject.primary_name()?;
            ensure!(now != primary.pod, "it is still {now}");
            Ok(())
        }));
        sure(self.goes_on());
    }

    /// Waits until all is as it should be.
    #[track_caller]
    pub(crate) fn gets_well(&self) {
        sure(self.subject.gets_well(self.pods));
    }

    /// Waits until writes are acknowledged and confirmed again.
    pub(crate) fn goes_on(&self) -> Result<()> {
        let writer = self.writer.as_ref().context("it has ended")?;
        let (before, begun) = (writer.acknowledged(), Instant::now());
        until("writes go on", PATIENCE, || {
            let log = writer.log();
            let last = log.acks.iter().skip(before).filter(|ack| ack.replicas >= self.quorum).count();
            ensure!(last >= ENOUGH, "{last} confirmed writes in {} ms\n{log}", begun.elapsed().as_millis());
            Ok(())
        })
    }

    /// What must hold after everything.
    fn end(&mut self) -> Result<()> {
        let primary = self.subject.gets_well(self.pods)?;
        self.goes_on()?;
        let (writer, sampler) = (self.writer.take(), self.sampler.take());
        let writer = writer.context("it has ended")?;
        let client = writer.client().clone();
        let (log, sampled) = (writer.stop(), sampler.context("it has ended")?.stop());
        let lost = Writer::lost(&client, &log, &mut self.subject.connect(&self.login)?)?;
        let (gap, from) = log.longest_gap();
        println!(
            "{}: {} ms without an acknowledged write, {} acknowledged, {} of them confirmed; \
             lost: {} confirmed, {} others; {} samples; {primary} is primary",
            self.title,
            gap.as_millis(),
            log.acks.len(),
            log.confirmed(self.quorum),
            lost.confirmed.len(),
            lost.plain.len(),
            sampled.count(),
        );
        let two = sampled.two_at_once();
        ensure!(
            lost.confirmed.is_empty(),
            "{}: confirmed writes are lost: {:?}\n{log}{sampled}",
            self.title,
            lost.confirmed
        );
        ensure!(
            self.may_lose || lost.plain.is_empty(),
            "{}: writes are lost: {:?}\n{log}{sampled}",
            self.title,
            lost.plain
        );
        ensure!(two.is_empty(), "{}: two took writes at once: {two:?}\n{log}{sampled}", self.title);
        ensure!(
            sampled.count() > 0,
            "{}: no server was asked; none were without writes from {} ms on",
            self.title,
            from.as_millis()
        );
        self.subject.comes_to_rest()?;
        let rests = self.subject.is_well(self.pods)?;
        ensure!(rests == primary, "{}: the primary moved from {primary} to {rests}", self.title);
        Ok(())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} in {}:", self.title, self.namespace.name);
            let status = self.subject.object("redises", NAME);
            println!(
                "{}",
                status.map_or_else(|error| format!("{error:#}"), |redis| redis["status"].to_string())
            );
            if let Some(writer) = self.writer.take() {
                println!("{}", writer.stop());
            }
            if let Some(sampler) = self.sampler.take() {
                println!("{}", sampler.stop());
            }
        }
    }
}

/// The host's pod.
fn host(cluster: &Cluster) -> Result<Seat> {
    let pods = cluster.kubectl.list(HOST_NAMESPACE, "pods", "app.kubernetes.io/name=operlet");
    let present = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    present.filter_map(Seat::of).next().context("the host has no pod with an address")
}

/// Where the host is, until this is dropped.
struct HostPlace {
    cluster: &'static Cluster,
    moved: bool,
}

impl HostPlace {
    /// Moves it off a node if it is there; the node that it is on then.
    fn off(cluster: &'static Cluster, spared: u8) -> Result<(Self, u8)> {
        let mut place = Self { cluster, moved: false };
        let at = until("the host is there", PATIENCE, || host(cluster))?.node;
        if at != spared {
            return Ok((place, at));
        }
        let mut nodes = cluster.lab.nodes()?.into_iter();
        let to = nodes.find(|node| *node != spared).context("there is only one node")?;
        place.on(to)?;
        Ok((place, to))
    }

    /// Moves it to a node; it goes elsewhere when that one is lost.
    fn on(&mut self, node: u8) -> Result<()> {
        self.moved = true;
        let name =
            json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [format!("node{node}")] });
        let term = json!({ "weight": 100, "preference": { "matchExpressions": [name] } });
        self.prefer(
            &json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [term] } }),
        );
        let at = host(self.cluster)?.node;
        ensure!(at == node, "the host is on node{at} though it prefers node{node}");
        Ok(())
    }

    fn prefer(&self, affinity: &Value) {
        let patch = json!({ "spec": { "template": { "spec": { "affinity": affinity } } } }).to_string();
        let kubectl = &self.cluster.kubectl;
        kubectl.run(&["patch", "deployment", "operlet", "-n", HOST_NAMESPACE, "--type=merge", "-p", &patch]);
        kubectl.run(&["rollout", "status", "-n", HOST_NAMESPACE, "deployment/operlet", "--timeout=120s"]);
        self.cluster.operlet_is_ready("redis");
    }
}

impl Drop for HostPlace {
    fn drop(&mut self) {
        if !self.moved {
            return;
        }
        // After a failure, too; a second one would end all tests.
        let anywhere = std::panic::AssertUnwindSafe(|| self.prefer(&Value::Null));
        let done = std::panic::catch_unwind(anywhere);
        assert!(done.is_ok() || std::thread::panicking(), "the host still has a place of its own");
    }
}
