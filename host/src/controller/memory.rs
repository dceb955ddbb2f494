//! What is remembered of a resource between reconciles.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{breaker::Breaker, dependencies::Reads};
use crate::{
    model::{Digest, ObjectKey},
    plan::{Applied, Fingerprint},
};

/// What is remembered of a resource. It is only ever a hint: after a restart
/// everything is written once more, which changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The last writes.
    pub(super) applied: BTreeMap<ObjectKey, Applied>,
    /// The versions at which this host itself left objects, and the resource.
    pub(super) own_versions: BTreeMap<ObjectKey, String>,
    /// What a component handed over, which one, and for which uid.
    pub(super) carry: Option<Carry>,
    /// The last settled decision.
    pub(super) settled: Option<Settled>,
    /// The last failure, if nothing was settled since.
    pub(super) failed: Option<Failed>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Writes in a row that met a newer state.
    pub(super) conflicts: u32,
    /// Whether the last reconcile changed the resource's status.
    pub(super) told: bool,
    /// Slows a resource down that changes its own objects for ever.
    pub(super) breaker: Breaker,
}

/// What a component handed to the next reconcile: nobody else is given it.
#[derive(Clone, Debug)]
pub(super) struct Carry {
    pub(super) digest: Digest,
    pub(super) uid: String,
    pub(super) bytes: Vec<u8>,
}

/// A decision that was carried out.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    /// What it was made from.
    pub(super) input: Fingerprint,
    /// The same, without what this host wrote itself.
    pub(super) foreign: Fingerprint,
    /// What was read for it.
    pub(super) reads: Reads,
    /// When the component wants to be called again though nothing changes.
    pub(super) due: Option<Instant>,
}

/// A decision that there is none of, or that was not carried out: the write of a
/// status that tells of it is no reason to try at once.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// What it came of, without the resource's own status.
    pub(super) cause: Fingerprint,
    /// What was read for it.
    pub(super) reads: Reads,
    /// When it is tried again though nothing changes.
    pub(super) again: Instant,
}

/// The first pause after a failure, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// The first pause after a write met a newer state: just long enough for the
/// watch to bring it.
const CONFLICT_FIRST: Duration = Duration::from_millis(20);
const CONFLICT_LONGEST: Duration = Duration::from_secs(5);

/// The pause before a try after so many failures in a row.
pub(super) fn retry_pause(failures: u32, chance: u8) -> Duration {
    pause(RETRY_FIRST, RETRY_LONGEST, failures, chance)
}

/// The pause before a try after so many conflicts in a row.
pub(super) fn conflict_pause(conflicts: u32, chance: u8) -> Duration {
    pause(CONFLICT_FIRST, CONFLICT_LONGEST, conflicts, chance)
}

/// Doubles each time; up to a quarter more by chance, so that resources which
/// failed together do not come back together.
pub(super) fn pause(first: Duration, longest: Duration, times: u32, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1 << times.saturating_sub(1).min(16));
    let base = doubled.min(longest);
    base + base / 4 * u32::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_within_a_quarter_of_it() {
        assert_eq!(retry_pause(1, 0), RETRY_FIRST);
        assert_eq!(retry_pause(2, 0), RETRY_FIRST * 2);
        assert_eq!(retry_pause(1000, 0), RETRY_LONGEST);
        assert_eq!(retry_pause(1000, 255), RETRY_LONGEST + RETRY_LONGEST / 4);
    }
}
