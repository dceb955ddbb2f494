//! `docs/authoring.md`, followed to the letter.

use std::process::Command;

use crate::{
    cluster::{Cluster, root, shared},
    kubectl::{check, eventually},
};

/// The commands of the document: its blocks marked `sh`.
fn commands(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in document.lines() {
        match (&mut block, line.trim()) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// A directory with a `kubectl` that speaks to the lab.
fn tools(cluster: &Cluster) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("kubectl");
    let program = cluster.lab.kubectl_command().get_program().to_string_lossy().into_owned();
    std::fs::write(&script, format!("#!/bin/sh\nexec {program} kubectl \"$@\"\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn the_second_operlet_runs_beside_the_first_by_the_commands_of_the_document() {
    let (cluster, _guard) = shared();
    let document = std::fs::read_to_string(root().join("docs/authoring.md")).unwrap();
    let commands = commands(&document);
    assert!(commands.len() >= 4, "the document has commands");
    let tools = tools(cluster);
    let operlet = std::env::var("OPERLET_BIN").expect("OPERLET_BIN is set by `cargo xtask test lab`");
    let operlet = std::path::Path::new(&operlet).parent().unwrap().display().to_string();
    let path = format!("{}:{operlet}:{}", tools.path().display(), std::env::var("PATH").unwrap_or_default());
    for block in commands {
        println!("{block}");
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &block])
            .current_dir(root())
            .env("PATH", &path)
            .env("KUBECONFIG", cluster.lab.kubeconfig())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        println!("{text}");
        assert!(output.status.success(), "{block}\n{text}");
    }
    cluster.operlet_is_ready("namespace-baseline");
    cluster.operlet_is_ready("redis");
    eventually("the baseline's objects are there", || {
        let found =
            cluster.kubectl.run(&["get", "resourcequotas", "-A", "-l", "operlet.dev/owner", "-o", "name"]);
        check(!found.trim().is_empty(), "no ResourceQuota")
    });
}
