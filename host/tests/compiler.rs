//! Components are compiled by another process of the same program.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::PathBuf;

use operlet::engine::{Engine, EngineOptions, LoadError};

/// A component with nothing in it.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn refusal(compiler: Option<&str>, bytes: &[u8]) -> LoadError {
    let options = EngineOptions { compiler: compiler.map(PathBuf::from), ..EngineOptions::default() };
    match Engine::new(options).unwrap().load(bytes) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

#[test]
fn the_process_answers_what_compiling_in_place_would() {
    let cut = [EMPTY_COMPONENT, b"\x01\x10\0asm"].concat();
    let junk = [EMPTY_COMPONENT, b"\x7f\x01\x00"].concat();
    for bytes in [EMPTY_COMPONENT, &cut, &junk] {
        let there = refusal(Some(env!("CARGO_BIN_EXE_operlet")), bytes);
        assert_eq!(there, refusal(None, bytes));
        assert!(!matches!(there, LoadError::NotCompiled { .. }), "{there}");
    }
    // It was compiled, taken over and looked into.
    let compiled = refusal(Some(env!("CARGO_BIN_EXE_operlet")), EMPTY_COMPONENT);
    assert!(matches!(compiled, LoadError::NoReconciler { .. }), "{compiled}");
}

#[test]
fn a_process_that_fails_is_no_fault_of_the_component() {
    for (program, says) in [("/bin/false", "without a word"), ("/no/such/program", "No such file")] {
        let error = refusal(Some(program), EMPTY_COMPONENT);
        assert!(matches!(error, LoadError::NotCompiled { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
