use serde_json::{Value, json};

use super::*;
use crate::model::{Amend, Ensure, OWNER_LABEL, Remove, ResourceKind};

const OPERLET: &str = "things";

fn owner() -> Owner {
    let kind = GroupVersionKind::from_type("things.example.com/v1", "Thing");
    let key = ObjectKey { kind: kind.into(), namespace: Some("space".into()), name: "one".into() };
    Owner { key, uid: "uid-of-one".into() }
}

fn child(api_version: &str, kind: &str, plural: &str, namespaced: bool, prune: bool) -> ChildKind {
    let kind = GroupVersionKind::from_type(api_version, kind);
    ChildKind { resource: ResourceKind { kind, plural: plural.into(), namespaced }, prune }
}

fn children() -> Vec<ChildKind> {
    vec![
        child("v1", "ConfigMap", "configmaps", true, true),
        child("v1", "Secret", "secrets", true, false),
        child("v1", "Pod", "pods", true, false),
        child("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, true),
        child("apps/v1", "StatefulSet", "statefulsets", true, true),
        child("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false, true),
    ]
}

fn key(api_version: &str, kind: &str, name: &str) -> ObjectKey {
    let kind = GroupVersionKind::from_type(api_version, kind);
    ObjectKey { kind: kind.into(), namespace: Some("space".into()), name: name.into() }
}

fn ensure(object: &Value) -> Intent {
    Intent::Ensure(Ensure { object: object.to_string(), if_unchanged: None })
}

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "b" } })
}

fn controller(kind: &str, name: &str, uid: &str) -> ControllerReference {
    let kind = GroupVersionKind::from_type("things.example.com/v1", kind);
    ControllerReference { kind, name: name.into(), uid: uid.into() }
}

/// An object that this operlet ensured for the resource.
fn ensured() -> Existing {
    Existing {
        uid: "uid-of-object".into(),
        resource_version: "7".into(),
        controller: Some(controller("Thing", "one", "uid-of-one")),
        applied_by: Some(OPERLET.into()),
        deleting: false,
        fingerprint: [1; 32],
    }
}

fn plan_with(
    intents: Vec<Intent>,
    existing: &[(ObjectKey, Existing)],
    applied: &[(ObjectKey, Applied)],
) -> Result<Plan, Refusal> {
    let outcome = Outcome { intents, ..Outcome::default() };
    let context = Context {
        operlet: OPERLET,
        owner: &owner(),
        children: &children(),
        retired: &[child("v1", "Service", "services", true, true)],
        existing: &existing.iter().cloned().collect(),
        applied: &applied.iter().cloned().collect(),
        budget: Some(Budget { per_reconcile: 5, per_hour: 50, left_this_hour: 7 }),
    };
    plan(&outcome, &context)
}

fn planned(intents: Vec<Intent>, existing: &[(ObjectKey, Existing)]) -> Plan {
    plan_with(intents, existing, &[]).unwrap()
}

fn body_of(plan: &Plan) -> Value {
    match plan.writes.as_slice() {
        [Write::Apply { body, .. } | Write::Create { body, .. }] => serde_json::from_str(body).unwrap(),
        other => panic!("expected one write, got {other:?}"),
    }
}

#[test]
fn an_ensured_object_is_marked_as_the_resources_own() {
    let plan = planned(vec![ensure(&config_map("a"))], &[]);
    let metadata = &body_of(&plan)["metadata"];
    assert_eq!(metadata["labels"][OWNER_LABEL], Owner::label_value(&owner().key));
    assert_eq!(metadata["namespace"], "space");
    assert_eq!(metadata["annotations"]["operlet.dev/applied-by"], OPERLET);
    let reference = &metadata["ownerReferences"][0];
    assert_eq!(reference["uid"], "uid-of-one");
    assert_eq!(reference["controller"], true);
}

#[test]
fn templates_carry_the_label_and_never_the_annotation() {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "a" },
        "spec": { "template": { "spec": {} }, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] },
    });
    let plan = planned(vec![ensure(&set)], &[]);
    let spec = &body_of(&plan)["spec"];
    for template in [&spec["template"], &spec["volumeClaimTemplates"][0]] {
        assert_eq!(template["metadata"]["labels"][OWNER_LABEL], Owner::label_value(&owner().key));
        assert!(template["metadata"].get("annotations").is_none());
    }
}

