//! The same observation gives the same decision, byte for byte, in every
//! instance. A component imports nothing that gives it a clock, chance or a place
//! to look at; what is left is tried here.

use operlet::model::Outcome;

use crate::{behaviour::settled, load::load};

const TIMES: usize = 1000;

/// Everything of it, as text.
fn bytes(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

#[tokio::test]
async fn a_component_that_looks_for_chance_finds_none() {
    let component = load("misbehaving");
    let first = settled(&component, "chance").await;
    assert!(first.carry.len() > 100, "it shows what it found: {first:?}");
    for _ in 1..TIMES {
        assert_eq!(bytes(&settled(&component, "chance").await), bytes(&first));
    }
    assert_eq!(bytes(&settled(&load("misbehaving"), "chance").await), bytes(&first), "compiled once more");
}

#[tokio::test]
async fn what_other_calls_did_before_makes_no_difference() {
    let component = load("misbehaving");
    let first = settled(&component, "").await;
    for behaviour in ["panic", "grow", "recurse", "trap"] {
        let _ = crate::behaviour::call(&component, behaviour).await;
        assert_eq!(bytes(&settled(&component, "").await), bytes(&first), "after {behaviour}");
    }
}

/// A manifest that differs from call to call is refused at load; a component
/// without imports cannot make one.
#[tokio::test]
async fn every_component_says_the_same_of_itself_each_time() {
    for name in ["misbehaving", "scripted", "scripted_finalizer", "converge"] {
        let component = load(name);
        let first = component.describe().await.unwrap();
        for _ in 0..100 {
            assert_eq!(component.describe().await.unwrap(), first, "{name}");
        }
    }
}
