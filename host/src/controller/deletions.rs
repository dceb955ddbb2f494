//! How many objects an operlet deleted within the last hour. It is on record in
//! the Operlet's status before anything is deleted, so a restart forgets nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::operlets::{DeletionStatus, Operlet};

/// The name under which the host writes this part of an Operlet's status: what it
/// writes elsewhere leaves it as it is.
const FIELD_MANAGER: &str = "operlet-deletions";

const MINUTE_SECONDS: i64 = 60;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The deletions of one operlet.
pub(super) struct Deletions {
    client: Client,
    operlet: String,
    uid: Option<String>,
    recent: Mutex<Recent>,
    /// Held while the record is written, so that an older one never follows.
    writing: tokio::sync::Mutex<()>,
}

/// Deletions by the minute in which they were made, in seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recent(BTreeMap<i64, u32>);

impl Deletions {
    /// With what the Operlet's status says.
    pub(super) fn new(client: Client, operlet: &Operlet) -> Self {
        let recorded = operlet.status.as_ref().map(|status| status.deletions.as_slice()).unwrap_or_default();
        Self {
            client,
            operlet: operlet.metadata.name.clone().unwrap_or_default(),
            uid: operlet.metadata.uid.clone(),
            recent: Mutex::new(Recent::read(recorded)),
            writing: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were made within the last hour.
    pub(super) fn within_an_hour(&self) -> usize {
        let mut recent = self.lock();
        recent.forget_before(Timestamp::now() - HOUR);
        recent.sum()
    }

    /// Puts so many on record, before they are made. False if there is no room for
    /// them any more: others were faster.
    pub(super) async fn record(&self, count: usize, per_hour: usize) -> Result<bool, kube::Error> {
        let _alone = self.writing.lock().await;
        let now = Timestamp::now();
        let new = {
            let mut recent = self.lock();
            recent.forget_before(now - HOUR);
            if recent.sum().saturating_add(count) > per_hour {
                return Ok(false);
            }
            let mut new = recent.clone();
            new.add(now, count);
            new
        };
        self.write(&new).await?;
        *self.lock() = new;
        Ok(true)
    }

    async fn write(&self, recent: &Recent) -> Result<(), kube::Error> {
        let body = json!({
            "apiVersion": "operlet.dev/v1alpha1",
            "kind": "Operlet",
            "metadata": { "name": self.operlet, "uid": self.uid },
            "status": { "deletions": recent.status() },
        });
        let api: Api<Operlet> = Api::all(self.client.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch_status(&self.operlet, &params, &Patch::Apply(&body)).await.map(drop)
    }
}

impl Recent {
    fn read(recorded: &[DeletionStatus]) -> Self {
        let entry = |entry: &DeletionStatus| {
            let minute = entry.minute.parse::<Timestamp>().ok()?;
            Some((minute.as_second(), entry.count))
        };
        Self(recorded.iter().filter_map(entry).collect())
    }

    fn status(&self) -> Vec<DeletionStatus> {
        let entry = |(second, count): (&i64, &u32)| {
            let minute = Timestamp::from_second(*second).ok()?.to_string();
            Some(DeletionStatus { minute, count: *count })
        };
        self.0.iter().filter_map(entry).collect()
    }

    fn forget_before(&mut self, oldest: Timestamp) {
        self.0.retain(|minute, _| minute.saturating_add(MINUTE_SECONDS) > oldest.as_second());
    }

    fn sum(&self) -> usize {
        self.0.values().map(|count| usize::try_from(*count).unwrap_or(usize::MAX)).sum()
    }

    fn add(&mut self, now: Timestamp, count: usize) {
        let second = now.as_second();
        let minute = second - second.rem_euclid(MINUTE_SECONDS);
        let entry = self.0.entry(minute).or_default();
        *entry = entry.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_count_for_an_hour_and_are_read_back_as_they_were_written() {
        let start: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let mut recent = Recent::default();
        recent.add(start, 3);
        recent.add(start + SignedDuration::from_secs(20), 1);
        recent.add(start + SignedDuration::from_mins(30), 2);
        assert_eq!((recent.0.len(), recent.sum()), (2, 6));
        assert_eq!(Recent::read(&recent.status()), recent);
        recent.forget_before(start + SignedDuration::from_mins(59) - HOUR);
        assert_eq!(recent.sum(), 6);
        recent.forget_before(start + SignedDuration::from_mins(61) - HOUR);
        assert_eq!(recent.sum(), 2);
    }
}
