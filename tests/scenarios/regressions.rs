//! Faults that other operators of Redis have had, each as a scenario by name. The names
//! are those of their issues.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{FutureExt as _, future::BoxFuture};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    client,
    cluster::{self, Cluster},
    faults::{Incident, Towards, Whom},
    outcome::Outcome,
    plug::Plug,
    prepared::Prepared,
    redis::{LOOK, REDIS, Redis, START, reference},
    server::Server,
    trace::Trace,
};

/// One of them.
pub(crate) struct Regression {
    /// The issues, as `<operator>-<number>`, and with `+` between them.
    pub(crate) name: &'static str,
    /// What went wrong there.
    pub(crate) what: &'static str,
    /// How many replicas there are at first.
    replicas: u8,
    run: for<'a, 'b> fn(&'a mut Redis<'b>) -> BoxFuture<'a, Result<()>>,
}

/// All of them.
pub(crate) const ALL: &[Regression] = &[
    Regression {
        name: "kubeblocks-10753",
        what: "a primary that comes back without its data empties its replicas",
        replicas: 2,
        run: |redis| emptied(redis).boxed(),
    },
    Regression {
        name: "ot-1158+ot-513",
        what: "an old primary that comes back overwrites the new one's data",
        replicas: 2,
        run: |redis| returned(redis).boxed(),
    },
    Regression {
        name: "ot-1777+ot-1403+ot-1883",
        what: "after all have gone there is no primary for ever",
        replicas: 2,
        run: |redis| restarted(redis).boxed(),
    },
    Regression {
        name: "ot-1779+ot-1791",
        what: "replicas follow an address that the primary had before",
        replicas: 1,
        run: |redis| moved(redis).boxed(),
    },
    Regression {
        name: "dragonfly-227+dragonfly-302",
        what: "a node that is lost is not noticed",
        replicas: 2,
        run: |redis| without_its_node(redis).boxed(),
    },
    Regression {
        name: "dragonfly-230",
        what: "a pod that is going stays the primary",
        replicas: 2,
        run: |redis| going(redis).boxed(),
    },
    Regression {
        name: "dragonfly-238+dragonfly-278",
        what: "clients stay connected to the old primary",
        replicas: 2,
        run: |redis| sticky(redis).boxed(),
    },
    Regression {
        name: "dragonfly-289+dragonfly-333",
        what: "one is elected that lacks what another one has",
        replicas: 2,
        run: |redis| lagging(redis).boxed(),
    },
    Regression {
        name: "dragonfly-359+dragonfly-504",
        what: "an update takes down several replicas at a time",
        replicas: 3,
        run: |redis| rolled(redis).boxed(),
    },
    Regression {
        name: "spotahome-205",
        what: "a replica is ready before it has the data",
        replicas: 1,
        run: |redis| unready(redis).boxed(),
    },
    Regression {
        name: "spotahome-600",
        what: "there are two primaries",
        replicas: 2,
        run: |redis| cut_off(redis).boxed(),
    },
    Regression {
        name: "ot-1717+spotahome-568",
        what: "another password reaches some servers, or none",
        replicas: 2,
        run: |redis| rotated(redis).boxed(),
    },
];

/// Runs one.
pub(crate) async fn scenario(
    regression: &Regression,
    cluster: &Cluster,
    prepared: &Prepared,
    trace: &Trace,
    outcome: &mut Outcome,
) -> Result<()> {
    let spec = json!({
        "replicas": regression.replicas, "storage": { "size": "1Gi", "storageClassName": cluster::STORAGE },
    });
    let mut redis = Redis::new(cluster, prepared, trace, &spec, Plug::default());
    redis.apply().await?;
    redis.is_whole_within(START).await.context("after it was made")?;
    writes_within(&redis, SOON).await?;
    let ran = (regression.run)(&mut redis).await;
    outcome.note(cluster.invariants.broken());
    ran?;
    redis.end(outcome).await
}

/// How long it may take until somebody else serves, or is ready.
const SOON: Duration = Duration::from_secs(20);

/// How long a while is, with which nobody waits for something.
const A_WHILE: Duration = Duration::from_secs(45);

