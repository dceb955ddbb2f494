//! An answer that breaks the contract is refused with the field that does.

use operlet::engine::CallError;

use crate::{
    behaviour::{call, settled},
    load::load,
};

async fn check(violations: &[(&str, &str, &str)]) {
    let component = load("misbehaving");
    for (behaviour, field, says) in violations {
        let error = call(&component, behaviour).await.unwrap_err();
        let CallError::InvalidOutput { field: found, problem } = &error else {
            panic!("{behaviour}: {error:?}")
        };
        assert_eq!(found, field, "{behaviour}: {problem}");
        assert!(problem.contains(says), "{behaviour}: {says:?} is not in: {problem}");
        assert!(error.is_components_fault(), "{behaviour}");
    }
    // It works on as if nothing had been.
    assert_eq!(settled(&component, "").await.intents.len(), 2);
}

#[tokio::test]
async fn what_is_settled_must_be_json_and_objects() {
    check(&[
        ("no-json", "intents[0].ensure.object", "is not JSON"),
        ("two-json", "intents[0].ensure.object", "is not JSON"),
        ("no-object", "intents[0].ensure.object", "must be a JSON object"),
        ("same-conditions", "conditions[1].type", "Ready"),
        ("checkpoint-no-object", "checkpoint.status", "must be a JSON object"),
    ])
    .await;
}

#[tokio::test]
async fn questions_must_be_there_and_be_told_apart() {
    check(&[
        ("ask-nothing", "ask", "has no question"),
        ("same-questions", "ask[1].id", "\"same\""),
        ("nameless-question", "ask[0].get.name", "0 bytes"),
        ("long-question-id", "ask[0].id", "129 bytes"),
        ("huge-selector", "ask[0].list.selector", "4100 bytes"),
    ])
    .await;
}

#[tokio::test]
async fn exchanges_must_be_possible_and_bounded() {
    check(&[
        ("no-steps", "ask[0].exchange.steps", "is empty"),
        ("port-0", "ask[0].exchange.port", "no port"),
        ("no-time", "ask[0].exchange.timeout-ms", "is 0"),
        ("huge-replies", "ask[0].exchange.max-bytes", "1048577"),
        ("no-delimiter", "ask[0].exchange.steps[0].until.delimiter", "0 bytes"),
        ("long-delimiter", "ask[0].exchange.steps[0].until.delimiter", "257 bytes"),
    ])
    .await;
}

#[tokio::test]
async fn probes_must_be_repeatable() {
    check(&[
        ("same-probes", "probes[1].id", "\"same\""),
        ("acting-probe", "probes[0].exchange.effect", "must be probe"),
        ("hasty-probe", "probes[0].every-ms", "is 99"),
        ("probe-to-the-end", "probes[0].exchange.steps", "eof"),
    ])
    .await;
}
