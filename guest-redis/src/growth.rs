//! Whether volumes may grow. The API server refuses a claim that asks for more where its
//! StorageClass does not allow that, and a refused write stops whatever comes after it.

use operlet_sdk::{Observation, Question, kinds};
use serde::Deserialize;

use crate::{
    build::Instance,
    observed::{Claim, Observed},
    quantity,
};

/// The StorageClass: a `get` question has this id.
const CLASS: &str = "class";

/// What claims that ask for less than the spec may do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth<'a> {
    /// Nobody asked.
    #[default]
    Unknown,
    /// They may ask for more.
    Allowed,
    /// They stay as they are. With their StorageClass, which is empty if they have none.
    Refused(&'a str),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StorageClass {
    allow_volume_expansion: bool,
}

impl<'a> Growth<'a> {
    /// As the StorageClass says.
    pub(crate) fn read(
        instance: &Instance<'_>,
        observed: &'a Observed<'_>,
        observation: &Observation,
    ) -> Self {
        let Some(name) = class(instance, observed) else { return Self::Unknown };
        match observation.object_answer::<StorageClass>(CLASS) {
            // None was asked for by a name that is none.
            Ok(None) if !name.is_empty() => Self::Unknown,
            Ok(Some(Some(StorageClass { allow_volume_expansion: true }))) => Self::Allowed,
            // What cannot be read allows nothing.
            _ => Self::Refused(name),
        }
    }
}

/// The question for the StorageClass of claims that should grow.
pub(crate) fn question(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    observation: &Observation,
) -> Option<Question> {
    let name = class(instance, observed).filter(|name| !name.is_empty())?;
    let unanswered = observation.answers.iter().all(|answer| answer.id != CLASS);
    unanswered.then(|| Question::get(CLASS, &kinds::STORAGE_CLASS, name))
}

/// Whether a claim asks for less than the spec. One that cannot be read does not.
pub(crate) fn is_smaller(claim: &Claim<'_>, instance: &Instance<'_>) -> bool {
    let wanted = instance.spec.storage.as_ref().and_then(|storage| quantity::bytes(&storage.size));
    claim.metadata.deletion_timestamp.is_none()
        && quantity::bytes(claim.size()).is_some_and(|size| Some(size) < wanted)
}

/// The StorageClass of the first claim that should grow.
fn class<'a>(instance: &Instance<'_>, observed: &'a Observed<'_>) -> Option<&'a str> {
    observed.claims.values().find(|claim| is_smaller(claim, instance)).map(Claim::class)
}
