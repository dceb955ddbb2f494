//! What the benchmarks show the component is a Redis at rest.

use operlet_redis::RedisOperlet;
use operlet_sdk::{
    Answer, Decision, ExchangeEnd, GroupVersionKind, Intent, ObjectsOfKind, Observation, Operator as _,
    ProbeReport, Response, testing,
};
use serde::Deserialize;
use serde_json::Value;

const TEXT: &str = include_str!("../../../tests/bench/fixtures/redis-3.json");

#[derive(Deserialize)]
struct Fixture {
    resource: Value,
    observed: Vec<Kind>,
    answers: Vec<Said>,
    probes: Vec<Said>,
    carry: String,
    round: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    api_version: String,
    kind: String,
    objects: Vec<Value>,
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

fn observation() -> Observation {
    let fixture: Fixture = serde_json::from_str(TEXT).unwrap();
    let end = |said: &Said| {
        ExchangeEnd::Replies(said.replies.iter().map(|reply| reply.clone().into_bytes()).collect())
    };
    let observed = fixture.observed.into_iter().map(|Kind { api_version, kind, objects }| {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let kind = GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind };
        ObjectsOfKind { kind, objects: objects.iter().map(Value::to_string).collect() }
    });
    let answers = fixture.answers.iter().map(|said| Answer {
        id: said.id.clone(),
        response: Response::Exchange(end(said)),
        extensions: Vec::new(),
    });
    let probes = fixture.probes.iter().map(|said| ProbeReport {
        id: said.id.clone(),
        end: end(said),
        since_ms: said.since_ms,
        extensions: Vec::new(),
    });
    Observation {
        observed: observed.collect(),
        answers: answers.collect(),
        probes: probes.collect(),
        carry: fixture.carry.into_bytes(),
        round: fixture.round,
        ..testing::observation(&fixture.resource)
    }
}

#[test]
fn the_redis_of_the_benchmarks_is_at_rest() {
    let observation = observation();
    let Ok(Decision::Settle(outcome)) = RedisOperlet::reconcile(&observation) else {
        panic!("its answers are not all there, or something is under way");
    };
    assert_eq!(
        (outcome.requeue_after_ms, outcome.events.len(), outcome.probes.len()),
        (Some(crate::cluster::REST_MS), 0, 3)
    );
    let changes = |intent: &&Intent| matches!(intent, Intent::Create(_) | Intent::Remove(_));
    assert_eq!(outcome.intents.iter().find(changes), None);
    let applied = outcome.intents.iter().filter_map(|intent| match intent {
        Intent::Ensure(ensure) => serde_json::from_str(&ensure.object).ok(),
        _ => None,
    });
    let set = applied.into_iter().find(|object: &Value| object["kind"] == "StatefulSet").unwrap();
    let wanted = &set["spec"]["template"]["metadata"]["annotations"]["redis.operlet.dev/config-hash"];
    let wanted = wanted.as_str().unwrap();
    assert!(
        TEXT.contains(wanted),
        "what the servers start with has changed: put the hash {wanted} into the fixture"
    );
    let before: Value = serde_json::from_str(&observation.resource).unwrap();
    let status: Value = serde_json::from_str(outcome.status.as_deref().unwrap()).unwrap();
    for field in ["phase", "primary", "followers", "members", "effective", "epoch", "ready"] {
        assert_eq!(status[field], before["status"][field], "{field}");
    }
}
