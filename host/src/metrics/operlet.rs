//! What is measured of one Operlet.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use super::series::{
    ByEffectAndEnd, ByEnd, ByLimit, ByReason, ByResult, ByVerbAndResource, Counters, Gauges, Histograms,
    None as NoLabel, Series, Word,
};

/// From the fastest call of a small component to the longest that is allowed.
const CALL_SECONDS: [f64; 15] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
];

/// From one that only calls to one that waits for others.
const RECONCILE_SECONDS: [f64; 14] =
    [0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0];

/// Up to the most rounds that a reconcile may have.
const ROUNDS: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0];

/// All that is measured of one Operlet.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) guest_calls: Counters<ByResult>,
    pub(super) guest_call_seconds: Histograms,
    pub(super) rounds: Histograms,
    pub(super) checkpoints: Counters<ByResult>,
    pub(super) exchanges: Counters<ByEffectAndEnd>,
    pub(super) probe_rounds: Counters<ByEnd>,
    pub(super) probes_running: Gauges<NoLabel>,
    pub(super) probe_wakes: Counters<NoLabel>,
    pub(super) limit_breaches: Counters<ByLimit>,
    pub(super) reconciles: Counters<ByResult>,
    pub(super) reconcile_seconds: Histograms,
    pub(super) reconciles_skipped: Counters<NoLabel>,
    pub(super) api_requests: Counters<ByVerbAndResource>,
    pub(super) applies: Counters<ByResult>,
    pub(super) deletions: Counters<ByResult>,
    pub(super) loop_breaker_trips: Counters<NoLabel>,
    pub(super) queue_depth: Gauges<NoLabel>,
    pub(super) store_objects: Gauges<NoLabel>,
    pub(super) store_bytes: Gauges<NoLabel>,
    pub(super) candidates_refused: Counters<ByReason>,
    pub(super) departed_dropped: Counters<NoLabel>,
    pub(super) triggers: Counters<NoLabel>,
    /// Since when the resource that waits longest is waiting.
    pub(super) queue_oldest: Mutex<Option<Instant>>,
    /// The version and the digest of the live component.
    pub(super) live: Mutex<Option<(String, String)>>,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            guest_calls: Counters::default(),
            guest_call_seconds: Series::new(|| Histogram::new(CALL_SECONDS)),
            rounds: Series::new(|| Histogram::new(ROUNDS)),
            checkpoints: Counters::default(),
            exchanges: Counters::default(),
            probe_rounds: Counters::default(),
            probes_running: Gauges::default(),
            probe_wakes: Counters::default(),
            limit_breaches: Counters::default(),
            reconciles: Counters::default(),
            reconcile_seconds: Series::new(|| Histogram::new(RECONCILE_SECONDS)),
            reconciles_skipped: Counters::default(),
            api_requests: Counters::default(),
            applies: Counters::default(),
            deletions: Counters::default(),
            loop_breaker_trips: Counters::default(),
            queue_depth: Gauges::default(),
            store_objects: Gauges::default(),
            store_bytes: Gauges::default(),
            candidates_refused: Counters::default(),
            departed_dropped: Counters::default(),
            triggers: Counters::default(),
            queue_oldest: Mutex::default(),
            live: Mutex::default(),
        }
    }
}

/// What is measured of one Operlet, or of the host in its own name. Cheap to
/// clone. Words are of fixed sets.
#[derive(Clone, Debug)]
pub struct OperletMetrics {
    measured: Arc<Measured>,
}

impl OperletMetrics {
    pub(super) fn new(measured: Arc<Measured>) -> Self {
        Self { measured }
    }

    /// What is counted from nothing is there from the beginning, so that its first
    /// increase is seen as one.
    pub(super) fn begin(&self) {
        let measured = &self.measured;
        for counter in [
            &measured.probe_wakes,
            &measured.reconciles_skipped,
            &measured.loop_breaker_trips,
            &measured.departed_dropped,
            &measured.triggers,
        ] {
            let _ = counter.with(&[]);
        }
        for result in ["made", "avoided"] {
            let _ = measured.applies.with(&ByResult { result });
        }
        for result in ["made", "withheld"] {
            let _ = measured.deletions.with(&ByResult { result });
        }
        for gauge in
            [&measured.probes_running, &measured.queue_depth, &measured.store_objects, &measured.store_bytes]
        {
            let _ = gauge.with(&[]);
        }
    }

