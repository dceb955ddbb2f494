use serde_json::{Value, json};

use super::*;
use crate::model::{APPLIED_BY_ANNOTATION, OWNER_LABEL};

pub(super) fn kind() -> Arc<GroupVersionKind> {
    GroupVersionKind::from_type("v1", "ConfigMap").into()
}

fn from(object: &Value) -> Stored {
    Stored::new(&kind(), serde_json::from_str(&object.to_string()).unwrap())
}

pub(super) fn object(name: &str, uid: &str, version: u64) -> Stored {
    of_owner("o", name, uid, version)
}

fn of_owner(owner: &str, name: &str, uid: &str, version: u64) -> Stored {
    from(&json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": uid, "resourceVersion": version.to_string(),
            "labels": { OWNER_LABEL: owner }, "managedFields": [{ "manager": "m" }],
        },
        "data": { "version": version.to_string() },
    }))
}

/// One whose uid is made from its name.
fn stored(name: &str, version: u64) -> Stored {
    object(name, &format!("uid of {name}"), version)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::clone(&stored(name, 0).key)
}

fn names(objects: &[Arc<Stored>]) -> Vec<&str> {
    objects.iter().map(|stored| stored.key.name.as_str()).collect()
}

fn shown(store: &Store) -> Vec<(String, u64)> {
    store.owned_by("o").iter().map(|stored| (stored.key.name.clone(), stored.version)).collect()
}

fn departed(store: &Store) -> Vec<(String, u64)> {
    store.departed("o").0.iter().map(|stored| (stored.key.name.clone(), stored.version)).collect()
}

fn list(store: &Store, objects: impl IntoIterator<Item = Stored>) -> Vec<Arc<Stored>> {
    store.list_begins(&kind());
    for stored in objects {
        store.listed(stored);
    }
    store.list_ends(&kind())
}

#[test]
fn an_object_has_its_kind_and_no_managed_fields() {
    let json: Value = serde_json::from_str(&stored("a", 1).json).unwrap();
    assert_eq!(json["kind"], "ConfigMap");
    assert_eq!(json["apiVersion"], "v1");
    assert!(json["metadata"].get("managedFields").is_none());
}

#[test]
fn the_planner_is_told_what_the_object_says() {
    let stored = from(&json!({ "metadata": {
        "name": "a", "uid": "u", "resourceVersion": "7", "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": { APPLIED_BY_ANNOTATION: "a \"b\"" },
        "ownerReferences": [{ "apiVersion": "g/v1", "kind": "K", "name": "n", "uid": "c", "controller": true }],
    }}));
    let existing = stored.existing();
    assert_eq!((existing.uid.as_str(), existing.resource_version.as_str()), ("u", "7"));
    assert_eq!(existing.applied_by.as_deref(), Some("a \"b\""));
    assert_eq!((existing.deleting, existing.fingerprint), (true, stored.content));
    let controller = existing.controller.unwrap();
    assert_eq!(
        (controller.kind.to_string(), controller.name, controller.uid),
        ("K.v1.g".into(), "n".into(), "c".into())
    );
    assert!(from(&json!({ "metadata": { "name": "a" } })).existing().controller.is_none());
}

#[test]
fn an_object_never_goes_back() {
    let store = Store::default();
    assert!(store.put(stored("a", 2)));
    assert!(!store.put(stored("a", 1)));
    assert!(!store.put(stored("a", 2)));
    store.watched(stored("a", 1));
    assert_eq!(shown(&store), [("a".into(), 2)]);
}

#[test]
fn a_late_answer_does_not_bring_a_deleted_object_back() {
    let store = Store::default();
    store.put(stored("a", 2));
    store.deleted(stored("a", 4));
    assert!(!store.put(stored("a", 3)));
    assert!(store.owned_by("o").is_empty());
    assert!(store.put(object("a", "another", 5)), "a new object of the same name is welcome");
}

#[test]
fn a_late_answer_does_not_bring_back_what_was_never_seen() {
    let store = Store::default();
    store.watched(stored("other", 5));
    assert!(!store.put(stored("a", 4)), "the watch is past it");
}

