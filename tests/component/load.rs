//! What is not a component for this host is refused, with words that help the
//! person who shipped it.

use operlet::engine::{CallError, Component, DescribeError, Engine, EngineOptions, LoadError};

use crate::guests::guest;

pub(crate) fn engine() -> Engine {
    Engine::new(EngineOptions::default()).unwrap()
}

fn refusal(bytes: &[u8]) -> LoadError {
    match engine().load(bytes) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

fn check(bytes: &[u8], matches: impl Fn(&LoadError) -> bool, says: &[&str]) {
    let error = refusal(bytes);
    assert!(matches(&error), "{error:?}");
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!text.contains('\n'), "a condition's message is one line: {text}");
}

#[test]
fn no_bytes_are_refused() {
    check(b"", |error| *error == LoadError::Empty, &["empty"]);
}

#[test]
fn random_bytes_are_refused_with_what_they_begin_with() {
    let is = |error: &LoadError| matches!(error, LoadError::NotWebAssembly { .. });
    check(&[0x9e, 0x01, 0x7f, 0x33, 0xd2], is, &["not WebAssembly", "9e 01 7f 33 d2"]);
    check(&[0x28, 0xb5, 0x2f, 0xfd, 0x24], is, &["zstd", "component.wasm.zst"]);
    check(b"(component)", is, &["text form", "wasm-tools parse"]);
}

#[test]
fn a_component_above_the_limit_is_refused_before_it_is_compiled() {
    let is = |error: &LoadError| matches!(error, LoadError::TooLarge { .. });
    check(&vec![0; 16 * 1024 * 1024 + 1], is, &["16777217", "16777216"]);
}

#[test]
fn a_core_module_is_refused_with_how_to_make_a_component() {
    check(
        &wat::parse_str("(module)").unwrap(),
        |error| *error == LoadError::CoreModule,
        &["wasm-component-ld"],
    );
}

#[test]
fn a_truncated_component_is_refused_wherever_it_is_cut() {
    let whole = guest("misbehaving");
    let is = |error: &LoadError| matches!(error, LoadError::Truncated { .. });
    for length in [5, 9, 100, whole.len() / 2, whole.len() - 1] {
        check(&whole[..length], is, &["cut off", &length.to_string()]);
    }
}

#[test]
fn a_damaged_component_is_refused_or_is_another_one() {
    let (engine, whole) = (engine(), guest("misbehaving"));
    let intact = engine.load(&whole).unwrap();
    for position in (8..whole.len()).step_by(whole.len() / 20) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        // What counts is that the host survives it; the digest tells it apart.
        if let Ok(component) = engine.load(&damaged) {
            assert_ne!(component.digest(), intact.digest());
        }
    }
}

#[test]
fn an_import_of_wasi_is_refused_by_name_with_a_hint() {
    let text = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance
            (export "get-arguments" (func (result (list string)))))))"#;
    check(
        &wat::parse_str(text).unwrap(),
        |error| matches!(error, LoadError::Import { .. }),
        &["wasi:cli/environment@0.2.0", "wasm32-unknown-unknown", "operlet:operator/diagnostics@0.1.0"],
    );
}

#[test]
fn the_wrong_world_is_refused_with_what_it_exports() {
    check(
        &guest("policy"),
        |error| matches!(error, LoadError::NoReconciler { .. }),
        &["operlet:operator/reconciler@0.1.0", "operlet:operator/admission@0.1.0", "world `operator`"],
    );
    check(
        &wat::parse_str("(component)").unwrap(),
        |error| matches!(error, LoadError::NoReconciler { .. }),
        &["nothing at all"],
    );
}

#[test]
fn an_unknown_contract_is_refused_with_both_versions() {
    let is = |error: &LoadError| matches!(error, LoadError::ContractVersion { .. });
    check(&guest("unknown_contract"), is, &["version 0.2.0", "knows 0.1.0"]);
}

/// Semantic versioning calls 0.1.9 compatible with 0.1.0, and the engine would
/// link it.
#[test]
fn a_compatible_version_of_the_contract_is_unknown_all_the_same() {
    let bytes = replace(&guest("misbehaving"), b"@0.1.0", b"@0.1.9");
    let is = |error: &LoadError| matches!(error, LoadError::ContractVersion { .. });
    check(&bytes, is, &["version 0.1.9", "knows 0.1.0"]);
}

#[test]
fn a_function_of_another_type_is_refused() {
    let text = r#"(component
        (core module $m (func (export "describe")))
        (core instance $i (instantiate $m))
        (func $describe (canon lift (core func $i "describe")))
        (instance $reconciler (export "describe" (func $describe)))
        (export "operlet:operator/reconciler@0.1.0" (instance $reconciler)))"#;
    check(
        &wat::parse_str(text).unwrap(),
        |error| matches!(error, LoadError::TypeMismatch { .. }),
        &["operlet:operator/reconciler.describe"],
    );
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut replaced = bytes.to_vec();
    let mut position = 0;
    while let Some(window) = replaced.get_mut(position..position + from.len()) {
        if window == from {
            window.copy_from_slice(to);
        }
        position += 1;
    }
    replaced
}

pub(crate) fn load(name: &str) -> Component {
    engine().load(&guest(name)).unwrap()
}

#[test]
fn a_good_component_is_loaded_and_says_what_it_is_made_of() {
    let component = load("misbehaving");
    assert!(component.imports().contains(&"operlet:operator/diagnostics@0.1.0".to_owned()));
    assert!(component.exports().contains(&"operlet:operator/reconciler@0.1.0".to_owned()));
    assert_eq!(component.digest(), load("misbehaving").digest());
}

#[tokio::test]
async fn a_good_component_is_described() {
    let manifest = load("misbehaving").describe().await.unwrap();
    assert_eq!((manifest.name.as_str(), manifest.contract.as_str()), ("things", "0.1.0"));
    assert_eq!(manifest.primary.kind.to_string(), "Thing.v1.test.operlet.dev");
    assert_eq!(manifest.children.len(), 2);
}

#[tokio::test]
async fn a_component_that_traps_in_describe_is_refused_with_the_panics_message() {
    let error = load("describe_traps").describe().await.unwrap_err();
    assert!(matches!(error, DescribeError::Call(CallError::Trap { .. })), "{error:?}");
    assert!(error.to_string().contains("it does not know what it is"), "{error}");
}

#[tokio::test]
async fn a_manifest_that_contradicts_the_export_is_refused() {
    let error = load("describe_invalid").describe().await.unwrap_err();
    assert!(matches!(error, DescribeError::Manifest(_)), "{error:?}");
    for version in ["0.3.0", "0.1.0"] {
        assert!(error.to_string().contains(version), "{error}");
    }
}
