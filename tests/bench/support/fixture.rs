//! A Redis of three pods with storage, and all that belongs to it, at rest: its objects
//! as a real cluster gave them, brought up to what the component writes now, and what
//! its servers answer. A test of the component says when it is out of date.

use std::sync::Arc;

use operlet::{
    controller::store::{Given, Stored},
    model::{Answer, ExchangeEnd, GroupVersionKind, ProbeReport, Response},
};
use serde::Deserialize;

const TEXT: &str = include_str!("../fixtures/redis-3.json");

/// What one resource consists of.
pub(crate) struct Fixture {
    pub(crate) resource: Stored,
    /// By kind, in the order of the component's manifest.
    pub(crate) observed: Vec<(Arc<GroupVersionKind>, Vec<Stored>)>,
    answers: Vec<Said>,
    probes: Vec<Said>,
    carry: String,
    /// The round in which every question is answered.
    #[allow(dead_code, reason = "the store has no use for it")]
    pub(crate) round: u32,
}

#[derive(Deserialize)]
struct File {
    resource: Given,
    observed: Vec<Kind>,
    answers: Vec<Said>,
    probes: Vec<Said>,
    carry: String,
    round: u32,
}

/// What a question or a probe brought.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    id: String,
    replies: Vec<String>,
    #[serde(default)]
    since_ms: u64,
}

impl Said {
    fn end(&self) -> ExchangeEnd {
        ExchangeEnd::Replies(self.replies.iter().map(|reply| reply.clone().into_bytes()).collect())
    }
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
        let File { resource, observed, answers, probes, carry, round } = serde_json::from_str(TEXT).unwrap();
        let kind = Arc::new(GroupVersionKind::from_type("redis.operlet.dev/v1", "Redis"));
        let resource = Stored::new(&kind, resource);
        let observed = observed.into_iter().map(|Kind { api_version, kind, objects }| {
            let kind = Arc::new(GroupVersionKind::from_type(&api_version, &kind));
            let objects = objects.into_iter().map(|given| Stored::new(&kind, given)).collect();
            (kind, objects)
        });
        Self { resource, observed: observed.collect(), answers, probes, carry, round }
    }

    /// The resource and everything that belongs to it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Stored> {
        std::iter::once(&self.resource).chain(self.observed.iter().flat_map(|(_, objects)| objects))
    }

    /// What the servers answered to the component's look.
    #[allow(dead_code, reason = "the store has no use for it")]
    pub(crate) fn answers(&self) -> Vec<Answer> {
        let answer = |said: &Said| Answer { id: said.id.clone(), response: Response::Exchange(said.end()) };
        self.answers.iter().map(answer).collect()
    }

    /// The latest of the probes.
    #[allow(dead_code, reason = "the store has no use for it")]
    pub(crate) fn probes(&self) -> Vec<ProbeReport> {
        let report =
            |said: &Said| ProbeReport { id: said.id.clone(), end: said.end(), since_ms: said.since_ms };
        self.probes.iter().map(report).collect()
    }

    /// What the last decision handed over.
    #[allow(dead_code, reason = "the store has no use for it")]
    pub(crate) fn carry(&self) -> Vec<u8> {
        self.carry.clone().into_bytes()
    }

    /// The size of all of it.
    pub(crate) fn json_bytes(&self) -> usize {
        self.objects().map(|stored| stored.json.len()).sum()
    }
}
