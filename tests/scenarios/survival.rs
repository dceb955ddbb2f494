//! A Redis with an application that writes all the time, and everything that can
//! happen to it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    chance::Chance,
    cluster::{self, Cluster},
    faults::{Incident, Meanwhile},
    outcome::Outcome,
    plug::Plug,
    prepared::Prepared,
    redis::{MENDING, Redis, START},
    trace::Trace,
};

/// How many things happen in a life: two on average, which take a minute.
const INCIDENTS: [usize; 4] = [1, 1, 2, 4];

/// How long it is waited between two, at most.
const PAUSE: Duration = Duration::from_secs(8);

/// How long the weather between host and API server is bad, where it is.
const WEATHER: Duration = Duration::from_secs(60);

/// Longer than a life lasts.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// By how much watches are late at most, where they are.
const LATE: Duration = Duration::from_secs(3);

/// Runs it.
pub(crate) async fn scenario(
    cluster: &Cluster,
    prepared: &Prepared,
    trace: &Trace,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut chance = Chance::new(outcome.seed);
    let spec = spec(&mut chance);
    trace.note(&format!("the resource: {spec}"));
    let line = match chance.below(4) {
        0 => Plug::in_bad_weather(outcome.seed, WEATHER),
        _ => Plug::default(),
    };
    if chance.below(4) == 0 {
        cluster.server.delay_watches(LATE, Instant::now() + LIFE);
    }
    let mut redis = Redis::new(cluster, prepared, trace, &spec, line);
    let lived = live(&mut redis, &mut chance).await;
    outcome.note(cluster.invariants.broken());
    lived?;
    redis.end(outcome).await
}

fn spec(chance: &mut Chance) -> Value {
    let replicas = chance.one_of([0, 1, 1, 2, 2, 2, 3, 3]);
    let mode = chance.one_of(["AOF", "AOF", "RDB", "Both", "None"]);
    let mut spec = json!({ "replicas": replicas, "persistence": { "mode": mode } });
    if let Some(spec) = spec.as_object_mut() {
        if chance.below(3) > 0 {
            spec.insert("storage".to_owned(), json!({ "size": "1Gi", "storageClassName": cluster::STORAGE }));
        }
        if chance.below(6) == 0 {
            spec.insert("failover".to_owned(), json!({ "mode": "Available" }));
        }
    }
    spec
}

/// From its making until all has happened.
async fn live(redis: &mut Redis<'_>, chance: &mut Chance) -> Result<()> {
    redis.apply().await?;
    redis.is_whole_within(START).await.context("after it was made")?;
    for _ in 0..chance.one_of(INCIDENTS) {
        sleep(chance.up_to(PAUSE)).await;
        let (incident, meanwhile) = (Incident::by(chance), Meanwhile::by(chance));
        if incident.may_lose() {
            redis.is_whole_within(MENDING).await.with_context(|| format!("before {incident:?}"))?;
        }
        let context = || format!("{incident:?}, {meanwhile:?}");
        happen(redis, incident, meanwhile).await.with_context(context)?;
    }
    Ok(())
}

/// Something happens, and something else meanwhile.
async fn happen(redis: &mut Redis<'_>, incident: Incident, meanwhile: Meanwhile) -> Result<()> {
    match meanwhile {
        Meanwhile::Nothing => redis.happen(incident).await,
        Meanwhile::Crash(writes) => {
            redis.crash_within(writes);
            redis.happen(incident).await?;
            redis.crash_if_due().await;
            Ok(())
        }
        Meanwhile::Also(also, after) => {
            let lasting = redis.begin(incident).await?;
            sleep(after).await;
            redis.happen(also).await?;
            sleep(incident.lasts().saturating_sub(after)).await;
            redis.take_back(lasting).await
        }
    }
}
