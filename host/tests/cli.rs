//! The commands that need no cluster, run as a user runs them.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop, wherever it is; the names of tests are their docs"
)]

#[path = "../../tests/component/guests.rs"]
mod guests;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use guests::{guest, guest_path};
use serde_json::Value;

/// A directory of this test's own, removed when it ends well.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn operlet(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_operlet"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read its input closes it early.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = operlet(arguments, b"");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(arguments: &[&str], code: i32, says: &[&str]) {
    let output = operlet(arguments, b"");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for part in says {
        assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
    }
}

fn misbehaving() -> String {
    guest_path("misbehaving").to_str().unwrap().to_owned()
}

const THING: &str = "apiVersion: test.operlet.dev/v1\nkind: Thing\nmetadata: {name: a}\nspec: {size: 3}\n";

#[test]
fn inspect_tells_what_a_component_is_and_which_rights_it_needs() {
    let text = succeeds(&["inspect", &misbehaving()]);
    for part in [
        "things 0.1.0",
        "sha256:",
        "compressed with zstd",
        "test.operlet.dev/v1 Thing",
        "v1 ConfigMap, deleted when no longer wanted",
        "v1 Secret, never deleted",
        "operlet:operator/diagnostics@0.1.0",
        "operlet:operator/reconciler@0.1.0",
        "kind: ClusterRole",
        "things/status",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn inspect_tells_programs_the_same() {
    let json: Value = serde_json::from_str(&succeeds(&["inspect", &misbehaving(), "-o", "json"])).unwrap();
    let yaml: Value = serde_saphyr::from_str(&succeeds(&["inspect", &misbehaving(), "-o", "yaml"])).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json["manifest"]["primary"]["plural"], "things");
    assert_eq!(json["bytes"]["unpacked"], guest("misbehaving").len());
    assert_eq!(json["clusterRole"]["kind"], "ClusterRole");
}

#[test]
fn a_component_may_come_by_standard_input() {
    let output = operlet(&["inspect", "-"], &guest("misbehaving"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("things 0.1.0"));
}

#[test]
fn what_is_no_component_is_refused_by_every_command() {
    let scratch = Scratch::new("no-component");
    let junk = scratch.file("junk.wasm", b"\x01\x02\x03");
    let resource = scratch.file("thing.yaml", THING);
    fails(&["inspect", &junk], 1, &["junk.wasm", "not WebAssembly", "01 02 03"]);
    fails(&["package", &junk, "--name", "junk"], 1, &["junk.wasm", "not WebAssembly"]);
    fails(&["render", &junk, "-f", &resource], 1, &["junk.wasm", "not WebAssembly"]);
    fails(&["inspect", "nowhere.wasm"], 1, &["nowhere.wasm", "No such file"]);
    let traps = guest_path("describe_traps");
    fails(&["package", traps.to_str().unwrap(), "--name", "a"], 1, &["describe", "does not know what it is"]);
}

#[test]
fn an_error_names_its_cause_once() {
    let policy = guest_path("policy");
    let output = operlet(&["inspect", policy.to_str().unwrap()], b"");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("is not an operator").count(), 1, "{stderr}");
}

#[test]
fn wrong_arguments_are_told_apart_from_wrong_input() {
    fails(&["inspect"], 2, &["COMPONENT"]);
    fails(&["package", &misbehaving(), "--name", "Not_A_Name"], 2, &["lower-case"]);
    fails(&["render", &misbehaving(), "-f", "x", "--entropy", "abc"], 2, &["64"]);
    fails(&["inspect", &misbehaving(), "--log", "a=b=c"], 2, &["--log"]);
}

#[test]
fn package_makes_a_config_map_that_unpacks_to_the_component() {
    let text = succeeds(&["package", &misbehaving(), "--name", "things", "--namespace", "platform"]);
    let config_map: k8s_openapi::api::core::v1::ConfigMap = serde_saphyr::from_str(&text).unwrap();
    assert!(text.starts_with("apiVersion: v1\nkind: ConfigMap\n"), "{}", &text[..80]);
    assert_eq!(config_map.metadata.name.as_deref(), Some("things-operlet"));
    assert_eq!(config_map.metadata.namespace.as_deref(), Some("platform"));
    let bytes = guest("misbehaving");
    assert_eq!(operlet::operlets::unpack(&config_map).unwrap(), bytes);
    let annotations = config_map.metadata.annotations.unwrap();
    assert_eq!(annotations["operlet.dev/digest"], operlet::model::Digest::of(&bytes).to_string());
    assert_eq!(annotations["operlet.dev/version"], "0.1.0");
}

#[test]
fn package_writes_a_file_and_tells_the_sizes() {
    let scratch = Scratch::new("package");
    let file = scratch.file("out.yaml", "");
    let output = operlet(&["package", &misbehaving(), "--name", "things", "-o", &file], b"");
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(fs::read_to_string(&file).unwrap().contains("kind: ConfigMap"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("compressed, of 1048576"), "{stderr}");
}

#[test]
fn package_refuses_what_does_not_fit_with_the_sizes() {
    let scratch = Scratch::new("too-large");
    let mut bytes = guest("misbehaving");
    bytes.extend(custom_section(&noise(1_200_000)));
    let file = scratch.file("large.wasm", &bytes);
    let unpacked = format!("{} unpacked", bytes.len());
    fails(&["package", &file, "--name", "large"], 1, &["large.wasm", "1048576", &unpacked, "smaller"]);
}

/// A custom section, which every component may have, with incompressible bytes.
fn custom_section(content: &[u8]) -> Vec<u8> {
    let mut section = vec![0];
    let mut length = content.len() + 2;
    while length >= 0x80 {
        section.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    section.extend([length as u8, 1, b'x']);
    section.extend(content);
    section
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn render_prints_objects_as_documents_and_the_rest_as_comments() {
    let scratch = Scratch::new("render");
    let resource = scratch.file("thing.yaml", THING);
    let text = succeeds(&["render", &misbehaving(), "-f", &resource]);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let kinds: Vec<_> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "Secret"], "{text}");
    for part in
        ["# ensure", "# create, if it is not there", "Ready=True Tested", "Shown (Show)", "after 60000 ms"]
    {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert_eq!(text, succeeds(&["render", &misbehaving(), "-f", &resource]));
}

#[test]
fn render_shows_the_component_what_it_is_told_to() {
    let scratch = Scratch::new("render-observed");
    let resource = scratch.file("thing.yaml", THING);
    scratch.file("observed/pods.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    scratch.file("observed/others.json", r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}]}"#);
    let entropy = "0a".repeat(32);
    let observed = scratch.0.join("observed");
    let output = operlet(
        &[
            "render",
            &misbehaving(),
            "-f",
            &resource,
            "--observed",
            observed.to_str().unwrap(),
            "--now",
            "42",
            "--entropy",
            &entropy,
            "-o",
            "json",
        ],
        b"",
    );
    let decision: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = &decision["settle"]["intents"][0]["ensure"]["object"]["data"]["value"];
    assert_eq!(shown, &format!("now 42 entropy {entropy} round 0 seen 2 gone 0 answers 0 probes 0"));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("namespace default") && notes.contains("v1 Node"), "{notes}");
}

#[test]
fn render_takes_settings_from_a_file_or_an_operlet() {
    let scratch = Scratch::new("render-settings");
    let resource = scratch.file("thing.yaml", THING);
    let plain = scratch.file("settings.yaml", "behaviour: invalid\n");
    let operlet = scratch.file("operlet.yaml", "kind: Operlet\nspec: {settings: {behaviour: invalid}}\n");
    for settings in [plain, operlet] {
        let arguments = ["render", &misbehaving(), "-f", &resource, "--settings", &settings];
        fails(&arguments, 1, &["the resource is invalid: spec.size: must be odd"]);
    }
}

#[test]
fn render_refuses_what_is_not_the_components_resource() {
    let scratch = Scratch::new("render-refused");
    let other = scratch.file("other.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    fails(&["render", &misbehaving(), "-f", &other], 1, &["it is a v1 Pod", "test.operlet.dev/v1 Thing"]);
    let nameless = scratch.file("nameless.yaml", "apiVersion: test.operlet.dev/v1\nkind: Thing\n");
    fails(&["render", &misbehaving(), "-f", &nameless], 1, &["nameless.yaml", "metadata.name"]);
    let broken = scratch.file("broken.yaml", "a: [1\n");
    fails(&["render", &misbehaving(), "-f", &broken], 1, &["broken.yaml", "not valid YAML"]);
    let two = scratch.file("two.yaml", format!("{THING}---\n{THING}"));
    fails(&["render", &misbehaving(), "-f", &two], 1, &["exactly one object"]);
}

#[test]
fn render_tells_what_the_host_would_refuse() {
    let scratch = Scratch::new("render-plan");
    let resource = scratch.file("thing.yaml", THING);
    for (behaviour, says) in [("undeclared-kind", "Job"), ("other-namespace", "kube-system")] {
        let settings = scratch.file("settings.yaml", format!("behaviour: {behaviour}\n"));
        let arguments = ["render", &misbehaving(), "-f", &resource, "--settings", &settings];
        fails(&arguments, 1, &["the host would refuse", says]);
    }
}
