//! The page that Prometheus reads: every metric with its name and what it means.

use std::{
    collections::BTreeMap,
    fmt::Error,
    hash::Hash,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::{All, operlet::Measured, process::Process, series::Series};

/// Everything, as it is when it is read.
#[derive(Debug)]
pub(super) struct Page(pub(super) Arc<All>);

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let all = &self.0;
        let operlets = all.operlets.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut writer = Writer { encoder, operlets };
        components(&mut writer)?;
        reconciles(&mut writer)?;
        exchanges(&mut writer)?;
        api(&mut writer)?;
        queue(&mut writer)?;
        host(&mut writer, all)?;
        process(&mut writer, Process::now())
    }
}

fn components(page: &mut Writer<'_>) -> Result<(), Error> {
    page.by("operlet_guest_calls", None, "Calls of the component, by what came of them", |o| &o.guest_calls)?;
    page.by(
        "operlet_guest_call_duration",
        Some(Unit::Seconds),
        "How long calls of the component took, with all that belongs to one",
        |o| &o.guest_call_seconds,
    )?;
    page.by(
        "operlet_limit_breaches",
        None,
        "Calls and reconciles that were ended by a limit, by its name",
        |o| &o.limit_breaches,
    )?;
    page.by("operlet_candidates_refused", None, "Components that were not let take over, by reason", |o| {
        &o.candidates_refused
    })?;
    page.info("operlet_component", "The live component; always 1", |o| {
        let live = o.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|(version, digest)| [("version", version.clone()), ("digest", digest.clone())])
    })
}

fn reconciles(page: &mut Writer<'_>) -> Result<(), Error> {
    page.by("operlet_reconciles", None, "Reconciles, by how they ended", |o| &o.reconciles)?;
    page.by(
        "operlet_reconcile_duration",
        Some(Unit::Seconds),
        "How long reconciles took, with calls, exchanges and writes",
        |o| &o.reconcile_seconds,
    )?;
    page.by("operlet_reconcile_rounds", None, "Calls of the component in one reconcile", |o| &o.rounds)?;
    page.by(
        "operlet_reconciles_skipped",
        None,
        "Reconciles that were not made, because nothing had changed",
        |o| &o.reconciles_skipped,
    )?;
    page.by("operlet_checkpoints", None, "Checkpoints, by whether they were written", |o| &o.checkpoints)?;
    page.by(
        "operlet_applies",
        None,
        "Objects that were written, or were not because they are as they should be",
        |o| &o.applies,
    )?;
    page.by("operlet_deletions", None, "Objects that were deleted, or were withheld from deletion", |o| {
        &o.deletions
    })?;
    page.by(
        "operlet_loop_breaker_trips",
        None,
        "How often a resource that kept changing its own objects was slowed down",
        |o| &o.loop_breaker_trips,
    )
}

fn exchanges(page: &mut Writer<'_>) -> Result<(), Error> {
    page.by("operlet_exchanges", None, "Exchanges with pods, by effect and end", |o| &o.exchanges)?;
    page.by("operlet_probe_rounds", None, "Rounds of watching probes, by end", |o| &o.probe_rounds)?;
    page.by("operlet_probes_running", None, "Probes that watch at present", |o| &o.probes_running)?;
    page.by("operlet_probe_wakes", None, "Reconciles that a changed reply to a probe has caused", |o| {
        &o.probe_wakes
    })
}

fn api(page: &mut Writer<'_>) -> Result<(), Error> {
    page.by(
        "operlet_api_requests",
        None,
        "Requests to the API server, by the Operlet they are made for (or the host itself), verb and resource",
        |o| &o.api_requests,
    )
}

fn queue(page: &mut Writer<'_>) -> Result<(), Error> {
    page.by("operlet_triggers", None, "Changes told by watches that concern a resource", |o| &o.triggers)?;
    page.by("operlet_queue_depth", None, "Resources that wait for a reconcile", |o| &o.queue_depth)?;
    page.gauge(
        "operlet_queue_oldest_age",
        Some(Unit::Seconds),
        "How long the resource that waits longest for a reconcile has waited",
        |o| {
            let oldest = o.queue_oldest.lock().unwrap_or_else(PoisonError::into_inner);
            oldest.map(|oldest| oldest.elapsed().as_secs_f64())
        },
    )?;
    page.by("operlet_store_objects", None, "Objects kept in memory", |o| &o.store_objects)?;
    page.by(
        "operlet_store_size",
        Some(Unit::Bytes),
        "The size of the objects kept in memory, as JSON",
        |o| &o.store_bytes,
    )?;
    page.by(
        "operlet_departed_dropped",
        None,
        "Reports of objects that departed, dropped because there were too many",
        |o| &o.departed_dropped,
    )
}

