//! What one reconcile hands to the next. It may be lost, so nothing that must be right
//! rests on it: without it a silent primary is waited for anew, and an event comes twice.
//! The host keeps it in memory, beside the Secrets that it shows.

use operlet_sdk::{ExchangeEnd, Observation};
use serde::{Deserialize, Serialize};

use crate::{
    hash::fnv,
    observed::Observed,
    protocol::record::{Epoch, Incarnation, Millis},
    recorded::uuid,
    talk::{WATCH_EVERY_MS, users::hex},
};

/// What one reconcile hands to the next.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(default)]
pub(crate) struct Carried {
    /// The run id of the primary that is silent, and since when.
    silent: Option<(String, Millis)>,
    /// The uids of pods that did not answer.
    mute: Vec<String>,
    /// The uid of the primary's pod, if it is going, and since when.
    going: Option<(String, Millis)>,
    /// What events have told of.
    pub(crate) told: Option<Told>,
    /// Since when every server takes a new password beside an old one.
    pub(crate) rotated: Option<Millis>,
    /// A hash of the certificate, and since when servers have not been told of it.
    pub(crate) certificate: Option<(u64, Option<Millis>)>,
    /// What is waited for, as a hash, and since when.
    waiting: Option<(u64, Millis)>,
    /// What the servers know the operator by. They run on when its Secret is deleted, and
    /// it can be made again as it was.
    pub(crate) operator_key: Option<String>,
}

/// What the record said at the end of a reconcile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    pub(crate) epoch: Epoch,
    /// The change of primary that was under way.
    pub(crate) change: Option<Change>,
}

/// How far a change of primary had come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    pub(crate) phase: String,
    pub(crate) cause: String,
    pub(crate) started: Millis,
}

/// The probe that watches a pod: its id begins with this.
pub(crate) const WATCH: &str = "watch/";

