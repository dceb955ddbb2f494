//! A fault, done to a system again and again while clients write.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::system::{LOOK, QUORUM, System};
use crate::{
    outage::{
        faults::{self, Frozen, PowerCut},
        sampler::Sampler,
        seats::Seat,
        seed::Chance,
        wait::{PATIENCE, until},
        writer::Writer,
    },
    stage::Stage,
};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The primary's process is killed.
    Killed,
    /// It is frozen, and thawed when another one has taken over.
    Frozen,
    /// Its pod is deleted.
    Deleted,
    /// Its node's power is cut.
    Node,
    /// A person asks for another primary.
    Switchover,
    /// A setting is changed that needs a restart of every server.
    Update,
}

/// A fault and what it is done to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its key among the figures.
    pub(crate) key: &'static str,
    pub(crate) fault: Fault,
    /// Whether servers write to disk.
    pub(crate) persistent: bool,
    /// Whether the Redis prefers to go on over losing nothing.
    pub(crate) available: bool,
}

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// The time without an acknowledged write: for an update all of it together,
    /// otherwise the longest.
    pub(crate) gap: Duration,
    pub(crate) acknowledged: usize,
    /// Acknowledged writes that were lost.
    pub(crate) lost: usize,
    /// Of another client, those that a replica had confirmed.
    pub(crate) lost_confirmed: usize,
    /// Times in which two servers took writes.
    pub(crate) two_primaries: usize,
}

/// What ends with the fault.
enum Held {
    Nothing,
    Frozen(Frozen),
    Power(Box<PowerCut>),
}

/// Pauses shorter than this are those of a busy machine, not of an update.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes go on when there were so many in so short a time.
const HEALTHY: (usize, Duration) = (50, Duration::from_secs(2));

/// By chance a fault comes up to so much later.
const JITTER: Duration = Duration::from_secs(1);

impl Case {
    /// The system that it is done to.
    pub(crate) fn system(&self, stage: &Stage, sentinel: bool) -> Result<System> {
        if sentinel {
            return System::sentinel(stage, self.persistent);
        }
        let persistence = if self.persistent { "AOF" } else { "None" };
        let mode = if self.available { "Available" } else { "Safe" };
        System::operlet(
            stage,
            &json!({ "persistence": { "mode": persistence }, "failover": { "mode": mode } }),
        )
    }

    /// Whether each run needs servers that were never started again: kubelets make
    /// those wait that are so again and again, and that would be measured.
    pub(crate) fn needs_new_servers(&self) -> bool {
        matches!(self.fault, Fault::Killed | Fault::Frozen)
    }

    /// Does it once.
    pub(crate) fn run(&self, system: &System, number: usize, chance: &mut Chance) -> Result<Run> {
        system.gets_well()?;
        let primary = system.primary()?;
        let lab = &system.subject.lab;
        let mut nodes = lab.nodes()?.into_iter();
        let node = nodes.find(|node| *node != primary.node).context("there is only one node")?;
        let client =
            |name: &str, quorum| system.client(format!("{}-{name}-{number}", self.key), node, quorum);
        let (plain, confirmed) = (client("plain", None), client("confirmed", Some(QUORUM)));
        let sampler = Sampler::start(lab, system.servers.seats(), &system.login);
        let writers = [Writer::start(plain.clone()), Writer::start(confirmed.clone())];
        is_healthy(&writers)?;
        sleep(chance.below(JITTER));

        let begun = Instant::now();
        let before = system.servers.seats().present();
        let held = self.inflict(system, &primary, number)?;
        until("it is done", 2 * PATIENCE, || self.is_done(system, &primary, &before))?;
        sleep(LOOK.saturating_sub(begun.elapsed()));
        is_healthy(&writers)?;
        held.end()?;
        // What comes back may disturb, too.
        sleep(LOOK / 2);
        is_healthy(&writers)?;

        let logs = writers.map(Writer::stop);
        let two_primaries = sampler.stop().two_at_once();
        for pair in &two_primaries {
            println!("two primaries took writes: {pair}");
        }
        system.gets_well()?;
        let [log, confirmed_log] = logs;
        let lost = Writer::lost(&plain, &log, &mut system.connect()?)?;
        let lost_confirmed = Writer::lost(&confirmed, &confirmed_log, &mut system.connect()?)?;
        let gap = if self.fault == Fault::Update { log.gaps_together(PAUSE) } else { log.longest_gap().0 };
        Ok(Run {
            gap,
            acknowledged: log.acks.len(),
            lost: lost.plain.len(),
            lost_confirmed: lost_confirmed.confirmed.len(),
            two_primaries: two_primaries.len(),
        })
    }

