//! No misbehaviour and no component without a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use operlet_test_guests::behaviour::BEHAVIOURS;

/// The tests by the behaviours that they are about.
const OF_BEHAVIOURS: &[(&str, &[&str])] = &[
    ("limits::a_component_that_spins_is_stopped", &["spin"]),
    ("limits::a_component_that_grows_is_stopped", &["grow"]),
    ("limits::a_component_that_recurses_without_end_traps", &["recurse"]),
    ("limits::a_panics_message_and_place_are_in_the_error", &["panic"]),
    ("limits::a_trap_without_a_message_shows_where_it_was", &["trap"]),
    ("limits::too_large_answers_are_refused", &["huge-output", "huge-object", "huge-carry"]),
    (
        "limits::too_many_of_anything_are_refused",
        &[
            "many-intents",
            "many-conditions",
            "many-events",
            "many-questions",
            "many-steps",
            "many-expectations",
            "many-probes",
            "long-opening",
        ],
    ),
    ("log::a_hundred_lines_a_call_are_written_and_the_rest_is_counted", &["flood"]),
    ("log::a_long_line_is_cut_and_marked_and_does_not_end_the_call", &["long-line"]),
    ("determinism::a_component_that_looks_for_chance_finds_none", &["chance"]),
    ("behaviour::each_failure_comes_through", &["retry", "invalid", "bug"]),
    ("behaviour::a_component_may_ask_or_checkpoint_in_every_round", &["ask-for-ever", "checkpoint-for-ever"]),
    ("behaviour::a_component_may_want_as_many_exchanges_as_there_may_be_questions", &["many-exchanges"]),
    (
        "contract::what_is_settled_must_be_json_and_objects",
        &["no-json", "two-json", "no-object", "same-conditions", "checkpoint-no-object"],
    ),
    (
        "contract::questions_must_be_there_and_be_told_apart",
        &["ask-nothing", "same-questions", "nameless-question", "long-question-id", "huge-selector"],
    ),
    (
        "contract::exchanges_must_be_possible_and_bounded",
        &["no-steps", "port-0", "no-time", "huge-replies", "no-delimiter", "long-delimiter"],
    ),
    (
        "contract::probes_must_be_repeatable",
        &["same-probes", "acting-probe", "hasty-probe", "probe-to-the-end"],
    ),
    ("rules::a_component_may_write_only_what_its_manifest_names", &["undeclared-kind", "own-resource"]),
    ("rules::a_component_may_write_only_into_its_resources_namespace", &["other-namespace"]),
    ("rules::who_owns_an_object_is_not_the_components_to_say", &["foreign-owner", "forged-label", "own-uid"]),
    ("rules::a_component_may_want_only_one_thing_of_an_object", &["same-object"]),
];

/// The tests by the components of `tests/guests/examples` that they are about.
const OF_COMPONENTS: &[(&str, &[&str])] = &[
    ("behaviour::a_decision_comes_through_whole", &["misbehaving"]),
    ("load::a_component_that_traps_in_describe_is_refused_with_the_panics_message", &["describe_traps"]),
    ("load::a_manifest_that_contradicts_the_export_is_refused", &["describe_invalid"]),
    ("load::the_wrong_world_is_refused_with_what_it_exports", &["policy"]),
    ("load::an_unknown_contract_is_refused_with_both_versions", &["unknown_contract"]),
    ("scripted::every_decision_of_a_script_comes_through", &["scripted"]),
    ("scripted::a_deletion_is_shown_and_released", &["scripted_finalizer"]),
    ("speed::the_component_of_the_benchmarks_is_lean", &["converge"]),
];

/// The names of all tests in this binary.
fn tests() -> BTreeSet<String> {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

fn check(what: &str, there: BTreeSet<String>, table: &[(&str, &[&str])]) {
    let tests = tests();
    let mut covered: BTreeMap<&str, &str> = BTreeMap::new();
    for (test, names) in table {
        assert!(tests.contains(*test), "there is no test {test}, which covers {names:?}");
        for name in *names {
            if let Some(other) = covered.insert(name, test) {
                panic!("the {what} {name} is said to be covered by {other} and by {test}");
            }
            assert!(there.contains(*name), "{test} covers the {what} {name}, which there is not");
        }
    }
    let missing: Vec<&String> = there.iter().filter(|name| !covered.contains_key(name.as_str())).collect();
    assert!(
        missing.is_empty(),
        "no test covers the {what} {missing:?}: write one, and name it in covered.rs"
    );
}

#[test]
fn every_behaviour_has_a_test() {
    let there: BTreeSet<String> = BEHAVIOURS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there.len(), BEHAVIOURS.len(), "two behaviours have one name");
    check("behaviour", there, OF_BEHAVIOURS);
}

#[test]
fn every_component_has_a_test() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/examples");
    let there =
        std::fs::read_dir(&examples).unwrap_or_else(|error| panic!("{}: {error}", examples.display()));
    let stem = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
    };
    check("component", there.map(stem).collect(), OF_COMPONENTS);
}