fn host(page: &mut Writer<'_>, all: &All) -> Result<(), Error> {
    let held = i64::from(all.lease_held.load(Ordering::Relaxed));
    page.one("operlet_lease_held", None, "Whether this host holds the Lease", ConstGauge::new(held))?;
    page.one(
        "operlet_lease_transitions",
        None,
        "How often the Lease has changed hands, as it says itself",
        ConstCounter::new(all.lease_transitions.load(Ordering::Relaxed)),
    )?;
    let mut build =
        page.describe("operlet_build", None, "The version of the host; always 1", MetricType::Info)?;
    build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn process(page: &mut Writer<'_>, process: Process) -> Result<(), Error> {
    let Process { cpu_seconds, resident_bytes, start_seconds, open_files } = process;
    if let Some(seconds) = cpu_seconds {
        let help = "Processor time that the process has used";
        page.one("process_cpu", Some(Unit::Seconds), help, ConstCounter::new(seconds))?;
    }
    if let Some(bytes) = resident_bytes {
        let help = "Memory that the process has in use";
        page.one("process_resident_memory", Some(Unit::Bytes), help, ConstGauge::new(bytes))?;
    }
    if let Some(seconds) = start_seconds {
        let help = "When the process started, since 1970";
        page.one("process_start_time", Some(Unit::Seconds), help, ConstGauge::new(seconds))?;
    }
    if let Some(count) = open_files {
        page.one("process_open_fds", None, "Open file descriptors", ConstGauge::new(count))?;
    }
    Ok(())
}

struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
    operlets: BTreeMap<Arc<str>, Arc<Measured>>,
}

impl Writer<'_> {
    fn describe<'s>(
        &'s mut self,
        name: &'s str,
        unit: Option<&'s Unit>,
        help: &str,
        type_: MetricType,
    ) -> Result<MetricEncoder<'s>, Error> {
        self.encoder.encode_descriptor(name, help, unit, type_)
    }

    /// A metric of its own.
    fn one(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        metric: impl EncodeMetric,
    ) -> Result<(), Error> {
        let type_ = metric.metric_type();
        metric.encode(self.describe(name, unit.as_ref(), help, type_)?)
    }

    /// A metric of every operlet, by its labels.
    fn by<L, M>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        pick: impl Fn(&Measured) -> &Series<L, M>,
    ) -> Result<(), Error>
    where
        L: Clone + Eq + Hash + EncodeLabelSet,
        M: Clone + EncodeMetric + TypedMetric,
    {
        let mut metric = self.encoder.encode_descriptor(name, help, unit.as_ref(), M::TYPE)?;
        for (operlet, measured) in &self.operlets {
            for (labels, series) in pick(measured).all() {
                series.encode(metric.encode_family(&(named(operlet), labels))?)?;
            }
        }
        Ok(())
    }

    /// A number of every operlet that has it at this moment.
    fn gauge(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        measure: impl Fn(&Measured) -> Option<f64>,
    ) -> Result<(), Error> {
        let mut metric = self.encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (operlet, measured) in &self.operlets {
            if let Some(number) = measure(measured) {
                ConstGauge::new(number).encode(metric.encode_family(&named(operlet))?)?;
            }
        }
        Ok(())
    }

    /// Facts about every operlet that has them at this moment.
    fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        facts: impl Fn(&Measured) -> Option<[(&'static str, String); N]>,
    ) -> Result<(), Error> {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Info)?;
        for (operlet, measured) in &self.operlets {
            if let Some(facts) = facts(measured) {
                metric.encode_family(&named(operlet))?.encode_info(&facts)?;
            }
        }
        Ok(())
    }
}

fn named(operlet: &str) -> [(&'static str, &str); 1] {
    [("operlet", operlet)]
}