    /// The component was called, and this came of it after so many seconds: settle,
    /// ask, checkpoint, retry, invalid, bug, trap, cpu-time, wall-time, memory,
    /// input, output, contract or host.
    pub fn guest_call(&self, result: Word, seconds: f64) {
        self.measured.guest_calls.with(&ByResult { result }).inc();
        self.measured.guest_call_seconds.with(&[]).observe(seconds);
    }

    /// A reconcile ended with this result after so many seconds and calls.
    pub fn reconcile(&self, result: Word, seconds: f64, rounds: u32) {
        self.measured.reconciles.with(&ByResult { result }).inc();
        self.measured.reconcile_seconds.with(&[]).observe(seconds);
        self.measured.rounds.with(&[]).observe(f64::from(rounds));
    }

    /// A reconcile was not made, because nothing changed.
    pub fn reconcile_skipped(&self) {
        self.measured.reconciles_skipped.with(&[]).inc();
    }

    /// A checkpoint: written, conflict or failed.
    pub fn checkpoint(&self, result: Word) {
        self.measured.checkpoints.with(&ByResult { result }).inc();
    }

    /// Bytes went to a pod, for a probe or an act, and it ended like this.
    pub fn exchange(&self, effect: Word, end: Word) {
        self.measured.exchanges.with(&ByEffectAndEnd { effect, end }).inc();
    }

    /// A watching probe was made once more, and it ended like this.
    pub fn probe_round(&self, end: Word) {
        self.measured.probe_rounds.with(&ByEnd { end }).inc();
    }

    /// So many probes watch.
    pub fn probes_running(&self, count: usize) {
        self.measured.probes_running.with(&[]).set(gauged(count));
    }

    /// A probe's reply changed, and its resource is reconciled for it.
    pub fn probe_wake(&self) {
        self.measured.probe_wakes.with(&[]).inc();
    }

    /// The component ran into a limit: the name that the limit has in the Operlet.
    pub fn limit_breach(&self, limit: Word) {
        self.measured.limit_breaches.with(&ByLimit { limit }).inc();
    }

    /// The API server is asked.
    pub fn api_request(&self, verb: Word, resource: &str) {
        let resource = resource.to_owned();
        self.measured.api_requests.with(&ByVerbAndResource { verb, resource }).inc();
    }

    /// Objects were written.
    pub fn applies_made(&self, count: u64) {
        self.measured.applies.with(&ByResult { result: "made" }).inc_by(count);
    }

    /// Objects were not written, because they are as they should be.
    pub fn applies_avoided(&self, count: u64) {
        self.measured.applies.with(&ByResult { result: "avoided" }).inc_by(count);
    }

    /// Objects were deleted.
    pub fn deletions_made(&self, count: u64) {
        self.measured.deletions.with(&ByResult { result: "made" }).inc_by(count);
    }

    /// Objects were not deleted, though the component wanted it.
    pub fn deletions_withheld(&self, count: u64) {
        self.measured.deletions.with(&ByResult { result: "withheld" }).inc_by(count);
    }

    /// A resource that keeps changing its own objects was slowed down.
    pub fn loop_breaker_tripped(&self) {
        self.measured.loop_breaker_trips.with(&[]).inc();
    }

    /// So many resources wait for a reconcile, the first of them since then.
    pub fn queue(&self, depth: usize, oldest: Option<Instant>) {
        self.measured.queue_depth.with(&[]).set(gauged(depth));
        *self.measured.queue_oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
    }

    /// The store has so much.
    pub fn store(&self, objects: usize, bytes: usize) {
        self.measured.store_objects.with(&[]).set(gauged(objects));
        self.measured.store_bytes.with(&[]).set(gauged(bytes));
    }

    /// This component is live, and no other.
    pub fn live(&self, version: &str, digest: &str) {
        *self.measured.live.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((version.to_owned(), digest.to_owned()));
    }

    /// A component was refused for this reason, a word of a fixed set.
    pub fn candidate_refused(&self, reason: Word) {
        self.measured.candidates_refused.with(&ByReason { reason }).inc();
    }

    /// Reports of departed objects were dropped, because there were too many.
    pub fn departed_dropped(&self, count: u64) {
        self.measured.departed_dropped.with(&[]).inc_by(count);
    }

    /// A watch told of a change that concerns a resource.
    pub fn trigger(&self) {
        self.measured.triggers.with(&[]).inc();
    }
}

fn gauged(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