#[test]
fn what_is_not_observed_is_applied_only_if_absent_and_the_rest_only_if_the_same() {
    let precondition = |plan: Plan| match plan.writes.into_iter().next() {
        Some(Write::Apply { precondition, .. }) => precondition,
        other => panic!("expected an apply, got {other:?}"),
    };
    assert_eq!(precondition(planned(vec![ensure(&config_map("a"))], &[])), Precondition::Absent);
    let observed = [(key("v1", "ConfigMap", "a"), ensured())];
    let same = Precondition::Same { uid: "uid-of-object".into() };
    assert_eq!(precondition(planned(vec![ensure(&config_map("a"))], &observed)), same);
}

#[test]
fn nothing_is_written_while_neither_the_intent_nor_the_object_changed() {
    let key = key("v1", "ConfigMap", "a");
    let observed = [(key.clone(), ensured())];
    let first = planned(vec![ensure(&config_map("a"))], &observed);
    let [Write::Apply { intent, .. }] = first.writes.as_slice() else { panic!("{first:?}") };
    let applied = [(key.clone(), Applied { intent: *intent, result: [1; 32] })];
    let again = plan_with(vec![ensure(&config_map("a"))], &observed, &applied).unwrap();
    assert_eq!((again.writes.len(), again.unchanged), (0, 1));
    let edited = [(key, Existing { fingerprint: [2; 32], ..ensured() })];
    let repaired = plan_with(vec![ensure(&config_map("a"))], &edited, &applied).unwrap();
    assert_eq!(repaired.writes.len(), 1, "a hand edit is put right");
}

#[test]
fn an_object_of_another_controller_is_left_alone_and_named() {
    let foreign = Existing { controller: Some(controller("Other", "x", "uid-of-x")), ..ensured() };
    for intent in [ensure(&config_map("a")), Intent::Create(config_map("a").to_string())] {
        let plan = planned(vec![intent], &[(key("v1", "ConfigMap", "a"), foreign.clone())]);
        assert!(plan.writes.is_empty());
        let text = plan.blocked[0].to_string();
        assert!(text.contains("ConfigMap space/a is controlled by Other x"), "{text}");
    }
}

#[test]
fn what_an_earlier_resource_of_the_same_name_controls_is_waited_for() {
    let earlier = Existing { controller: Some(controller("Thing", "one", "uid-of-old")), ..ensured() };
    let plan = planned(vec![ensure(&config_map("a"))], &[(key("v1", "ConfigMap", "a"), earlier)]);
    assert!(matches!(plan.blocked.as_slice(), [Blocked::Leaving { .. }]), "{plan:?}");
    assert!(plan.writes.is_empty());
}

#[test]
fn an_object_that_is_being_deleted_is_waited_for() {
    let leaving = Existing { deleting: true, ..ensured() };
    let plan = planned(vec![ensure(&config_map("a"))], &[(key("v1", "ConfigMap", "a"), leaving)]);
    assert!(matches!(plan.blocked.as_slice(), [Blocked::Leaving { .. }]), "{plan:?}");
}

#[test]
fn only_what_this_operlet_ensured_for_this_resource_is_pruned() {
    let pruned = |kind: (&str, &str), existing: Existing| {
        planned(vec![], &[(key(kind.0, kind.1, "a"), existing)]).writes.len()
    };
    let config_map = ("v1", "ConfigMap");
    assert_eq!(pruned(config_map, ensured()), 1);
    assert_eq!(pruned(("v1", "Service"), ensured()), 1, "a kind that the component dropped");
    assert_eq!(pruned(("v1", "Secret"), ensured()), 0, "a kind that may not be pruned");
    assert_eq!(pruned(config_map, Existing { applied_by: None, ..ensured() }), 0, "only brought about");
    assert_eq!(pruned(config_map, Existing { applied_by: Some("other".into()), ..ensured() }), 0);
    assert_eq!(pruned(config_map, Existing { controller: None, ..ensured() }), 0);
    let other = Some(controller("Thing", "two", "uid-of-two"));
    assert_eq!(pruned(config_map, Existing { controller: other, ..ensured() }), 0);
    assert_eq!(pruned(config_map, Existing { deleting: true, ..ensured() }), 0);
}

#[test]
fn a_created_object_is_never_written_again() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" } });
    let intent = || vec![Intent::Create(secret.to_string())];
    let plan = planned(intent(), &[]);
    assert!(matches!(plan.writes.as_slice(), [Write::Create { .. }]));
    assert!(body_of(&plan)["metadata"].get("annotations").is_none(), "so it is never pruned");
    let existing = Existing { applied_by: None, ..ensured() };
    assert_eq!(planned(intent(), &[(key("v1", "Secret", "a"), existing.clone())]), Plan::default());
    let orphan = Existing { controller: None, ..existing };
    let adopted = planned(intent(), &[(key("v1", "Secret", "a"), orphan)]);
    assert!(
        body_of(&adopted).get("data").is_none()
            && body_of(&adopted)["metadata"]["ownerReferences"].is_array()
    );
}