#[test]
fn what_lost_its_label_comes_back_with_it() {
    let store = Store::default();
    store.watched(stored("a", 2));
    store.deleted(stored("a", 4));
    store.watched(stored("a", 3));
    assert!(shown(&store).is_empty());
    store.watched(stored("a", 6));
    assert_eq!(shown(&store), [("a".into(), 6)]);
    store.deleted(stored("a", 8));
    assert_eq!(departed(&store), [("a".into(), 4), ("a".into(), 8)]);
}

#[test]
fn a_list_removes_what_it_does_not_bring_and_makes_the_kind_synced() {
    let store = Store::default();
    store.put(stored("gone", 1));
    store.put(stored("same", 2));
    assert!(!store.synced([&*kind()].into_iter()));
    let touched = list(&store, [stored("same", 2), stored("new", 3)]);
    assert_eq!(names(&touched), ["gone", "new"]);
    assert!(store.synced([&*kind()].into_iter()));
    assert_eq!(store.keys(&kind()).len(), 2);
    assert_eq!(departed(&store), [("gone".into(), 1)]);
}

#[test]
fn what_is_written_while_a_list_is_under_way_stays() {
    let store = Store::default();
    store.list_begins(&kind());
    assert!(store.put(stored("written", 5)));
    assert!(store.list_ends(&kind()).is_empty(), "it is no news");
    assert_eq!(store.owned_by("o").len(), 1);
    assert!(store.put(stored("written", 6)));
}

#[test]
fn what_a_list_did_not_bring_comes_back_by_a_list_or_the_watch_but_not_by_an_answer() {
    let store = Store::default();
    store.put(stored("missed", 5));
    list(&store, []);
    assert!(!store.put(stored("missed", 6)));
    assert_eq!(shown(&store), []);
    list(&store, [stored("missed", 5)]);
    assert_eq!(shown(&store), [("missed".into(), 5)]);
    list(&store, []);
    store.watched(stored("missed", 7));
    assert_eq!(shown(&store), [("missed".into(), 7)]);
    assert!(store.put(stored("missed", 8)));
}

#[test]
fn an_answer_that_a_list_overtook_is_believed_until_the_watch_is_past_it() {
    let store = Store::default();
    list(&store, [stored("other", 3)]);
    assert!(store.put(stored("a", 5)));
    assert!(store.watched(stored("other", 4)).1.is_empty());
    assert_eq!(shown(&store).len(), 2);
    let (_, gone) = store.watched(stored("other", 6));
    assert_eq!(names(&gone), ["a"]);
    assert_eq!(shown(&store), [("other".into(), 6)]);
    assert_eq!(departed(&store), [("a".into(), 5)]);
}

#[test]
fn what_we_deleted_is_gone_at_once_and_told_once_when_the_watch_says_so() {
    let store = Store::default();
    store.watched(stored("a", 2));
    store.removed_by_us(&key("a"), "uid of a");
    store.watched(stored("a", 3));
    assert!(!store.put(stored("a", 9)));
    list(&store, [stored("a", 3)]);
    assert_eq!((shown(&store), departed(&store)), (vec![], vec![]));
    store.deleted(stored("a", 4));
    store.deleted(stored("a", 4));
    assert_eq!(departed(&store), [("a".into(), 4)]);
}

#[test]
fn what_we_deleted_is_told_by_a_list_where_the_watch_missed_it() {
    let store = Store::default();
    store.watched(stored("a", 2));
    store.removed_by_us(&key("a"), "uid of a");
    let touched = list(&store, [stored("other", 5)]);
    assert_eq!(names(&touched), ["a", "other"]);
    list(&store, [stored("other", 5)]);
    assert_eq!(departed(&store), [("a".into(), 2)]);
}

#[test]
fn the_answer_to_a_delete_may_come_after_its_event() {
    let store = Store::default();
    store.watched(stored("a", 2));
    store.deleted(stored("a", 4));
    store.removed_by_us(&key("a"), "uid of a");
    list(&store, []);
    assert_eq!(departed(&store), [("a".into(), 4)]);
}

#[test]
fn only_the_uid_that_we_deleted_is_removed() {
    let store = Store::default();
    store.watched(object("a", "new", 5));
    store.removed_by_us(&key("a"), "old");
    assert_eq!(shown(&store), [("a".into(), 5)]);
}

