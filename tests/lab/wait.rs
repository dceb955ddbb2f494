//! Waiting for what a lab promises, and saying why it does not come.

use crate::control::Component;
use crate::lab::Lab;
use crate::{dns, node, process, shell};
use anyhow::{Result, bail};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Generous: a loaded machine of two cores needs a tenth of it.
const TIMEOUT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
const LOG_LINES: usize = 8;

/// Waits until the API server serves.
pub(crate) fn api(lab: &Lab) -> Result<()> {
    let address = SocketAddr::from((lab.plan.address(), 6443));
    let (etcd, server) = (Component::Etcd.name(), Component::Apiserver.name());
    until(lab, "the API server to be ready", &[etcd, server], || {
        TcpStream::connect_timeout(&address, PAUSE).is_ok() && succeeds(lab, &["get", "--raw", "/readyz"])
    })
}

/// Waits until nodes are Ready.
pub(crate) fn nodes(lab: &Lab, nodes: &[u8]) -> Result<()> {
    let names: Vec<String> = nodes.iter().copied().map(node::name).collect();
    let processes: Vec<&str> = names.iter().map(String::as_str).collect();
    let started = |node: &u8| lab.layout.node(*node).join("started").exists();
    until(lab, "the nodes to be Ready", &processes, || nodes.iter().all(started) && ready(lab, &names))
}

/// Waits until names of Services resolve.
pub(crate) fn dns(lab: &Lab) -> Result<()> {
    let (server, expected) = (lab.plan.address(), lab.plan.first_service());
    until(lab, "the cluster's DNS to answer", &[Component::Dns.name()], || {
        dns::resolves(server, "kubernetes.default.svc.cluster.local", expected)
    })
}

/// Waits until pods can be created in the namespace `default`.
pub(crate) fn accounts(lab: &Lab) -> Result<()> {
    until(lab, "the service account `default`", &[Component::ControllerManager.name()], || {
        succeeds(lab, &["--namespace", "default", "get", "serviceaccount", "default"])
    })
}

fn ready(lab: &Lab, names: &[String]) -> bool {
    let path =
        r#"{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    let Ok(answer) = lab.kubectl(&["get", "nodes", "--output", &format!("jsonpath={path}")]) else {
        return false;
    };
    names.iter().all(|name| answer.lines().any(|line| line == format!("{name}=True")))
}

fn succeeds(lab: &Lab, arguments: &[&str]) -> bool {
    let mut command = lab.kubectl_command();
    shell::run(command.args(arguments)).is_ok_and(|output| output.status.success())
}

/// Asks again and again, and gives up when one of the processes it depends on has ended.
fn until(lab: &Lab, what: &str, processes: &[&str], good: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !good() {
        for name in processes {
            if lab.record(name)?.is_some_and(|record| !record.alive()) {
                bail!("{name} ended while waiting for {what}; its last words:\n{}", last_words(lab, name));
            }
        }
        if Instant::now() > deadline {
            let words: Vec<_> =
                processes.iter().map(|name| format!("{name}:\n{}", last_words(lab, name))).collect();
            bail!("waited {} s in vain for {what}; last words of\n{}", TIMEOUT.as_secs(), words.join("\n"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn last_words(lab: &Lab, process: &str) -> String {
    process::last_lines(&lab.layout.log(process), LOG_LINES)
}