#[test]
fn an_amended_object_keeps_its_controller_and_is_never_created() {
    let pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "labels": { "role": "x" } } });
    let amend = |uid: &str| vec![Intent::Amend(Amend { object: pod.to_string(), uid: uid.into() })];
    let set = (key("apps/v1", "StatefulSet", "set"), Existing { uid: "uid-of-set".into(), ..ensured() });
    let made = Existing { controller: Some(controller("StatefulSet", "set", "uid-of-set")), ..ensured() };
    let observed = [(key("v1", "Pod", "a"), made.clone()), set.clone()];
    let mut plan = planned(amend("uid-of-object"), &observed);
    plan.writes.retain(|write| matches!(write, Write::Apply { .. }));
    assert!(body_of(&plan)["metadata"].get("ownerReferences").is_none());
    assert!(matches!(plan.writes.as_slice(), [Write::Apply { precondition: Precondition::Same { .. }, .. }]));
    assert_eq!(planned(amend("another"), &[observed[0].clone()]), Plan::default());
    assert_eq!(planned(amend("uid-of-object"), &[]), Plan::default());
}

#[test]
fn a_removal_hits_only_the_object_that_was_seen() {
    let remove = |uid: &str| vec![Intent::Remove(Remove { key: key("v1", "Pod", "a"), uid: uid.into() })];
    let observed = [(key("v1", "Pod", "a"), Existing { applied_by: None, ..ensured() })];
    assert_eq!(planned(remove("uid-of-object"), &observed).writes.len(), 1);
    assert_eq!(planned(remove("another"), &observed).writes.len(), 0);
    assert_eq!(planned(remove("uid-of-object"), &[]).writes.len(), 0);
}

#[test]
fn what_others_need_comes_first_and_deletes_come_last() {
    let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "a" } });
    let observed = [(key("v1", "ConfigMap", "old"), ensured())];
    let plan = planned(vec![ensure(&set), ensure(&config_map("b")), ensure(&config_map("a"))], &observed);
    let names: Vec<_> = plan.writes.iter().map(|write| write.key().to_string()).collect();
    let wanted = ["ConfigMap space/a", "ConfigMap space/b", "StatefulSet space/a", "ConfigMap space/old"];
    assert_eq!(names, wanted);
}

#[track_caller]
fn check_refused(object: &Value, words: &str) {
    let observed = [(key("v1", "ConfigMap", "old"), ensured())];
    let refusal = plan_with(vec![ensure(object)], &observed, &[]).unwrap_err().to_string();
    assert!(refusal.contains(words), "{refusal}");
}

#[test]
fn a_broken_rule_voids_the_whole_decision() {
    let with = |pointer: &str, value: Value| {
        let mut object = config_map("a");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[name] = value;
        object
    };
    check_refused(&json!({}), "apiVersion");
    check_refused(&with("/metadata/name", json!("")), "metadata.name");
    check_refused(&with("/kind", json!("Node")), "does not name Node.v1 among its children");
    check_refused(&with("/metadata/namespace", json!("kube-system")), "outside of its resource's namespace");
    check_refused(&with("/metadata/ownerReferences", json!([])), "metadata.ownerReferences");
    check_refused(&with("/metadata/uid", json!("u")), "metadata.uid");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "a" },
    });
    check_refused(&role, "cluster-scoped");
    let twice = plan_with(vec![ensure(&config_map("a")), ensure(&config_map("a"))], &[], &[]);
    assert!(matches!(twice, Err(Refusal::Twice { .. })));
}

#[test]
fn what_is_kept_is_neither_written_nor_pruned() {
    let kept = key("v1", "ConfigMap", "a");
    let plan = planned(vec![Intent::Keep(kept.clone())], &[(kept, ensured())]);
    assert_eq!(plan, Plan::default());
}

#[test]
fn what_somebody_else_controls_is_neither_amended_nor_removed_whatever_its_label_says() {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
    let amend = Intent::Amend(Amend { object: pod.to_string(), uid: "uid-of-object".into() });
    let remove = Intent::Remove(Remove { key: key("v1", "Pod", "a"), uid: "uid-of-object".into() });
    for controller in [controller("Other", "x", "uid-of-x"), controller("Thing", "one", "uid-of-old")] {
        let forged = Existing { controller: Some(controller), ..ensured() };
        for intent in [amend.clone(), remove.clone()] {
            let plan = planned(vec![intent], &[(key("v1", "Pod", "a"), forged.clone())]);
            assert!(plan.writes.is_empty());
            assert!(matches!(plan.blocked.as_slice(), [Blocked::Foreign { .. }]), "{plan:?}");
        }
    }
}

