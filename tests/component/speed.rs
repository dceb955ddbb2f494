//! What a call costs: printed for the reader, bounded loosely for the build.

use std::time::{Duration, Instant};

use crate::{
    behaviour::settled,
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
