use operlet_sdk::{Failure, Outcome, kinds};

use crate::{
    kubernetes::{Map, Metadata, PodLabels},
    names::{EPOCH_ANNOTATION, ROLE_LABEL},
    observed::Observed,
    protocol::{record::Record, step::Settlement},
    recorded::uuid,
};

/// Marks each pod with its role, and without volumes the primary with its epoch.
/// Deletes the one that is to be replaced.
pub(super) fn intend(
    observed: &Observed<'_>,
    settlement: &Settlement,
    record: &Record,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let primary = record.primary.as_ref().map(|primary| (primary.who.pod, uuid(&primary.who.uid)));
    for (ordinal, pod) in &observed.pods {
        let uid = pod.metadata.uid.as_str();
        if settlement.delete.is_some_and(|delete| delete.pod == *ordinal && uuid(&delete.uid) == uid) {
            outcome.remove(&kinds::POD, pod.metadata.name.as_str(), uid);
            continue;
        }
        let is_primary = primary.as_ref().is_some_and(|(pod, of)| pod == ordinal && of == uid);
        let role = if is_primary { "primary" } else { "replica" };
        let epoch = super::epoch(*ordinal, pod.metadata.epoch(), settlement);
        let mut annotations = Map::new();
        let claim = observed.claims.get(ordinal).filter(|claim| claim.metadata.deletion_timestamp.is_none());
        if let (None, Some(epoch)) = (claim, &epoch) {
            annotations.insert(EPOCH_ANNOTATION, epoch);
        }
        let labels = Map::from([(ROLE_LABEL, role)]);
        outcome.amend(
            uid,
            &PodLabels {
                api_version: "v1",
                kind: "Pod",
                metadata: Metadata { name: &pod.metadata.name, labels, annotations },
            },
        )?;
    }
    Ok(())
}
