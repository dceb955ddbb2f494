//! A Redis of three pods with storage, and all that belongs to it, as a real
//! cluster gave it.

use std::sync::Arc;

use operlet::{
    controller::store::{Given, Stored},
    model::GroupVersionKind,
};
use serde::Deserialize;

const TEXT: &str = include_str!("../fixtures/redis-3.json");

/// What one resource consists of.
pub(crate) struct Fixture {
    pub(crate) resource: Stored,
    /// By kind, in the order of the component's manifest.
    pub(crate) observed: Vec<(Arc<GroupVersionKind>, Vec<Stored>)>,
}

#[derive(Deserialize)]
struct File {
    resource: Given,
    observed: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    api_version: String,
    kind: String,
    objects: Vec<Given>,
}

impl Fixture {
    pub(crate) fn read() -> Self {
        let File { resource, observed } = serde_json::from_str(TEXT).unwrap();
        let kind = Arc::new(GroupVersionKind::from_type("redis.operlet.dev/v1", "Redis"));
        let resource = Stored::new(&kind, resource);
        let observed = observed.into_iter().map(|Kind { api_version, kind, objects }| {
            let kind = Arc::new(GroupVersionKind::from_type(&api_version, &kind));
            let objects = objects.into_iter().map(|given| Stored::new(&kind, given)).collect();
            (kind, objects)
        });
        Self { resource, observed: observed.collect() }
    }

    /// The resource and everything that belongs to it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Stored> {
        std::iter::once(&self.resource).chain(self.observed.iter().flat_map(|(_, objects)| objects))
    }

    /// The size of all of it.
    pub(crate) fn json_bytes(&self) -> usize {
        self.objects().map(|stored| stored.json.len()).sum()
    }
}
