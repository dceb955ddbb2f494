//! What a call costs: printed for the reader, bounded loosely for the build.

use std::time::{Duration, Instant};

use operlet::model::{Decision, GroupVersionKind, Intent, ObjectsOfKind, Observation};
use serde_json::{Value, json};

use crate::{
    behaviour::{decide, observation, settled},
    guests::guest,
    load::{engine, load},
};

#[tokio::test]
async fn a_call_into_a_fresh_instance_takes_well_under_a_millisecond() {
    let component = load("misbehaving");
    let mut times = Vec::new();
    for _ in 0..500 {
        let begin = Instant::now();
        settled(&component, "").await;
        times.push(begin.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2];
    println!("a call into a fresh instance: median {median:?}, 99 % {:?}", times[times.len() * 99 / 100]);
    assert!(median < Duration::from_millis(5), "{median:?}");
}

#[test]
fn a_small_component_is_compiled_in_well_under_a_second() {
    let (engine, bytes) = (engine(), guest("misbehaving"));
    let begin = Instant::now();
    engine.load(&bytes).unwrap();
    let elapsed = begin.elapsed();
    println!("compiling {} bytes: {elapsed:?}", bytes.len());
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}

/// Six objects in and six out.
#[tokio::test]
async fn the_component_of_the_benchmarks_is_lean() {
    let component = load("converge");
    let resource = json!({
        "apiVersion": "bench.operlet.dev/v1", "kind": "Bundle", "metadata": { "name": "a", "namespace": "n" },
        "spec": { "image": "example.dev/server:1", "port": 6379, "replicas": 0 },
    });
    let mut shown =
        Observation { resource: resource.to_string().into(), observed: Vec::new(), ..observation("") };
    let Decision::Settle(first) = decide(&component, &shown).await else { panic!("it does not settle") };
    let objects = first.intents.iter().map(|intent| match intent {
        Intent::Ensure(ensure) => serde_json::from_str::<Value>(&ensure.object).unwrap(),
        other => panic!("{other:?}"),
    });
    let objects: Vec<Value> = objects.collect();
    let kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Service", "Service", "Service", "PodDisruptionBudget", "StatefulSet"]);
    assert_eq!(first.status.as_deref(), Some(r#"{"phase":"Ready"}"#));
    assert_eq!(first.requeue_after_ms, None);

    for object in &objects {
        let kind = GroupVersionKind::from_type(
            object["apiVersion"].as_str().unwrap(),
            object["kind"].as_str().unwrap(),
        );
        shown.observed.push(ObjectsOfKind { kind, objects: vec![object.to_string().into()] });
    }
    let mut times = Vec::new();
    for _ in 0..500 {
        let begin = Instant::now();
        assert_eq!(decide(&component, &shown).await, Decision::Settle(first.clone()));
        times.push(begin.elapsed());
    }
    times.sort();
    println!("a call of the benchmarks' component: median {:?}", times[times.len() / 2]);
}
