use operlet_sdk::{Failure, Outcome, kinds};

use crate::{
    kubernetes::{Map, Metadata, PodLabels},
    names::{EPOCH_ANNOTATION, ROLE_LABEL},
    observed::Observed,
    protocol::step::Settlement,
    recorded::uuid,
};

/// Marks each pod with its role, and without volumes the primary with its epoch.
/// Deletes the one that is to be replaced.
///
/// Roles follow the read-write Service: kube-proxy lets a second pass between two changes
/// (`minSyncPeriod`), and the one that clients wait for must not be the later one.
pub(super) fn intend(
    observed: &Observed<'_>,
    settlement: &Settlement,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let selected = observed.service.as_ref().and_then(|service| service.selects());
    let is_open = observed.pods.values().any(|pod| selected == Some(&*pod.metadata.name));
    for (ordinal, pod) in &observed.pods {
        let uid = pod.metadata.uid.as_str();
        if settlement.delete.is_some_and(|delete| delete.pod == *ordinal && uuid(&delete.uid) == uid) {
            outcome.remove(&kinds::POD, pod.metadata.name.as_str(), uid);
            continue;
        }
        let role = match pod.role().filter(|_| !is_open) {
            Some(role) => role,
            None if selected == Some(&*pod.metadata.name) => "primary",
            None => "replica",
        };
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
