//! What the planner refuses of a component's decision: then nothing is written.

use std::collections::BTreeMap;

use operlet::{
    model::{ChildKind, GroupVersionKind, ObjectKey, Owner},
    plan::{self, Context, Refusal},
};

use crate::{behaviour::settled, load::load};

async fn refusal(behaviour: &str) -> Refusal {
    let component = load("misbehaving");
    let children: Vec<ChildKind> = component.describe().await.unwrap().children;
    let key = ObjectKey {
        kind: GroupVersionKind::from_type("test.operlet.dev/v1", "Thing").into(),
        namespace: Some("default".to_owned()),
        name: "a".to_owned(),
    };
    let context = Context {
        operlet: "things",
        owner: &Owner { key, uid: "uid-a".to_owned() },
        children: &children,
        retired: &[],
        existing: &BTreeMap::new(),
        applied: &BTreeMap::new(),
        budget: None,
    };
    match plan::plan(&settled(&component, behaviour).await, &context) {
        Err(refusal) => refusal,
        Ok(plan) => panic!("{behaviour}: {plan:?}"),
    }
}

async fn check(behaviour: &str, is: impl Fn(&Refusal) -> bool, says: &str) {
    let refusal = refusal(behaviour).await;
    assert!(is(&refusal), "{behaviour}: {refusal:?}");
    assert!(refusal.to_string().contains(says), "{behaviour}: {says:?} is not in: {refusal}");
}

#[tokio::test]
async fn a_component_may_write_only_what_its_manifest_names() {
    let is = |refusal: &Refusal| matches!(refusal, Refusal::Undeclared { .. });
    check("undeclared-kind", is, "Job.v1.batch").await;
    check("own-resource", is, "Thing").await;
}

#[tokio::test]
async fn a_component_may_write_only_into_its_resources_namespace() {
    let is = |refusal: &Refusal| matches!(refusal, Refusal::OtherNamespace { .. });
    check("other-namespace", is, "kube-system/stray").await;
}

#[tokio::test]
async fn who_owns_an_object_is_not_the_components_to_say() {
    let is = |refusal: &Refusal| matches!(refusal, Refusal::Reserved { .. });
    check("foreign-owner", is, "metadata.ownerReferences").await;
    check("forged-label", is, "operlet.dev/owner").await;
    check("own-uid", is, "metadata.uid").await;
}

#[tokio::test]
async fn a_component_may_want_only_one_thing_of_an_object() {
    let is = |refusal: &Refusal| matches!(refusal, Refusal::Twice { .. });
    check("same-object", is, "twice").await;
}