    fn inflict(&self, system: &System, primary: &Seat, number: usize) -> Result<Held> {
        let subject = &system.subject;
        match self.fault {
            Fault::Killed => faults::kill(&subject.lab, primary)?,
            Fault::Frozen => return Ok(Held::Frozen(faults::freeze(&subject.lab, primary)?)),
            Fault::Deleted => faults::delete(&subject.lab, &subject.namespace, &primary.pod)?,
            Fault::Node => {
                return Ok(Held::Power(Box::new(PowerCut::of(&subject.lab, primary.node)?)));
            }
            Fault::Switchover => {
                let replicas = subject.replicas()?;
                let target = replicas.first().context("there is no replica")?;
                let request = json!({ "target": target.pod, "requestID": number.to_string() });
                subject.patch(&json!({ "switchover": request }))?;
            }
            Fault::Update => {
                // No server takes this without a restart.
                subject.patch(&json!({ "config": { "databases": (17 + number).to_string() } }))?;
            }
        }
        Ok(Held::Nothing)
    }

    /// Whether what was asked for is done; a fault is, as soon as it is there.
    fn is_done(&self, system: &System, primary: &Seat, before: &[Seat]) -> Result<()> {
        match self.fault {
            Fault::Switchover => {
                let now = system.primary()?;
                ensure!(now.pod != primary.pod, "{} is still primary", now.pod);
            }
            Fault::Update => {
                system.is_well()?;
                let old = |seat: &Seat| before.iter().any(|old| old.uid == seat.uid);
                if let Some(old) = system.subject.pods()?.into_iter().find(old) {
                    bail!("{} has not been replaced", old.pod);
                }
            }
            Fault::Killed | Fault::Frozen | Fault::Deleted | Fault::Node => {}
        }
        Ok(())
    }
}

impl Held {
    fn end(self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Frozen(frozen) => {
                frozen.thaw();
                Ok(())
            }
            Self::Power(cut) => cut.restore(),
        }
    }
}

impl Run {
    /// For a person who watches.
    pub(crate) fn told(&self) -> String {
        format!(
            "{} ms without a write, {} of {} lost, {} confirmed ones",
            self.gap.as_millis(),
            self.lost,
            self.acknowledged,
            self.lost_confirmed
        )
    }

    /// The figures of a case that was tried so often.
    pub(crate) fn figures(runs: &[Self], tried: usize) -> Value {
        let sum = |count: fn(&Self) -> usize| runs.iter().map(count).sum::<usize>();
        json!({
            "p50_ms": percentile_ms(runs, 50),
            "p99_ms": percentile_ms(runs, 99),
            "lost": sum(|run| run.lost),
            "lost_confirmed": sum(|run| run.lost_confirmed),
            "runs_with_loss": sum(|run| usize::from(run.lost > 0)),
            "acknowledged": sum(|run| run.acknowledged),
            "two_primaries": sum(|run| run.two_primaries),
            "runs": runs.len(),
            "failed": tried - runs.len(),
        })
    }
}

/// The gap that so many percent of the runs do not exceed.
fn percentile_ms(runs: &[Run], percent: usize) -> u128 {
    let mut gaps: Vec<u128> = runs.iter().map(|run| run.gap.as_millis()).collect();
    gaps.sort_unstable();
    let rank = (gaps.len() * percent).div_ceil(100).max(1);
    gaps.get(rank - 1).copied().unwrap_or_default()
}

/// Waits until both clients write as they should.
fn is_healthy(writers: &[Writer]) -> Result<()> {
    until("writes go on", PATIENCE, || {
        for writer in writers {
            let log = writer.log();
            let (enough, time) = HEALTHY;
            let since = log.ended.saturating_sub(time);
            let last = log.acks.iter().rev().take_while(|ack| ack.at >= since).count();
            ensure!(last >= enough, "{last} writes in {} ms:\n{log}", time.as_millis());
        }
        Ok(())
    })
}
