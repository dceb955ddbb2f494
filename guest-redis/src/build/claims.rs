use operlet_sdk::{Failure, Outcome};

use super::Instance;
use crate::{
    kubernetes::{Claim, ClaimRequests, ClaimResources, ClaimSpec, Map, Metadata},
    observed::Observed,
    quantity,
};

/// Asks for more storage where a claim asks for less than the spec. The claim
/// template cannot change, so this goes for claims of new pods as well.
pub(super) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let Some(storage) = &instance.spec.storage else { return Ok(()) };
    let wanted = quantity::bytes(&storage.size);
    for (_, claim) in &observed.claims {
        // A claim that cannot be read or is larger is left alone.
        let smaller = quantity::bytes(claim.size()).is_some_and(|size| Some(size) < wanted);
        if !smaller || claim.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let name = claim.metadata.name.as_str();
        outcome.amend(
            claim.metadata.uid.as_str(),
            &Claim {
                api_version: "v1",
                kind: "PersistentVolumeClaim",
                metadata: Metadata { name, labels: Map::new(), annotations: Map::new() },
                spec: ClaimSpec {
                    access_modes: None,
                    storage_class_name: None,
                    resources: ClaimResources { requests: ClaimRequests { storage: &storage.size } },
                },
            },
        )?;
    }
    Ok(())
}