#[test]
fn an_amendment_cannot_change_the_marks_of_ownership() {
    let with = |field: &str, name: &str| {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
        pod["metadata"][field] = json!({ name: "forged" });
        let amend = Intent::Amend(Amend { object: pod.to_string(), uid: "u".into() });
        plan_with(vec![amend], &[], &[]).unwrap_err().to_string()
    };
    assert!(with("labels", "operlet.dev/owner").contains("operlet.dev/owner"));
    assert!(with("annotations", "operlet.dev/applied-by").contains("operlet.dev/applied-by"));
}

fn many(kind: &str, count: usize, existing: &Existing) -> Vec<(ObjectKey, Existing)> {
    let object = |n: usize| Existing { uid: format!("uid-{n}"), ..existing.clone() };
    (0..count).map(|n| (key("v1", kind, &format!("o{n}")), object(n))).collect()
}

#[test]
fn over_the_budget_nothing_is_deleted_and_all_else_is_written() {
    let five = planned(vec![ensure(&config_map("a"))], &many("ConfigMap", 5, &ensured()));
    assert_eq!((five.deletions(), five.withheld), (5, None));
    let six = planned(vec![ensure(&config_map("a"))], &many("ConfigMap", 6, &ensured()));
    assert_eq!(six.withheld, Some(Withheld::PerReconcile { count: 6, limit: 5 }));
    assert!(matches!(six.writes.as_slice(), [Write::Apply { .. }]), "{six:?}");
    let left = |left_this_hour| {
        let context = Context {
            operlet: OPERLET,
            owner: &owner(),
            children: &children(),
            retired: &[],
            existing: &many("ConfigMap", 3, &ensured()).into_iter().collect(),
            applied: &BTreeMap::new(),
            budget: Some(Budget { per_reconcile: 5, per_hour: 50, left_this_hour }),
        };
        plan(&Outcome::default(), &context).unwrap().withheld
    };
    assert_eq!(left(3), None);
    assert_eq!(left(2), Some(Withheld::PerHour { count: 3, left: 2, limit: 50 }));
}

fn removals(existing: &[(ObjectKey, Existing)]) -> Vec<Intent> {
    let remove = |(key, existing): &(ObjectKey, Existing)| {
        Intent::Remove(Remove { key: key.clone(), uid: existing.uid.clone() })
    };
    existing.iter().map(remove).collect()
}

#[test]
fn a_pod_that_is_made_again_is_restarted_outside_the_budget_and_one_at_a_time() {
    let set = (key("apps/v1", "StatefulSet", "set"), Existing { uid: "uid-of-set".into(), ..ensured() });
    let keep_set = || Intent::Keep(set.0.clone());
    let pod = Existing {
        controller: Some(controller("StatefulSet", "set", "uid-of-set")),
        applied_by: None,
        ..ensured()
    };
    let pods = many("Pod", 3, &pod);
    let mut existing = pods.clone();
    existing.push(set.clone());
    let mut intents = removals(&pods);
    intents.reverse();
    intents.push(keep_set());
    let first = planned(intents.clone(), &existing);
    assert_eq!((first.deletions(), first.withheld), (0, None));
    assert!(
        matches!(first.writes.as_slice(), [Write::Delete { key, restart: true, .. }] if key.name == "o0"),
        "{first:?}"
    );
    assert_eq!(first.blocked.len(), 2);
    assert!(first.blocked.iter().all(Blocked::passes));
    existing[0].1.deleting = true;
    let second = planned(intents, &existing);
    assert!(second.writes.is_empty(), "{second:?}");
    let text = second.blocked[0].to_string();
    assert!(text.contains("o1") && text.contains("while Pod space/o0"), "{text}");
}

#[test]
fn a_claim_goes_only_when_it_is_named_and_the_manifest_allows_it() {
    let claim = (key("v1", "PersistentVolumeClaim", "data"), ensured());
    assert!(planned(vec![], std::slice::from_ref(&claim)).writes.is_empty(), "left out is not enough");
    let named = removals(std::slice::from_ref(&claim));
    assert_eq!(planned(named.clone(), std::slice::from_ref(&claim)).deletions(), 1);
    let outcome = Outcome { intents: named, ..Outcome::default() };
    let kept = [child("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, false)];
    let context = Context {
        operlet: OPERLET,
        owner: &owner(),
        children: &kept,
        retired: &[],
        existing: &[claim].into_iter().collect(),
        applied: &BTreeMap::new(),
        budget: None,
    };
    let refusal = plan(&outcome, &context).unwrap_err();
    assert!(matches!(refusal, Refusal::ClaimKept { .. }), "{refusal}");
}
