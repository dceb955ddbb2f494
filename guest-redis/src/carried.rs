//! What one reconcile hands to the next. It may be lost, so nothing that must be right
//! rests on it: without it a silent primary is waited for anew, and an event comes twice.

use operlet_sdk::{ExchangeEnd, Observation};
use serde::{Deserialize, Serialize};

use crate::{
    hash::fnv,
    protocol::record::{Epoch, Incarnation, Millis},
    recorded::uuid,
    talk::users::hex,
};

/// What one reconcile hands to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Carried {
    /// The run id of the primary that is silent, and since when.
    silent: Option<(String, Millis)>,
    /// What events have told of.
    pub(crate) told: Option<Told>,
    /// Since when every server takes a new password beside an old one.
    pub(crate) rotated: Option<Millis>,
    /// A hash of the certificate, and since when servers have not been told of it.
    pub(crate) certificate: Option<(u64, Option<Millis>)>,
    /// What is waited for, as a hash, and since when.
    waiting: Option<(u64, Millis)>,
}

/// How far a change of primary had come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    pub(crate) epoch: Epoch,
    pub(crate) phase: Option<String>,
    /// Why, while it is under way.
    pub(crate) cause: Option<String>,
    /// When it began, while it is under way.
    pub(crate) started: Option<Millis>,
}

/// The probe that watches a pod: its id begins with this.
pub(crate) const WATCH: &str = "watch/";

/// A server that does not answer its watch within this time does not answer. With the
/// second between two rounds it is known to be silent within twice that.
pub(crate) const WATCH_TIMEOUT_MS: Millis = 1000;

/// What has not changed for long is looked at this much less often.
const PACE: Millis = 60;

/// The longest time between two looks while something is under way.
const PACE_MAX_MS: Millis = 5000;

impl Carried {
    /// What the last reconcile handed over; nothing if it cannot be read.
    pub(crate) fn read(observation: &Observation) -> Self {
        serde_json::from_slice(&observation.carry).unwrap_or_default()
    }

    /// Bytes for the next one.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// For how long the primary has been silent, as far as is known.
    pub(crate) fn silent_ms(&self, primary: &Incarnation, observation: &Observation) -> Millis {
        let run = hex(&primary.run.0);
        let carried = self.silent.iter().filter(|(who, _)| *who == run).map(|(_, since)| *since);
        let probe = format!("{WATCH}{}", uuid(&primary.uid));
        let reports = observation.probes.iter().filter(|report| report.id == probe);
        let failing = reports.filter_map(|report| match report.end {
            ExchangeEnd::Replies(_) => None,
            // It had been silent for the whole of that round.
            ExchangeEnd::Timeout(_) => Some(report.since_ms.saturating_sub(WATCH_TIMEOUT_MS)),
            _ => Some(report.since_ms),
        });
        let since = carried.chain(failing).min();
        since.map_or(0, |since| observation.now_ms.saturating_sub(since))
    }

    /// Remembers whether the primary is silent at the end of this reconcile.
    pub(crate) fn note_silence(
        &mut self,
        primary: Option<&Incarnation>,
        is_silent: bool,
        observation: &Observation,
    ) {
        self.silent = primary.filter(|_| is_silent).map(|primary| {
            let since = observation.now_ms.saturating_sub(self.silent_ms(primary, observation));
            (hex(&primary.run.0), since)
        });
    }

    /// For how long the same has been waited for; none is waiting for nothing.
    pub(crate) fn wait(&mut self, what: Option<&str>, now: Millis) -> Millis {
        let Some(what) = what else {
            self.waiting = None;
            return 0;
        };
        let what = fnv(what.bytes());
        let since = self.waiting.filter(|(before, _)| *before == what).map_or(now, |(_, since)| since);
        self.waiting = Some((what, since));
        now.saturating_sub(since)
    }
}

/// When to look again: less often the longer the same is waited for.
pub(crate) fn pace(again_ms: Millis, waited_ms: Millis) -> Millis {
    again_ms.max((waited_ms / PACE).min(PACE_MAX_MS))
}
