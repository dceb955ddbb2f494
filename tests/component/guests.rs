//! The components that the tests run, built on first use.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The bytes of one of `tests/guests/examples`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where one of `tests/guests/examples` is, once it is built.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    directory().join(format!("{name}.wasm"))
}

/// `OPERLET_TEST_GUESTS` names a directory that has them already; without it they
/// are built by the command that `cargo xtask guests` uses as well, which does
/// nothing if they are up to date.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match env::var_os("OPERLET_TEST_GUESTS") {
        Some(directory) => directory.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace.join(directory),
        None => workspace.join("target"),
    };
    let arguments =
        "build --quiet --target wasm32-unknown-unknown --profile guest --examples -p operlet-test-guests";
    let status = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&workspace)
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "the guests cannot be built: cargo {arguments}; or try: cargo xtask guests");
    target.join("wasm32-unknown-unknown/guest/examples")
}