/// Waits until the application has written once more, confirmed by replicas.
async fn writes_within(redis: &Redis<'_>, patience: Duration) -> Result<()> {
    let before = redis.written.confirmed().len();
    let end = Instant::now() + patience;
    while redis.written.confirmed().len() == before {
        ensure!(Instant::now() < end, "nothing is written for {patience:?}; {}", redis.status().await?);
        sleep(LOOK).await;
    }
    Ok(())
}

async fn emptied(redis: &mut Redis<'_>) -> Result<()> {
    redis.happen(Incident::Empty(Whom::Primary)).await?;
    writes_within(redis, SOON).await
}

async fn returned(redis: &mut Redis<'_>) -> Result<()> {
    let lasting = redis.begin(Incident::PowerCut(Whom::Primary, Duration::ZERO)).await?;
    writes_within(redis, SOON).await?;
    redis.take_back(lasting).await?;
    redis.is_whole_within(START).await
}

async fn restarted(redis: &mut Redis<'_>) -> Result<()> {
    for ordinal in 0..redis.pods() {
        redis.cluster.world.kill("default", &format!("{REDIS}-{ordinal}"), "redis");
    }
    redis.is_whole_within(START).await.context("after all containers died")?;
    let before = addresses(redis);
    for ordinal in 0..redis.pods() {
        let pod = format!("{REDIS}-{ordinal}");
        let pods = cluster::api(&redis.client, &reference("Pod", &pod));
        pods.delete(&pod, &DeleteParams::default()).await?;
    }
    let end = Instant::now() + START;
    while !addresses(redis).is_disjoint(&before) {
        ensure!(Instant::now() < end, "not all pods were replaced");
        sleep(LOOK).await;
    }
    redis.is_whole_within(START).await.context("after all pods were deleted")
}

/// The addresses of all pods.
fn addresses(redis: &Redis<'_>) -> BTreeSet<IpAddr> {
    redis.cluster.servers.all().values().map(Server::address).collect()
}

async fn moved(redis: &mut Redis<'_>) -> Result<()> {
    // Nobody sees to it while the primary gets another address.
    redis.host.plug.cut();
    let primary = redis.pod(Whom::Primary).await?;
    let address = |redis: &Redis<'_>| redis.cluster.servers.all().get(&primary).map(Server::address);
    let before = address(redis);
    redis.happen(Incident::Delete(Whom::Primary)).await?;
    let end = Instant::now() + START;
    while address(redis) == before {
        ensure!(Instant::now() < end, "{primary} was not replaced");
        sleep(LOOK).await;
    }
    redis.crash();
    redis.is_whole_within(START).await?;
    writes_within(redis, SOON).await
}

async fn without_its_node(redis: &mut Redis<'_>) -> Result<()> {
    let lasting = redis.begin(Incident::PowerCut(Whom::Primary, Duration::ZERO)).await?;
    writes_within(redis, SOON).await.context("while its node has no power")?;
    sleep(A_WHILE).await;
    writes_within(redis, SOON).await.context("after its node was given up")?;
    redis.take_back(lasting).await
}

async fn going(redis: &mut Redis<'_>) -> Result<()> {
    let before = redis.pod(Whom::Primary).await?;
    redis.happen(Incident::Delete(Whom::Primary)).await?;
    let old = redis.cluster.servers.all().remove(&before).context("it never ran")?;
    let end = Instant::now() + SOON;
    while redis.pod(Whom::Primary).await? == before {
        ensure!(old.runs(), "{before} has gone, and was the primary until then");
        ensure!(Instant::now() < end, "{before} is going, and stays the primary");
        sleep(LOOK).await;
    }
    Ok(())
}

async fn sticky(redis: &mut Redis<'_>) -> Result<()> {
    let mut idle = timeout(SOON, client::connect(&redis.client, &redis.cluster.network, REDIS)).await??;
    redis.happen(Incident::Switchover(1)).await?;
    let closed = timeout(SOON, client::closed(&mut idle)).await;
    ensure!(closed.is_ok(), "who does not speak stays connected to the old primary");
    Ok(())
}

