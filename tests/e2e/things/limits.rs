//! A component that misbehaves for one resource, beside others.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    THINGS, Thing,
    objects::{config_map, ensuring, get},
    things, things_alone,
};
use crate::kubectl::{check, eventually};

/// Far above what is measured: a busy machine is no defect.
const PROMPT: Duration = Duration::from_secs(10);

#[test]
fn what_goes_wrong_with_one_resource_is_told_there_and_leaves_others_alone() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-misbehaving");
    let good = Thing::apply(&namespace, "good", ensuring(&[("alive", "0")]));
    good.is_settled();
    let bad = Thing::apply(&namespace, "bad", json!([{ "settle": {} }]));
    bad.is_settled();
    let cases: &[(&str, &str, &[&str])] = &[
        ("spin", "ComponentFailed", &["250 ms", "callTimeout"]),
        ("grow", "ComponentFailed", &["67108864", "limit memory"]),
        ("recurse", "ComponentTrapped", &["stack overflow"]),
        ("panic", "ComponentTrapped", &["the widget count is negative"]),
        ("trap", "ComponentTrapped", &["unreachable"]),
        ("huge-output", "ComponentFailed", &["4194304"]),
        ("huge-carry", "ComponentFailed", &["65536"]),
        ("many-intents", "ComponentFailed", &["513 intents", "512"]),
        ("many-events", "ComponentFailed", &["17 events"]),
        ("many-questions", "ComponentFailed", &["513 questions"]),
        ("many-probes", "ComponentFailed", &["33 probes"]),
        ("no-json", "ComponentFailed", &["is not JSON"]),
        ("ask-nothing", "ComponentFailed", &["no question"]),
        ("same-questions", "ComponentFailed", &["ask[1].id"]),
        ("ask-for-ever", "TooManyRounds", &["32"]),
        ("checkpoint-for-ever", "TooManyRounds", &["32"]),
        ("many-exchanges", "TooManyExchanges", &["257", "256"]),
        ("undeclared-kind", "DecisionRefused", &["Job"]),
        ("other-namespace", "DecisionRefused", &["kube-system"]),
        ("foreign-owner", "DecisionRefused", &["ownerReferences"]),
        ("forged-label", "DecisionRefused", &["operlet.dev/owner"]),
        ("invalid", "InvalidResource", &["spec.size: must be odd"]),
        ("retry", "Retrying", &["not yet"]),
        ("bug", "ComponentBug", &["an assertion does not hold"]),
    ];
    for (index, (behaviour, reason, words)) in cases.iter().enumerate() {
        bad.set(json!([{ "behave": behaviour }]));
        let begun = Instant::now();
        let value = (index + 1).to_string();
        good.set(ensuring(&[("alive", &value)]));
        eventually(&format!("the good one is reconciled beside {behaviour}"), || {
            let found = good.child("configmaps", "alive").ok_or("it is gone")?["data"]["value"].clone();
            check(found == value.as_str(), format!("{found}"))
        });
        let took = begun.elapsed();
        assert!(took < PROMPT, "{behaviour} delayed another resource by {took:?}");
        let message = bad.is_told(reason, words);
        println!("{behaviour}: {message}");
    }
    assert!(
        cluster.kubectl.list(&namespace.name, "configmaps", "operlet.dev/owner").len() == 1,
        "nothing was written for the bad one"
    );
    bad.set(ensuring(&[("mended", "yes")]));
    bad.is_settled();
}

/// What the component asked earlier in a reconcile stays answered.
#[test]
fn a_question_that_is_asked_again_is_a_fault() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-again-asked");
    let question = super::objects::get("same", "v1", "Secret", "x");
    let thing = Thing::apply(&namespace, "forgetful", json!([{ "ask": [question] }]));
    thing.is_told("ComponentFailed", &["same"]);
}

#[test]
fn a_script_that_cannot_be_read_is_told_to_its_author() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-unreadable");
    let thing = Thing::apply(&namespace, "muddled", json!([{ "settel": {} }]));
    thing.is_told("InvalidResource", &["spec.rounds[0]", "settel"]);
    thing.set(json!([{ "settle": {} }]));
    thing.is_settled();
}

/// What is set on the Operlet is what holds, field by field.
#[test]
fn limits_are_those_of_the_operlet() {
    let (cluster, _guard) = things_alone();
    let namespace = cluster.namespace("e2e-limits");
    let mut large = config_map("large", &"x".repeat(120 * 1024));
    large["metadata"]["namespace"] = json!(namespace.name);
    cluster.kubectl.apply(&large.to_string());
    let thing = Thing::apply(&namespace, "bounded", json!([{ "settle": {} }]));
    thing.is_settled();
    let cases: &[(&str, u32, &str, &str, &[&str])] = &[
        ("callMilliseconds", 40, "spin", "ComponentFailed", &["40 ms", "callTimeout"]),
        ("memoryMebibytes", 32, "grow", "ComponentFailed", &["33554432"]),
        ("outputKibibytes", 64, "huge-output", "ComponentFailed", &["65536"]),
        ("carryKibibytes", 8, "huge-carry", "ComponentFailed", &["8192"]),
        ("objects", 100, "many-intents", "ComponentFailed", &["513 intents", "100"]),
        ("rounds", 3, "ask-for-ever", "TooManyRounds", &["within 3 rounds"]),
        ("exchanges", 5, "many-exchanges", "TooManyExchanges", &["limit is 5"]),
    ];
    for (field, value, behaviour, reason, words) in cases {
        THINGS.patch_spec(cluster, &json!({ "limits": { *field: value } }));
        thing.set(json!([{ "behave": behaviour }]));
        println!("{field}: {}", thing.is_told(reason, words));
        THINGS.patch_spec(cluster, &json!({ "limits": { *field: null } }));
    }
    THINGS.patch_spec(cluster, &json!({ "limits": { "inputKibibytes": 100 } }));
    let rounds = json!([{ "ask": [get("large", "v1", "ConfigMap", "large")] }, { "settle": {} }]);
    thing.set(rounds);
    thing.is_shown("that there is no room", "/answers/large/case", &json!("denied"));
    THINGS.patch_spec(cluster, &json!({ "limits": null }));
    thing.is_shown("the object", "/answers/large/case", &json!("object"));
}
