//! Whether volumes may grow. The API server refuses a claim that asks for more where its
//! StorageClass does not allow that, and after a refused write nothing is deleted: no pod
//! would be replaced any more.

use std::collections::BTreeMap;

use operlet_sdk::{Observation, Question, kinds};
use serde::Deserialize;

use crate::{
    build::Instance,
    observed::{Claim, Observed},
    quantity,
};

/// Questions for StorageClasses have ids that begin so, and end with the name.
const CLASS: &str = "class/";

/// Which StorageClasses of claims that should grow allow it, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Growth<'a>(BTreeMap<&'a str, bool>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StorageClass {
    allow_volume_expansion: bool,
}

impl<'a> Growth<'a> {
    /// As the StorageClasses say.
    pub(crate) fn read(
        instance: &Instance<'_>,
        observed: &'a Observed<'_>,
        observation: &Observation,
    ) -> Self {
        let known = |class: &'a str| {
            let answer = observation.object_answer::<StorageClass>(&id(class));
            let allows = match answer {
                _ if class.is_empty() => false,
                Ok(Some(class)) => class.is_some_and(|class| class.allow_volume_expansion),
                // Not asked, or not answered.
                Ok(None) | Err(_) => return None,
            };
            Some((class, allows))
        };
        Self(classes(instance, observed).filter_map(known).collect())
    }

    /// Whether a claim that is smaller than the spec says may ask for more.
    pub(crate) fn allows(&self, claim: &Claim<'_>) -> bool {
        self.0.get(claim.class()) == Some(&true)
    }

    /// A StorageClass that does not let its claims grow; empty for those that have none.
    pub(crate) fn refused(&self) -> Option<&'a str> {
        self.0.iter().find(|(_, allows)| !**allows).map(|(class, _)| *class)
    }
}

/// The questions for the StorageClasses of claims that should grow.
pub(crate) fn questions(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    observation: &Observation,
) -> Vec<Question> {
    let unanswered = |class: &&str| {
        let id = id(class);
        !class.is_empty() && observation.answers.iter().all(|answer| answer.id != id)
    };
    let mut classes: Vec<&str> = classes(instance, observed).filter(unanswered).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().map(|class| Question::get(id(class), &kinds::STORAGE_CLASS, class)).collect()
}

/// Whether a claim has a volume and asks for less than the spec. One that cannot be read
/// does not.
pub(crate) fn is_smaller(claim: &Claim<'_>, instance: &Instance<'_>) -> bool {
    let wanted = instance.spec.storage.as_ref().and_then(|storage| quantity::bytes(&storage.size));
    claim.metadata.deletion_timestamp.is_none()
        && claim.is_bound()
        && quantity::bytes(claim.size()).is_some_and(|size| Some(size) < wanted)
}

/// The StorageClasses of claims that should grow.
fn classes<'a>(instance: &Instance<'_>, observed: &'a Observed<'_>) -> impl Iterator<Item = &'a str> {
    observed.claims.values().filter(|claim| is_smaller(claim, instance)).map(Claim::class)
}

fn id(class: &str) -> String {
    format!("{CLASS}{class}")
}
