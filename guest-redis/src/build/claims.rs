use operlet_sdk::{Failure, Outcome};

use super::Instance;
use crate::{
    growth::{self, Growth},
    kubernetes::{Claim, ClaimRequests, ClaimResources, ClaimSpec, Map, Metadata},
    names::EPOCH_ANNOTATION,
    observed::Observed,
    protocol::step::Settlement,
};

/// Asks for more storage where a claim asks for less than the spec and may grow, and marks
/// that of the primary with its epoch. The claim template cannot change, so this goes for claims
/// of new pods as well. A field once written is written each time: left out, it would be
/// taken away.
pub(super) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    settlement: &Settlement,
    growth: &Growth<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let wanted = instance.spec.storage.as_ref().map(|storage| storage.size.as_str());
    for (ordinal, claim) in &observed.claims {
        if claim.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let grows = growth::is_smaller(claim, instance) && growth.allows(claim);
        // The mark must not wait for a growth that is refused.
        let is_marked = settlement.mark.is_some_and(|(pod, _)| pod == *ordinal);
        let size = wanted.filter(|_| grows && !is_marked).unwrap_or_else(|| claim.size());
        let epoch = super::epoch(*ordinal, claim.metadata.epoch(), settlement);
        let annotations = epoch.as_deref().map(|epoch| (EPOCH_ANNOTATION, epoch)).into_iter().collect();
        outcome.amend(
            claim.metadata.uid.as_str(),
            &Claim {
                api_version: "v1",
                kind: "PersistentVolumeClaim",
                metadata: Metadata { name: &claim.metadata.name, labels: Map::new(), annotations },
                spec: ClaimSpec {
                    access_modes: None,
                    storage_class_name: None,
                    resources: ClaimResources { requests: ClaimRequests { storage: size } },
                },
            },
        )?;
    }
    Ok(())
}
