use operlet_sdk::{Failure, Outcome};

use super::Instance;
use crate::{
    kubernetes::{Map, Metadata, PodLabels},
    names::ROLE_LABEL,
    observed::Observed,
};

/// Marks each pod with its role. Interim: the ordinal decides, 0 is the primary.
pub(super) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    for (_, pod) in &observed.pods {
        let name = pod.metadata.name.as_str();
        let role = if name == instance.names.primary_pod { "primary" } else { "replica" };
        let labels = Map::from([(ROLE_LABEL, role)]);
        outcome.amend(
            pod.metadata.uid.as_str(),
            &PodLabels {
                api_version: "v1",
                kind: "Pod",
                metadata: Metadata { name, labels, annotations: Map::new() },
            },
        )?;
    }
    Ok(())
}
