//! The probes of one operlet's resources.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

use crate::model::{ObjectKey, Probe, ProbeReport};

use super::{
    OperletExchanges,
    probe::{ProbeHooks, Running, Slate, report},
    transcript::Transcript,
};

/// The time between the first rounds of probes that start together, so that a
/// thousand do not fire in one instant. One that starts alone starts at once.
const START_SPACING: Duration = Duration::from_millis(1);

/// Repeats exchanges and wakes those whose replies change. Dropping it ends all
/// probes and closes their connections.
pub struct Probes {
    exchanges: OperletExchanges,
    hooks: Arc<ProbeHooks>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    resources: HashMap<ObjectKey, BTreeMap<String, Entry>>,
    /// The earliest that a further probe may start.
    next_start: Option<Instant>,
}

struct Entry {
    probe: Arc<Probe>,
    slate: Slate,
    task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probes {
    /// None at first.
    #[must_use]
    pub fn new(exchanges: OperletExchanges, hooks: ProbeHooks) -> Self {
        Self { exchanges, hooks: Arc::new(hooks), table: Mutex::default() }
    }

    /// The probes of a resource from now on. Those that run and are equal go on
    /// undisturbed, others end, new ones start.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn set(&self, resource: &ObjectKey, probes: Vec<Probe>) {
        let mut table = self.table();
        let mut old = table.resources.remove(resource).unwrap_or_default();
        let mut new = BTreeMap::new();
        for probe in probes {
            let going_on = old.remove(&probe.id).filter(|entry| *entry.probe == probe);
            let id = probe.id.clone();
            let entry = going_on.unwrap_or_else(|| self.start(resource, probe, &mut table.next_start));
            new.insert(id, entry);
        }
        if !new.is_empty() {
            table.resources.insert(resource.clone(), new);
        }
    }

    /// The latest of each probe that has ended a round, in the order of the ids.
    #[must_use]
    pub fn reports(&self, resource: &ObjectKey) -> Vec<ProbeReport> {
        let table = self.table();
        let entries = table.resources.get(resource).into_iter().flatten();
        entries.filter_map(|(id, entry)| report(id, &entry.slate)).collect()
    }

    /// Ends the probes of a resource.
    pub fn clear(&self, resource: &ObjectKey) {
        self.table().resources.remove(resource);
    }

    /// Ends all probes.
    pub fn clear_all(&self) {
        self.table().resources.clear();
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().resources.values().map(BTreeMap::len).sum()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table().resources.is_empty()
    }

    fn start(&self, resource: &ObjectKey, probe: Probe, next_start: &mut Option<Instant>) -> Entry {
        let (probe, slate) = (Arc::new(probe), Slate::default());
        let running = Running {
            exchanges: self.exchanges.clone(),
            hooks: Arc::clone(&self.hooks),
            resource: resource.clone(),
            probe: Arc::clone(&probe),
            slate: Arc::clone(&slate),
            transcript: Transcript::default(),
        };
        let now = Instant::now();
        let slot = next_start.unwrap_or(now).max(now);
        *next_start = Some(slot + START_SPACING);
        // However many start: a probe's own pause is the longest that it waits.
        let pause = (slot - now).as_millis() % u128::from(probe.every_ms.max(1));
        let first = now + Duration::from_millis(u64::try_from(pause).unwrap_or_default());
        let task = tokio::spawn(running.run(first)).abort_handle();
        Entry { probe, slate, task }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
