//! Whether it is whole, and stays so.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{LOOK, MENDING, REDIS, Redis, quorum, reference};
use crate::{client, cluster, faults::Whom, outcome::Outcome, server::Server};

/// How long it is then watched that nothing is written any more.
const QUIET: Duration = Duration::from_secs(30);

/// After how long a person does what is asked for.
const PERSON: Duration = Duration::from_secs(30);

/// How long the application has at the end to write once more: what was lost on a
/// network that was cut is sent again after some seconds.
const ANEW: Duration = Duration::from_secs(30);

impl Redis<'_> {
    /// Everything must be well in the end, and stay so.
    pub(crate) async fn end(mut self, outcome: &mut Outcome) -> Result<()> {
        let ended = self.is_well().await;
        self.application.abort();
        outcome.note(self.cluster.invariants.broken());
        ended?;
        self.is_quiet().await?;
        self.is_whole().await?.map_err(|problem| anyhow!("it was whole, and does not stay so: {problem}"))?;
        self.keeps().await?;
        outcome.writes = self.writes();
        outcome.losses = self.losses;
        self.trace.add(serde_json::to_string(&cluster::end(&self.cluster.server))?.as_bytes());
        outcome.note(self.cluster.invariants.broken());
        self.trace.note(&format!(
            "{} writes acknowledged, {} of them confirmed; the longest time without one {:.1} s",
            self.written.count(),
            self.written.confirmed().len(),
            self.written.longest().as_secs_f64()
        ));
        self.host.stop().await
    }

    /// It becomes whole, and is written to once more.
    async fn is_well(&mut self) -> Result<()> {
        self.is_whole_within(MENDING).await.context("at the end")?;
        let replicates = self.pods() > 1;
        let written = |of: &Self| if replicates { of.written.confirmed().len() } else { of.written.count() };
        let before = written(self);
        let end = Instant::now() + ANEW;
        while written(self) == before {
            ensure!(Instant::now() < end, "it is whole, and the application cannot write");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until all servers run, and all but one follow it closely.
    pub(crate) async fn is_whole_within(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        let mut asked = Instant::now() + PERSON;
        loop {
            let problem = match self.is_whole().await? {
                Ok(()) => {
                    self.quorum.store(quorum(self.pods() - 1), Ordering::Relaxed);
                    self.promise_anew();
                    return Ok(());
                }
                Err(problem) => problem,
            };
            if Instant::now() >= end {
                bail!("it does not become whole: {problem}; {}", self.status().await?);
            }
            if Instant::now() >= asked {
                self.decide().await?;
                asked = Instant::now() + PERSON;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// What is promised is promised again, for what is written from now on.
    fn promise_anew(&mut self) {
        if self.lossy && self.promises() {
            self.lossy = false;
            self.forgiven.extend(self.written.confirmed());
            self.cluster.invariants.promise(true);
        }
    }

    /// Does what a person can do, if it says that one must: it says which pods are off for
    /// good, and gives up what only those have that do not come back.
    async fn decide(&mut self) -> Result<()> {
        let status = self.status().await?;
        let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let blocked = conditions.filter(|condition| {
            condition.get("type").is_some_and(|is| is == "FailoverBlocked")
                && condition.get("status").is_some_and(|is| is == "True")
        });
        let told: String = blocked.filter_map(|condition| condition.get("message")?.as_str()).collect();
        let words = told.split_whitespace().filter_map(|word| word.split_once('='));
        for (key, value) in words {
            match key.rsplit('/').next() {
                Some("accept-loss") => {
                    self.lossy = true;
                    self.losses += 1;
                    self.cluster.invariants.accept_loss();
                }
                // Kubelets take no pod from the API whose containers run.
                Some("fenced") if !self.has_pod(value).await? => {}
                _ => continue,
            }
            self.trace.note(&format!("a person: {key}={value}"));
            self.annotate(key, value).await?;
        }
        Ok(())
    }

    /// Whether there is a pod with this uid.
    async fn has_pod(&self, uid: &str) -> Result<bool> {
        let pods = cluster::api(&self.client, &reference("Pod", "")).list(&ListParams::default()).await?;
        Ok(pods.items.iter().any(|pod| pod.metadata.uid.as_deref() == Some(uid)))
    }

    async fn annotate(&self, key: &str, value: &str) -> Result<()> {
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        let resource = cluster::api(&self.client, &self.resource);
        resource.patch(REDIS, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn is_whole(&self) -> Result<Result<(), String>> {
        if let Err(problem) = self.are_whole() {
            return Ok(Err(problem));
        }
        let pods = cluster::api(&self.client, &reference("Pod", "")).list(&ListParams::default()).await?;
        if let Some(pod) = pods.items.iter().find(|pod| pod.metadata.deletion_timestamp.is_some()) {
            return Ok(Err(format!("{:?} is about to go", pod.metadata.name)));
        }
        let found = cluster::api(&self.client, &self.resource).get(REDIS).await?;
        let status = found.data.get("status").cloned().unwrap_or_default();
        if status.get("observedGeneration").and_then(Value::as_i64) != found.metadata.generation {
            return Ok(Err(format!("generation {:?} is not seen to: {status}", found.metadata.generation)));
        }
        let condition = |kind: &str| {
            let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
            let mut found = conditions.filter(|condition| condition.get("type").is_some_and(|is| is == kind));
            found.next().and_then(|found| found.get("status")?.as_str()).unwrap_or_default().to_owned()
        };
        let good = condition("Ready") == "True" && condition("Progressing") != "True";
        Ok(if good { Ok(()) } else { Err(format!("its status is {status}")) })
    }

    /// Whether the servers are all there, by what they do themselves.
    fn are_whole(&self) -> Result<(), String> {
        let servers = self.cluster.servers.all();
        let wanted: BTreeSet<String> = (0..self.pods()).map(|ordinal| format!("{REDIS}-{ordinal}")).collect();
        let running: BTreeSet<String> =
            servers.iter().filter(|(_, server)| server.runs()).map(|(pod, _)| pod.clone()).collect();
        let runs = servers.values().filter(|server| server.runs());
        let (leading, following): (Vec<_>, Vec<_>) =
            runs.partition(|server| server.redis().follows().is_none());
        let linked = following.iter().all(|server| server.redis().link().is_ok());
        if running != wanted {
            Err(format!("{running:?} run, and {wanted:?} should"))
        } else if leading.len() != 1 || !linked {
            Err(format!("{} lead, and it is {linked} that all others are linked", leading.len()))
        } else if !leading.iter().all(|server| server.redis().takes_writes()) {
            Err("it takes no writes".to_owned())
        } else {
            Ok(())
        }
    }

    /// Nothing is written any more, for a while, soon.
    async fn is_quiet(&self) -> Result<()> {
        let end = Instant::now() + MENDING;
        loop {
            let before = self.host.plug.writes();
            sleep(QUIET).await;
            let after = self.host.plug.writes();
            if before == after {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} writes while nothing changed", after - before);
        }
    }

    /// Everything that was confirmed is at the primary, and everybody has what it has.
    async fn keeps(&self) -> Result<()> {
        let pod = self.pod(Whom::Primary).await?;
        let servers = self.cluster.servers.all();
        let server = servers.get(&pod).with_context(|| format!("{pod} never ran"))?;
        let lost: Vec<u64> = {
            let redis = server.redis();
            let is_lost = |number: &u64| redis.value(&client::key(*number)).is_none();
            let confirmed = self.written.confirmed().into_iter();
            confirmed.filter(|number| !self.forgiven.contains(number)).filter(is_lost).collect()
        };
        ensure!(lost.is_empty() || self.lossy, "I13: confirmed writes are lost: {lost:?}");
        let others = || servers.iter().filter(|(name, server)| **name != pod && server.runs());
        for (other, one) in others() {
            let (redis, primary) = (one.redis(), server.redis());
            ensure!(redis.has_data_of(&primary), "{other} has not the data of the primary {pod}");
        }
        for (name, one) in others().chain([(&pod, server)]) {
            self.is_set(name, one)?;
        }
        Ok(())
    }

    /// Whether a server runs with what was asked for last.
    fn is_set(&self, name: &str, server: &Server) -> Result<()> {
        let asked = [("/spec/memory/policy", "maxmemory-policy"), ("/spec/config/databases", "databases")];
        for (field, setting) in asked {
            let Some(wanted) = self.resource.pointer(field).and_then(Value::as_str) else { continue };
            let is = server.redis().setting(setting).to_owned();
            ensure!(is == wanted, "{name} runs with {setting} {is}, and {wanted} was asked for");
        }
        Ok(())
    }
}