async fn lagging(redis: &mut Redis<'_>) -> Result<()> {
    let (primary, behind) = (redis.pod(Whom::Primary).await?, redis.pod(Whom::Other(1)).await?);
    let (first, second) = (redis.node(&primary).await?, redis.node(&behind).await?);
    ensure!(first != second, "{primary} and {behind} are on one node");
    redis.cluster.network.partition(&first, &second);
    // Too short for the others to give it up.
    sleep(Duration::from_secs(2)).await;
    writes_within(redis, SOON).await?;
    let other = redis.pod(Whom::Other(2)).await?;
    let has = |pod: &str| redis.cluster.servers.all().get(pod).map(|server| server.redis().history().1);
    ensure!(has(&behind) < has(&other), "{behind} is not behind");
    redis.happen(Incident::Empty(Whom::Primary)).await?;
    writes_within(redis, SOON).await?;
    redis.cluster.network.heal(&first, &second);
    let now = redis.pod(Whom::Primary).await?;
    ensure!(now != behind, "{behind} was elected, which had not heard of the last writes");
    Ok(())
}

async fn rolled(redis: &mut Redis<'_>) -> Result<()> {
    let runs = |redis: &Redis<'_>| redis.cluster.servers.all().values().filter(|one| one.runs()).count();
    let ids = |redis: &Redis<'_>| -> BTreeSet<String> {
        let servers = redis.cluster.servers.all();
        servers.values().map(|server| server.redis().run_id().to_owned()).collect()
    };
    let (all, before) = (usize::from(redis.pods()), ids(redis));
    redis.happen(Incident::Roll(17)).await?;
    let end = Instant::now() + START;
    while !ids(redis).is_disjoint(&before) {
        ensure!(runs(redis) + 1 >= all, "only {} of {all} run", runs(redis));
        ensure!(Instant::now() < end, "not all are new; {}", redis.status().await?);
        sleep(LOOK).await;
    }
    Ok(())
}

async fn unready(redis: &mut Redis<'_>) -> Result<()> {
    let node = redis.node(&redis.pod(Whom::Primary).await?).await?;
    let others: Vec<&str> = cluster::NODES.into_iter().filter(|other| *other != node).collect();
    redis.happen(Incident::Scale(2)).await?;
    others.iter().for_each(|other| redis.cluster.network.partition(&node, other));
    let name = format!("{REDIS}-2");
    sleep(SOON).await;
    let is_ready = |redis: &Redis<'_>| {
        let pods = cluster::api(&redis.client, &reference("Pod", &name));
        let name = name.clone();
        async move {
            let all = pods.list(&ListParams::default()).await?;
            let Some(pod) = all.items.into_iter().find(|pod| pod.metadata.name.as_ref() == Some(&name))
            else {
                bail!("{name} is not there")
            };
            let conditions = pod.data.pointer("/status/conditions").and_then(Value::as_array).cloned();
            let ready = |one: &Value| one.get("type").is_some_and(|is| is == "Ready");
            let ready = conditions.into_iter().flatten().find(ready);
            anyhow::Ok(ready.is_some_and(|ready| ready.get("status").is_some_and(|is| is == "True")))
        }
    };
    let early = is_ready(redis).await?;
    others.iter().for_each(|other| redis.cluster.network.heal(&node, other));
    redis.cluster.invariants.heal();
    ensure!(!early, "{name} is ready, and has never followed anybody");
    redis.is_whole_within(START).await?;
    ensure!(is_ready(redis).await?, "{name} is not ready");
    Ok(())
}

async fn cut_off(redis: &mut Redis<'_>) -> Result<()> {
    redis.happen(Incident::Partition(Whom::Primary, Towards::All, A_WHILE)).await?;
    redis.happen(Incident::Partition(Whom::Primary, Towards::Pods, A_WHILE)).await
}

async fn rotated(redis: &mut Redis<'_>) -> Result<()> {
    redis.happen(Incident::Rotate(7)).await?;
    redis.is_whole_within(START).await?;
    // Files in containers lag by a minute, and the old one is good until they do not.
    sleep(A_WHILE * 3).await;
    for (pod, server) in redis.cluster.servers.all() {
        let redis = server.redis();
        ensure!(redis.admits_password("default", b"password-7"), "{pod} does not know the new password");
    }
    redis.happen(Incident::Kill(Whom::Primary)).await?;
    writes_within(redis, SOON).await
}
