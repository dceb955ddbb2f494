//! A lab: what callers hold, and what they can ask of it.

use crate::cgroup::Cgroups;
use crate::control::Component;
use crate::image;
use crate::name::Name;
use crate::network::Network;
use crate::plan::Plan;
use crate::process::Record;
use crate::programs::Programs;
use crate::progress::Progress;
use crate::state::{Labs, Layout, State};
use crate::{files, node, shell, wait};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What lab to bring up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is called.
    pub name: Name,
    /// How many nodes it has at least; without it, three or as many as it has.
    pub nodes: Option<u8>,
    /// Whether to say what is going on.
    pub progress: Progress,
}

/// A running Kubernetes cluster on this machine.
///
/// Dropping it changes nothing: a lab runs until [`Lab::down`].
#[derive(Clone, Debug)]
pub struct Lab {
    pub(crate) name: Name,
    pub(crate) labs: Labs,
    pub(crate) layout: Layout,
    pub(crate) plan: Plan,
    pub(crate) programs: Programs,
    pub(crate) cgroups: Cgroups,
    pub(crate) network: Network,
    pub(crate) progress: Progress,
}

impl Lab {
    /// Opens a lab that is up, or at least exists.
    pub fn open(name: &str, progress: Progress) -> Result<Self> {
        let name: Name = name.parse()?;
        let labs = Labs::open()?;
        let Some(state) = labs.layout(&name).load()? else {
            bail!("there is no lab `{name}`: `cargo xtask lab up --name {name}` starts it");
        };
        Self::assemble(name, labs, &state, Programs::ready(progress)?, progress)
    }

    pub(crate) fn assemble(
        name: Name,
        labs: Labs,
        state: &State,
        programs: Programs,
        progress: Progress,
    ) -> Result<Self> {
        let plan =
            Plan::new(state.index).context("the lab's index is out of range: remove it with `lab down`")?;
        let network = Network::new(plan, &name, Some(&programs.packages))?;
        let (layout, cgroups) = (labs.layout(&name), Cgroups::detect()?);
        Ok(Self { name, labs, layout, plan, programs, cgroups, network, progress })
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The kubeconfig of the cluster's administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig()
    }

    /// The directory with the logs of every program, and with `audit.log`.
    pub fn logs(&self) -> PathBuf {
        self.layout.path().join("logs")
    }

