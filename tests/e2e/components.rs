//! Components that must not take over.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, alone},
    kubectl::{check, eventually},
    redis::Redis,
};

/// A component that `cargo xtask test lab` has built.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("OPERLET_COMPONENTS")
        .map_or_else(|| panic!("OPERLET_COMPONENTS is not set; run `cargo xtask test lab`"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// More than a ConfigMap holds beside what else is in it.
const LARGE: usize = 900 * 1024;

/// A ConfigMap with these bytes as its component, compressed if it would hold no more.
pub(crate) fn config_map(name: &str, bytes: &[u8]) -> Value {
    let data = match bytes.len() {
        ..LARGE => json!({ "component.wasm": STANDARD.encode(bytes) }),
        _ => json!({ "component.wasm.zst": STANDARD.encode(zstd::encode_all(bytes, 3).unwrap()) }),
    };
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": HOST_NAMESPACE },
        "binaryData": data,
    })
}

fn ship(cluster: &Cluster, bytes: &[u8]) {
    cluster.kubectl.apply(&config_map("redis-operlet", bytes).to_string());
}

fn candidate(cluster: &Cluster) -> Value {
    cluster.kubectl.get("", "operlets", "redis").unwrap()["status"]["candidate"].clone()
}

const WASI: &str = r#"(component
    (import "wasi:cli/environment@0.2.0" (instance (export "get-arguments" (func (result (list string)))))))"#;

#[test]
fn a_bad_component_never_takes_over_and_the_reason_is_told() {
    let (cluster, _guard) = alone();
    let namespace = cluster.namespace("e2e-bad");
    let redis = Redis::apply(&namespace, "unharmed", &json!({ "replicas": 0 }));
    redis.is_running(1);
    let good = component("operlet_redis");
    let live = || cluster.kubectl.get("", "operlets", "redis").unwrap()["status"]["live"]["digest"].clone();
    let before = live();
    let junk: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let bad: [(&str, Vec<u8>, &[&str]); 7] = [
        ("random bytes", junk, &["not WebAssembly"]),
        ("truncated", good[..good.len() / 2].to_vec(), &["cut off"]),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), &["core WebAssembly module"]),
        ("the wrong world", component("policy"), &["reconciler"]),
        ("a WASI import", wat::parse_str(WASI).unwrap(), &["wasi:cli/environment@0.2.0"]),
        ("describe traps", component("describe_traps"), &["describe"]),
        ("an unknown contract", component("unknown_contract"), &["0.1.0"]),
    ];
    for (what, bytes, words) in bad {
        ship(cluster, &bytes);
        let refused = eventually(what, || {
            let candidate = candidate(cluster);
            let message = candidate["message"].as_str().unwrap_or_default().to_owned();
            let told = candidate["phase"] == "Refused" && words.iter().all(|word| message.contains(word));
            check(told, candidate.to_string())?;
            Ok(message)
        });
        println!("{what}: {refused}");
        assert_eq!(live(), before, "{what}: the old one is live");
        let start: String = refused.chars().take(60).collect();
        eventually("an event names the reason", || {
            let events = cluster.kubectl.run(&[
                "get",
                "events",
                "-n",
                "default",
                "--field-selector",
                "involvedObject.kind=Operlet",
                "-o",
                "json",
            ]);
            check(
                events.contains(&serde_json::to_string(&start).unwrap()[1..start.len()]),
                format!("{start}: no event"),
            )
        });
    }
    redis.set(&json!({ "replicas": 1 }));
    redis.is_running(2);

    // The source still holds the last bad one.
    let pod = cluster.kubectl.run(&[
        "get",
        "pods",
        "-n",
        HOST_NAMESPACE,
        "-l",
        "app.kubernetes.io/name=operlet",
        "-o",
        "name",
    ]);
    cluster.kubectl.run(&["delete", "-n", HOST_NAMESPACE, pod.trim()]);
    redis.set(&json!({ "replicas": 0 }));
    redis.is_running(1);
    assert_eq!(live(), before, "the live one was loaded again");
    assert_eq!(candidate(cluster)["phase"], "Refused");

    ship(cluster, &good);
    eventually("the good one is no candidate", || {
        check(candidate(cluster).is_null(), candidate(cluster).to_string())
    });
    cluster.operlet_is_ready("redis");
}

#[test]
fn a_packaged_component_can_be_shipped_again_after_all_this() {
    let (cluster, _guard) = alone();
    cluster.install_redis();
    let shipped = cluster.kubectl.get(HOST_NAMESPACE, "configmaps", "redis-operlet").unwrap();
    assert!(
        shipped["binaryData"].get("component.wasm.zst").is_some(),
        "compressed, as `operlet package` makes it"
    );
    let digest = &shipped["metadata"]["annotations"]["operlet.dev/digest"];
    eventually("it is live", || {
        let status = cluster.kubectl.get("", "operlets", "redis").unwrap()["status"].clone();
        check(digest.is_string() && status["live"]["digest"] == *digest, status.to_string())
    });
}
