//! Runs a case and compares what was answered with what a real API server answers.

use std::{env, fs, path::PathBuf, sync::Arc};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use operlet_sim::{ApiServer, Controllers};
use serde_json::{Value, json};

use crate::script::Script;

const CLUSTER: &str = "OPERLET_CONFORMANCE_KUBECONFIG";
const BLESS: &str = "OPERLET_BLESS";

/// The API server that is asked: a real one if there is one.
async fn client() -> Client {
    let Some(path) = env::var_os(CLUSTER) else {
        let clock: operlet_sim::Clock = Arc::new(jiff::Timestamp::now);
        let server = ApiServer::new(clock, 1);
        tokio::spawn(Controllers::without_applications(server.clone()).run());
        return server.administrator();
    };
    let file = Kubeconfig::read_from(path).expect("the file of the cluster");
    let mut config =
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a cluster");
    // What is refused for now is an answer, too.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// Runs a case.
pub(crate) async fn check(name: &str, case: impl AsyncFnOnce(&mut Script)) {
    let real = env::var_os(CLUSTER).is_some();
    let mark = format!("c{:08x}", checksum(name) ^ if real { std::process::id() } else { 0 });
    let namespace = format!("conformance-{mark}");
    let client = client().await;
    let spaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(client.clone());
    let space = json!({ "metadata": { "name": namespace } });
    let space = serde_json::from_value(space).expect("a namespace");
    spaces.create(&Default::default(), &space).await.expect("a namespace of its own");
    let mut script = Script::new(client, &namespace, &mark);
    case(&mut script).await;
    script.end().await;
    let answers = script.transcript();
    drop(spaces.delete(&namespace, &Default::default()).await);
    println!("{name}: {:?}", script.codes());

    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/conformance/golden/{name}.json"));
    if real && env::var_os(BLESS).is_some() {
        fs::write(&path, format!("{answers:#}\n")).expect("a file to keep the answers in");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let kept: Vec<Value> = serde_json::from_str(&kept).expect("answers that are kept are JSON");
    let answers = answers.as_array().expect("a list of answers");
    for (number, (expected, answer)) in kept.iter().zip(answers).enumerate() {
        let differs = differences("", expected, answer);
        assert!(
            differs.is_empty(),
            "answer {number} to {} differs from that of a real API server:\n{}",
            expected["request"],
            differs.join("\n")
        );
    }
    assert_eq!(kept.len(), answers.len(), "the number of answers");
}

/// Where two answers differ, a line for each place.
fn differences(path: &str, expected: &Value, is: &Value) -> Vec<String> {
    match (expected, is) {
        (Value::Object(expected), Value::Object(is)) => {
            let mut keys: Vec<&String> = expected.keys().chain(is.keys()).collect();
            keys.sort();
            keys.dedup();
            let at = |object: &serde_json::Map<String, Value>, key: &str| object.get(key).cloned();
            let of = |key: &String| match (at(expected, key), at(is, key)) {
                (Some(expected), Some(is)) => differences(&format!("{path}/{key}"), &expected, &is),
                (expected, is) => {
                    vec![format!("  {path}/{key}: expected {}, is {}", shown(&expected), shown(&is))]
                }
            };
            keys.into_iter().flat_map(of).collect()
        }
        (Value::Array(expected), Value::Array(is)) if expected.len() == is.len() => {
            let pairs = expected.iter().zip(is).enumerate();
            pairs
                .flat_map(|(place, (expected, is))| differences(&format!("{path}/{place}"), expected, is))
                .collect()
        }
        (expected, is) if expected == is => Vec::new(),
        (expected, is) => vec![format!("  {path}: expected {expected}, is {is}")],
    }
}

fn shown(value: &Option<Value>) -> String {
    value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// FNV-1a, to give each case names of its own.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