    /// The API server's audit log: a JSON object a line, one for each request.
    pub fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.log")
    }

    /// The address of a node; NodePorts are reachable there.
    pub fn node_address(&self, node: u8) -> Ipv4Addr {
        self.plan.node(node)
    }

    /// The address of the bridge, by which pods reach servers on this machine.
    pub fn address(&self) -> Ipv4Addr {
        self.plan.address()
    }

    /// The numbers of the nodes, whether or not they run.
    pub fn nodes(&self) -> Result<Vec<u8>> {
        Ok(self.state()?.nodes.into_keys().collect())
    }

    /// Runs kubectl as the administrator and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        shell::output(self.kubectl_command().args(arguments))
    }

    /// Applies manifests, given as YAML or JSON text.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        shell::feed(self.kubectl_command().args(["apply", "--filename", "-"]), manifests)
    }

    /// kubectl as the administrator, to add arguments to.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.programs.kubernetes);
        command.arg("kubectl").env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Imports an image archive into every running node, and into those that start
    /// later; returns the references that pods can use. A newer archive of the same
    /// reference replaces an older one.
    pub fn load_image(&self, archive: &Path) -> Result<Vec<String>> {
        let _lock = self.labs.lock(&self.name)?;
        let references = image::references(archive)?;
        let [first, ..] = references.as_slice() else {
            bail!("{} names no image: save it with its tag", archive.display());
        };
        let label = first.replace(['/', ':', '@'], "_");
        let digest = Sha256::digest(std::fs::read(archive)?);
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let kept = self.layout.images().join(format!("{label}@{digest}.tar"));
        for entry in std::fs::read_dir(self.layout.images())?.flatten() {
            let older = entry.file_name().to_string_lossy().starts_with(&format!("{label}@"));
            if older && entry.path() != kept {
                std::fs::remove_file(entry.path())?;
            }
        }
        let unfinished = kept.with_added_extension("unfinished");
        std::fs::copy(archive, &unfinished)
            .and_then(|_| std::fs::rename(&unfinished, &kept))
            .with_context(|| format!("cannot keep {} in the lab", archive.display()))?;
        for node in self.running_nodes()? {
            node::import(&self.layout, node, &self.programs, &kept)
                .with_context(|| format!("cannot import {} into node{node}", archive.display()))?;
        }
        Ok(references)
    }

    /// Runs a command in a node's namespaces, where Services have their addresses,
    /// and returns what it printed.
    pub fn exec_in_node(&self, node: u8, command: &[&str]) -> Result<String> {
        shell::output(self.node_command(node)?.args(command))
    }

    /// A command in a node's namespaces, to add the program and its arguments to.
    pub fn node_command(&self, node: u8) -> Result<Command> {
        let record = self.node_record(node)?.filter(Record::alive);
        let pid = record.and_then(|record| record.child());
        let pid = pid.with_context(|| format!("node{node} of lab {} does not run", self.name))?;
        Ok(node::inside(pid, &self.programs))
    }

    /// Cuts the power of a node: every process on it ends at once.
    pub fn kill_node(&self, node: u8) -> Result<()> {
        self.change(node, |lab, state| {
            if let Some(record) = lab.node_record(node)? {
                record.kill()?;
            }
            for group in node::groups(node) {
                lab.cgroups.kill(&lab.name, Some(&group))?;
            }
            state.nodes.insert(node, false);
            lab.route_services(state)
        })
    }

    /// Starts a node whose power was cut, and waits until it is Ready.
    pub fn start_node(&self, node: u8) -> Result<()> {
        self.change(node, |lab, state| {
            lab.ensure_node(node)?;
            state.nodes.insert(node, true);
            lab.route_services(state)
        })?;
        wait::nodes(self, &[node])
    }

    /// Pulls a node's cable: what runs there goes on, but nobody reaches it.
    pub fn partition_node(&self, node: u8) -> Result<()> {
        self.change(node, |lab, state| {
            lab.network.connect(node, false)?;
            lab.route_services(state)
        })
    }

    /// Plugs a node's cable in again.
    pub fn heal_node(&self, node: u8) -> Result<()> {
        self.change(node, |lab, state| {
            lab.network.connect(node, true)?;
            lab.route_services(state)
        })
    }

    /// Ends a program of the control plane at once.
    pub fn stop(&self, component: Component) -> Result<()> {
        let _lock = self.labs.lock(&self.name)?;
        self.record(component.name())?.map_or(Ok(()), |record| record.kill())
    }

    /// Starts a program of the control plane unless it runs, and waits until the API server is ready.
    pub fn start(&self, component: Component) -> Result<()> {
        {
            let _lock = self.labs.lock(&self.name)?;
            self.ensure(component)?;
        }
        match component {
            Component::Apiserver | Component::Etcd => wait::api(self),
            _ => Ok(()),
        }
    }

    /// Ends a program of the control plane and starts it again.
    pub fn restart(&self, component: Component) -> Result<()> {
        self.stop(component)?;
        self.start(component)
    }

    pub(crate) fn state(&self) -> Result<State> {
        self.layout.load()?.with_context(|| format!("lab {} is gone", self.name))
    }

    pub(crate) fn record(&self, process: &str) -> Result<Option<Record>> {
        let path = self.layout.record(process);
        path.exists().then(|| Record::load(&path)).transpose()
    }

    pub(crate) fn node_record(&self, node: u8) -> Result<Option<Record>> {
        self.record(&node::name(node))
    }

    pub(crate) fn running_nodes(&self) -> Result<Vec<u8>> {
        let mut running = Vec::new();
        for node in self.nodes()? {
            if self.node_record(node)?.is_some_and(|record| record.alive()) {
                running.push(node);
            }
        }
        Ok(running)
    }

    /// Starts a program unless it runs; says whether it had to.
    pub(crate) fn ensure(&self, component: Component) -> Result<bool> {
        if self.record(component.name())?.is_some_and(|record| record.alive()) {
            return Ok(false);
        }
        let program = component.program(&self.programs.kubernetes, &self.layout, self.plan);
        let record = program.start(&self.cgroups.make(&self.name, "control-plane")?)?;
        record.save(&self.layout.record(component.name()))?;
        Ok(true)
    }

    /// Starts a node unless it runs; says whether it had to.
    pub(crate) fn ensure_node(&self, node: u8) -> Result<bool> {
        if self.node_record(node)?.is_some_and(|record| record.alive()) {
            return Ok(false);
        }
        // What is left of the node's last life would be in the way of the next.
        self.network.remove_node(node)?;
        self.network.make_node(node)?;
        let [pods, system] = node::groups(node);
        for group in [&pods, &system] {
            self.cgroups.kill(&self.name, Some(group))?;
            self.cgroups.remove(&self.name, Some(group))?;
        }
        self.cgroups.make(&self.name, &pods)?;
        let program = node::prepare(node, &self.name, &self.layout, self.plan, &self.programs)?;
        let record = program.start(&self.cgroups.make(&self.name, &system)?)?;
        record.save(&self.layout.record(&node::name(node)))?;
        Ok(true)
    }

    /// This machine reaches Services by way of the first node that can be reached.
    pub(crate) fn route_services(&self, state: &State) -> Result<()> {
        let up = state.nodes.iter().filter(|(_, wanted)| **wanted).map(|(node, _)| *node);
        let first = up.into_iter().find(|node| self.network.connected(*node));
        first.map_or(Ok(()), |node| self.network.route_services(node))
    }

    fn change(&self, node: u8, change: impl FnOnce(&Self, &mut State) -> Result<()>) -> Result<()> {
        let _lock = self.labs.lock(&self.name)?;
        let mut state = self.state()?;
        if !state.nodes.contains_key(&node) {
            let nodes: Vec<_> = state.nodes.keys().map(|node| node.to_string()).collect();
            bail!("lab {} has no node {node}; it has {}", self.name, nodes.join(", "));
        }
        change(self, &mut state)?;
        self.layout.save(&state)
    }
}

/// Makes the directories outside the lab's own that its nodes cover, and puts them on record.
pub(crate) fn make_covered(layout: &Layout, state: &mut State) -> Result<()> {
    for path in node::COVERED.map(Path::new) {
        // The record comes first: a crash in between leaves nothing unknown behind.
        let missing: Vec<_> = path.ancestors().filter(|path| !path.exists()).map(Path::to_owned).collect();
        state.made.extend(missing);
        layout.save(state)?;
        files::make(path)?;
    }
    Ok(())
}
