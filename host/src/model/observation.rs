//! What a component is shown.

use std::sync::Arc;

use super::{Answer, GroupVersionKind, ProbeReport};

/// Objects of one kind, ordered by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsOfKind {
    /// The kind.
    pub kind: GroupVersionKind,
    /// The objects, each as compact JSON without `managedFields`.
    pub objects: Vec<Arc<str>>,
}

/// All that a component is shown in one call. Cloning is cheap but for `carry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The resource, as compact JSON without `managedFields`.
    pub resource: Arc<str>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The objects that carry its owner label, by kind, in the manifest's order.
    pub observed: Vec<ObjectsOfKind>,
    /// The last state of such objects that went since the last settled decision.
    pub departed: Vec<ObjectsOfKind>,
    /// The answers to everything asked in earlier rounds.
    pub answers: Vec<Answer>,
    /// The round of the reconcile, from 0.
    pub round: u32,
    /// When the reconcile began, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The reconcile's random bytes.
    pub entropy: [u8; 32],
    /// What the last settled decision handed over.
    pub carry: Vec<u8>,
    /// The latest reports of the running probes.
    pub probes: Vec<ProbeReport>,
    /// The Operlet's settings: a JSON object.
    pub settings: Arc<str>,
}

impl Observation {
    /// How much there is to read, in bytes: what the limit of the input is about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let objects = self.observed.iter().chain(&self.departed).flat_map(|kind| &kind.objects);
        let answers = self.answers.iter().map(|answer| answer.id.len() + answer.response.bytes());
        let probes = self.probes.iter().map(|report| report.id.len() + report.end.bytes());
        self.resource.len()
            + self.settings.len()
            + self.carry.len()
            + objects.map(|object| object.len()).sum::<usize>()
            + answers.sum::<usize>()
            + probes.sum::<usize>()
    }
}
