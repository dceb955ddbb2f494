//! Observations to test with, and decisions in a form that is easy to assert on.
//!
//! ```
//! use operlet_sdk::{kinds, testing};
//! use serde_json::json;
//!
//! let observation = testing::observation(&json!({"metadata": {"name": "web"}, "spec": {}}))
//!     .with_observed(&kinds::POD, [json!({"metadata": {"name": "web-0"}})]);
//! assert_eq!(observation.count(&kinds::POD), 1);
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Decision, Intent, Kind, Manifest, ObjectsOfKind, Observation, Outcome};

/// An observation of a resource and nothing else, at time 0, with entropy 0, 1, 2,
/// ... 31.
pub fn observation(resource: &impl Serialize) -> Observation {
    Observation {
        resource: text(resource),
        deleting: false,
        observed: Vec::new(),
        departed: Vec::new(),
        answers: Vec::new(),
        round: 0,
        now_ms: 0,
        entropy: (0..32).collect(),
        carry: Vec::new(),
        probes: Vec::new(),
        settings: "{}".to_owned(),
        extensions: Vec::new(),
    }
}

impl Observation {
    /// With an empty list for every kind that the manifest lets it observe, as the
    /// host gives one.
    #[must_use]
    pub fn with_kinds_of(mut self, manifest: &Manifest) -> Self {
        let kinds = manifest.children.iter().map(|child| &child.resource).chain(&manifest.observed_only);
        for kind in kinds {
            if !self.observed.iter().any(|entry| entry.kind == kind.kind) {
                self.observed.push(ObjectsOfKind { kind: kind.kind.clone(), objects: Vec::new() });
            }
        }
        self
    }

    /// With these objects of a kind observed.
    #[must_use]
    pub fn with_observed<T: Serialize>(mut self, kind: &Kind, objects: impl IntoIterator<Item = T>) -> Self {
        let objects: Vec<String> = objects.into_iter().map(|object| text(&object)).collect();
        match self.observed.iter_mut().find(|entry| kind.is(&entry.kind)) {
            Some(entry) => entry.objects = objects,
            None => self.observed.push(ObjectsOfKind { kind: kind.into(), objects }),
        }
        self
    }

    /// With these settings of the Operlet.
    #[must_use]
    pub fn with_settings(mut self, settings: &impl Serialize) -> Self {
        self.settings = text(settings);
        self
    }
}

/// The outcome of a decision that settles; none of another.
pub fn outcome(decision: &Decision) -> Option<&Outcome> {
    match decision {
        Decision::Settle(outcome) => Some(outcome),
        Decision::Ask(_) | Decision::Checkpoint(_) => None,
    }
}

/// The objects that an outcome ensures, creates or amends, as `Kind/name`, each
/// with its JSON text.
pub fn objects(outcome: &Outcome) -> BTreeMap<String, &str> {
    let texts = outcome.intents.iter().filter_map(|intent| match intent {
        Intent::Ensure(ensure) => Some(ensure.object.as_str()),
        Intent::Create(create) => Some(create.object.as_str()),
        Intent::Amend(amend) => Some(amend.object.as_str()),
        Intent::Remove(_) | Intent::Keep(_) => None,
    });
    texts.map(|text| (kind_and_name(text), text)).collect()
}

fn kind_and_name(text: &str) -> String {
    #[derive(Deserialize)]
    struct Kinded {
        kind: String,
    }
    let kind = serde_json::from_str::<Kinded>(text).map_or_else(|_| "?".to_owned(), |object| object.kind);
    format!("{kind}/{}", crate::parse::name_of(text))
}

/// A value that is no JSON shows as a string no component can read.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
