//! A node: a network, process and mount namespace with containerd, a kubelet and kube-proxy.

use crate::cgroup::Cgroups;
use crate::name::Name;
use crate::plan::Plan;
use crate::process::Program;
use crate::programs::Programs;
use crate::render;
use crate::state::Layout;
use crate::{files, shell};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const INIT: &str = include_str!("node.sh");
/// Directories that programs insist on, which each node covers with its own.
pub(crate) const COVERED: [&str; 3] = ["/var/lib/kubelet", "/var/lib/cni", "/var/log/containers"];
/// Where the kernel says whether bridged packets pass its packet filter.
const BRIDGE_FILTER: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// What a node is called, in the lab and in Kubernetes.
pub(crate) fn name(node: u8) -> String {
    format!("node{node}")
}

/// The cgroups of a node: of its pods, and of the programs that run them.
pub(crate) fn groups(node: u8) -> [String; 2] {
    [name(node), format!("{}-system", name(node))]
}

/// Writes a node's configuration and returns how to start it.
pub(crate) fn prepare(
    node: u8,
    lab: &Name,
    layout: &Layout,
    plan: Plan,
    programs: &Programs,
) -> Result<Program> {
    let directory = layout.node(node);
    for below in ["network", "logs", "imported", "volume-plugins"] {
        files::make(&directory.join(below))?;
    }
    let pki = layout.pki();
    let facts = render::Node {
        number: node,
        plan,
        directory: &directory,
        pki: &pki,
        programs: &programs.node,
        packages: &programs.packages,
        cgroup: Cgroups::path(lab, &name(node)),
        bridge_filter: bridge_filter(),
    };
    files::write(&directory.join("kubelet.json"), facts.kubelet().to_string())?;
    files::write(&directory.join("proxy.json"), facts.proxy().to_string())?;
    files::write(&directory.join("network/10-pods.conflist"), facts.network().to_string())?;
    files::write(&directory.join("containerd.toml"), facts.containerd())?;
    files::write(&directory.join("resolv.conf"), format!("nameserver {}\n", plan.address()))?;
    files::write(&directory.join("init.sh"), INIT)?;
    // A socket or a running container that a power cut left would confuse the next start.
    let _ = std::fs::remove_file(directory.join("containerd.sock"));
    files::remove(&directory.join("containerd/state"))?;
    files::remove(&directory.join("addresses"))?;
    let _ = std::fs::remove_file(directory.join("started"));
    Ok(program(node, lab, layout, plan, programs))
}

fn program(node: u8, lab: &Name, layout: &Layout, plan: Plan, programs: &Programs) -> Program {
    let directory = layout.node(node);
    let namespace = format!("--net=/run/netns/{}", lab.namespace(node));
    let unshare =
        ["unshare", "-m", "-p", "-f", "--mount-proc", "--propagation", "slave", "--kill-child=KILL"]
            .map(str::to_owned);
    let mut command = vec!["nsenter".to_owned(), namespace];
    command.extend(unshare);
    command.extend(["sh".to_owned(), directory.join("init.sh").display().to_string()]);
    let text = |path: &Path| path.display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let environment = [
        ("PATH", format!("{}:{}:{path}", text(&programs.node), text(&programs.packages.join("bin")))),
        ("LD_LIBRARY_PATH", text(&programs.packages.join("lib"))),
        ("XTABLES_LIBDIR", text(&programs.packages.join("xtables"))),
        ("NODE", name(node)),
        ("NODE_ADDRESS", plan.node(node).to_string()),
        ("NODE_DIRECTORY", text(&directory)),
        ("LOGS", text(&layout.path().join("logs"))),
        ("KUBERNETES", text(&programs.kubernetes)),
        ("KUBELET_KUBECONFIG", layout.key(&format!("{}.kubeconfig", name(node)))),
        ("IMAGES", format!("{} {}", text(&programs.images), text(&layout.images()))),
        ("COVERED", COVERED.join(" ")),
    ];
    Program {
        name: name(node),
        command,
        environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
        log: layout.log(&name(node)),
    }
}

/// Imports an image archive into a running node.
pub(crate) fn import(layout: &Layout, node: u8, programs: &Programs, archive: &Path) -> Result<()> {
    let mut command = Command::new(programs.node.join("ctr"));
    command.arg("--address").arg(layout.node(node).join("containerd.sock"));
    command.args(["--namespace", "k8s.io", "image", "import", "--local"]).arg(archive);
    shell::output(&mut command)?;
    if let Some(file) = archive.file_name() {
        files::write(&layout.node(node).join("imported").join(file), "")?;
    }
    Ok(())
}

/// A command that runs inside the node whose first process has this number.
pub(crate) fn inside(pid: i32, programs: &Programs) -> Command {
    let mut command = Command::new("nsenter");
    let path = std::env::var("PATH").unwrap_or_default();
    let own = [&programs.node, &programs.packages.join("bin")].map(|path| path.display().to_string());
    command
        .args(["--target", &pid.to_string(), "--mount", "--net", "--pid", "--"])
        .env("PATH", format!("{}:{path}", own.join(":")))
        .env("LD_LIBRARY_PATH", programs.packages.join("lib"))
        .env("XTABLES_LIBDIR", programs.packages.join("xtables"));
    command
}

/// Turns on the kernel's filter for bridged packets if it has one.
fn bridge_filter() -> bool {
    if !Path::new(BRIDGE_FILTER).exists()
        && let Some(modprobe) = shell::find("modprobe")
    {
        // A kernel without the module is served by another setting of kube-proxy.
        let _ = shell::run(Command::new(modprobe).arg("br_netfilter"));
    }
    Path::new(BRIDGE_FILTER).exists()
}
