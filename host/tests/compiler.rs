//! Components are compiled by another process of the same program.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, os::unix::fs::PermissionsExt as _};

use operlet::engine::{Compiler, Engine, EngineOptions, LoadError};

/// A component with nothing in it.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What compiling takes, and much more.
const MEMORY_BYTES: u64 = 320 * 1024 * 1024;

fn refusal(compiler: Option<&str>, bytes: &[u8]) -> LoadError {
    let compiler = compiler.map(|program| Compiler { program: program.into(), memory_bytes: MEMORY_BYTES });
    refusal_by(compiler, bytes, &|| false)
}

fn refusal_by(compiler: Option<Compiler>, bytes: &[u8], stop: &dyn Fn() -> bool) -> LoadError {
    let options = EngineOptions { compiler, ..EngineOptions::default() };
    match Engine::new(options).unwrap().load_unless(bytes, stop) {
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

#[test]
fn the_process_takes_no_more_memory_than_it_may() {
    let compiler = Compiler { program: env!("CARGO_BIN_EXE_operlet").into(), memory_bytes: 1024 * 1024 };
    let error = refusal_by(Some(compiler), EMPTY_COMPONENT, &|| false);
    assert!(matches!(error, LoadError::NotCompiled { .. }), "{error:?}");
    assert!(error.to_string().contains("more than the 1 MiB"), "{error}");
}

#[test]
fn one_that_is_not_waited_for_any_more_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("compiles-for-ever");
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let compiler = Compiler { program, memory_bytes: MEMORY_BYTES };
    let error = refusal_by(Some(compiler), EMPTY_COMPONENT, &|| true);
    assert!(error.to_string().contains("not waited for"), "{error}");
}