/// A server that does not answer its watch within this time does not answer. It was last
/// heard up to this and the time between two rounds ago.
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

    /// Of what the last reconcile handed over, what holds for however long nothing is done.
    pub(crate) fn paused(observation: &Observation) -> Self {
        Self { operator_key: Self::read(observation).operator_key, ..Self::default() }
    }

    /// Remembers what is in the operator's Secret, as long as there is one.
    pub(crate) fn note_operator(&mut self, observed: &Observed<'_>) {
        let key = observed.operator_secret.as_ref().and_then(|secret| secret.entry("key"));
        self.operator_key = key.and_then(|key| String::from_utf8(key).ok()).or(self.operator_key.take());
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
            // It was last heard in the round before that one.
            ExchangeEnd::Timeout(_) => {
                Some(report.since_ms.saturating_sub(WATCH_TIMEOUT_MS + Millis::from(WATCH_EVERY_MS)))
            }
            _ => Some(report.since_ms),
        });
        let since = carried.chain(failing).min();
        since.map_or(0, |since| observation.now_ms.saturating_sub(since))
    }

    /// Whether a pod did not answer the last time, nor does it answer its watch.
    pub(crate) fn was_mute(&self, uid: &str, observation: &Observation) -> bool {
        let watch = observation.probes.iter().find(|report| report.id.strip_prefix(WATCH) == Some(uid));
        let answers = watch.is_some_and(|report| matches!(report.end, ExchangeEnd::Replies(_)));
        !answers && self.mute.iter().any(|mute| mute == uid)
    }

    /// Remembers the pods that did not answer.
    pub(crate) fn note_mute(&mut self, uids: impl Iterator<Item = String>) {
        self.mute = uids.collect();
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

    /// For how long the primary's pod has been going, as far as is known.
    pub(crate) fn going_ms(&self, uid: &str, now: Millis) -> Millis {
        let since = self.going.as_ref().filter(|(who, _)| who == uid);
        since.map_or(0, |(_, since)| now.saturating_sub(*since))
    }

    /// Remembers whether the primary's pod is going.
    pub(crate) fn note_going(&mut self, uid: Option<&str>, now: Millis) {
        self.going = uid.map(|uid| (uid.to_owned(), now.saturating_sub(self.going_ms(uid, now))));
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

#[cfg(test)]
mod tests {
    use operlet_sdk::{PartialReplies, ProbeReport, testing};

    use super::*;
    use crate::protocol::record::{RunId, Uid};

    const PRIMARY: Incarnation = Incarnation { pod: 0, uid: Uid([7; 16]), run: RunId([1; 20]) };

    fn at(now_ms: Millis, end: Option<(ExchangeEnd, Millis)>) -> Observation {
        let report = end.map(|(end, since_ms)| ProbeReport {
            id: "watch/07070707-0707-0707-0707-070707070707".to_owned(),
            end,
            since_ms,
            extensions: Vec::new(),
        });
        let probes = report.into_iter().collect();
        Observation { now_ms, probes, ..testing::observation(&()) }
    }

    fn timeout() -> ExchangeEnd {
        ExchangeEnd::Timeout(PartialReplies { replies: Vec::new(), rest: Vec::new() })
    }

    #[test]
    fn silence_is_counted_from_the_first_that_is_known_of_it() {
        let mut carried = Carried::default();
        assert_eq!(carried.silent_ms(&PRIMARY, &at(5000, None)), 0);
        assert_eq!(
            carried.silent_ms(&PRIMARY, &at(5000, Some((timeout(), 2000)))),
            5000,
            "since the round before the one that failed"
        );
        let replies = ExchangeEnd::Replies(Vec::new());
        assert_eq!(carried.silent_ms(&PRIMARY, &at(5000, Some((replies, 2000)))), 0);

        carried.note_silence(Some(&PRIMARY), true, &at(5000, None));
        assert_eq!(carried.silent_ms(&PRIMARY, &at(6000, None)), 1000);
        assert_eq!(
            carried.silent_ms(&PRIMARY, &at(6000, Some((ExchangeEnd::Refused, 5500)))),
            1000,
            "the earlier one"
        );
        assert_eq!(carried.silent_ms(&PRIMARY, &at(4000, None)), 0, "a clock that was set back");
        let reborn = Incarnation { run: RunId([2; 20]), ..PRIMARY };
        assert_eq!(carried.silent_ms(&reborn, &at(6000, None)), 0, "another process");

        carried.note_silence(Some(&PRIMARY), true, &at(6000, None));
        assert_eq!(carried.silent_ms(&PRIMARY, &at(7000, None)), 2000, "it goes on");
        carried.note_silence(Some(&PRIMARY), false, &at(7000, None));
        assert_eq!(carried.silent_ms(&PRIMARY, &at(8000, None)), 0, "it spoke");
    }

    #[test]
    fn a_pod_goes_since_it_was_first_seen_to() {
        let mut carried = Carried::default();
        assert_eq!(carried.going_ms("a", 5000), 0);
        carried.note_going(Some("a"), 5000);
        carried.note_going(Some("a"), 5400);
        assert_eq!(carried.going_ms("a", 6000), 1000);
        assert_eq!(carried.going_ms("b", 6000), 0, "another pod");
        assert_eq!(carried.going_ms("a", 4000), 0, "a clock that was set back");
        carried.note_going(None, 6000);
        assert_eq!(carried.going_ms("a", 7000), 0, "it does not go any more");
    }

    #[test]
    fn what_is_waited_for_longer_is_looked_at_less_often() {
        let mut carried = Carried::default();
        let waited = [500, 1000, 10_500].map(|now| carried.wait(Some("a"), now));
        assert_eq!(waited, [0, 500, 10_000]);
        assert_eq!(carried.wait(Some("b"), 10_600), 0, "something else");
        assert_eq!(carried.wait(Some("b"), 70_600), 60_000);
        assert_eq!(carried.wait(None, 70_600), 0);
        assert_eq!(carried.wait(Some("b"), 70_600), 0, "there was nothing to wait for");
        let paces = [0, 1000, 30_000, 60_000, 1_000_000].map(|waited_ms| pace(200, waited_ms));
        assert_eq!(paces, [200, 200, 500, 1000, 5000]);
        assert_eq!((pace(0, 0), pace(7000, 1_000_000)), (0, 7000), "never sooner than was asked for");
    }

    #[test]
    fn what_is_carried_is_read_again_and_anything_else_is_nothing() {
        let mut carried = Carried::default();
        carried.note_silence(Some(&PRIMARY), true, &at(5000, None));
        carried.wait(Some("a"), 5000);
        let change = Change { phase: "Fence".to_owned(), cause: "Lost".to_owned(), started: 3 };
        carried.told = Some(Told { epoch: 3, change: Some(change) });
        let carry = carried.write();
        assert_eq!(Carried::read(&Observation { carry, ..at(0, None) }), carried);
        for other in ["", "{", "[]", r#"{"told": 7}"#, r#"{"of": "another version"}"#] {
            let carry = other.as_bytes().to_vec();
            assert_eq!(Carried::read(&Observation { carry, ..at(0, None) }), Carried::default(), "{other}");
        }
    }
}