#[test]
fn what_was_made_anew_while_the_watch_was_away_has_departed() {
    let store = Store::default();
    store.watched(object("a", "old", 2));
    let touched = list(&store, [object("a", "new", 6)]);
    assert_eq!(names(&touched), ["a", "a"]);
    assert_eq!(shown(&store), [("a".into(), 6)]);
    assert_eq!(store.departed("o").0[0].uid(), "old");
}

#[test]
fn what_an_answer_replaced_departs_when_the_watch_comes_to_it() {
    let store = Store::default();
    store.watched(object("a", "old", 2));
    assert!(store.put(object("a", "new", 6)));
    assert!(departed(&store).is_empty());
    store.deleted(object("a", "old", 4));
    assert_eq!((shown(&store), departed(&store)), (vec![("a".into(), 6)], vec![("a".into(), 4)]));
}

#[test]
fn a_new_owner_takes_an_object_over_and_the_old_one_hears_of_it() {
    let store = Store::default();
    store.watched(of_owner("o", "a", "u", 2));
    let (_, former) = store.watched(of_owner("p", "a", "u", 3));
    assert_eq!(former[0].owner(), Some("o"));
    assert!(store.owned_by("o").is_empty());
    assert_eq!(store.owned_by("p").len(), 1);
    let touched = list(&store, [of_owner("o", "a", "u", 4)]);
    assert_eq!(touched.iter().map(|one| one.owner()).collect::<Vec<_>>(), [Some("p"), Some("o")]);
}

#[test]
fn a_burst_of_deletions_is_told_up_to_the_bound_and_the_rest_is_counted() {
    let name = |number: u64| format!("{number:03}");
    for by_list in [false, true] {
        let store = Store::default();
        let all = || (0..300).map(|number| stored(&name(number), number + 1));
        list(&store, all());
        if by_list {
            assert_eq!(list(&store, []).len(), 300);
        } else {
            all().for_each(|stored| drop(store.deleted(stored)));
        }
        let (told, last) = store.departed("o");
        let expected: Vec<_> = (300 - 64..300).map(name).collect();
        assert_eq!(names(&told), expected);
        assert_eq!((store.counts().departed, store.counts().departed_dropped), (64, 300 - 64));
        store.settle_departed("o", last - 1);
        assert_eq!(names(&store.departed("o").0), ["299"]);
        store.forget_departed("o");
        assert_eq!(store.departed("o").0.len() + store.counts().departed, 0);
    }
}

#[test]
fn what_departs_after_it_was_shown_is_not_settled_with_it() {
    let store = Store::default();
    store.deleted(stored("a", 1));
    let (_, last) = store.departed("o");
    store.deleted(stored("b", 2));
    store.settle_departed("o", last);
    assert_eq!(departed(&store), [("b".into(), 2)]);
}

#[test]
fn all_owners_together_keep_no_more_than_the_bound() {
    let store = Store::default();
    for number in 0..16_384 + 10 {
        store.deleted(of_owner(&format!("o{number}"), "a", &format!("u{number}"), number + 1));
    }
    let Counts { departed, departed_dropped, .. } = store.counts();
    assert_eq!((departed, departed_dropped), (16_384, 10));
    assert!(store.departed("o9").0.is_empty());
    assert_eq!(store.departed("o10").0.len(), 1);
}

#[test]
fn what_it_holds_is_counted() {
    let store = Store::default();
    assert_eq!(store.counts(), Counts::default());
    let bytes = stored("a", 1).json.len();
    store.watched(stored("a", 1));
    store.watched(stored("a", 2));
    store.watched(stored("b", 3));
    assert_eq!((store.counts().objects, store.counts().json_bytes), (2, 2 * bytes));
    store.deleted(stored("a", 4));
    store.removed_by_us(&key("b"), "uid of b");
    assert_eq!((store.counts().objects, store.counts().json_bytes), (0, 0));
    store.watched(stored("c", 5));
    store.forget(&kind());
    assert_eq!((store.counts().objects, store.counts().json_bytes), (0, 0));
}

#[test]
fn states_of_one_object_share_its_key() {
    let store = Store::default();
    store.watched(stored("a", 1));
    let first = store.get(&key("a")).unwrap();
    store.watched(stored("a", 2));
    assert!(Arc::ptr_eq(&first.key, &store.get(&key("a")).unwrap().key));
    list(&store, [stored("a", 3)]);
    assert!(Arc::ptr_eq(&first.key, &store.get(&key("a")).unwrap().key));
}
