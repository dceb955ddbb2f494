//! The lab's network: a bridge, and for each node a namespace with a cable to it.
//!
//! Nothing leaves this machine: a node has no default route, and what belongs
//! to the lab but is not there is dropped here instead of being sent on.

use crate::name::Name;
use crate::plan::Plan;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The network of one lab.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    ip: PathBuf,
    libraries: Option<PathBuf>,
    plan: Plan,
    name: Name,
}

impl Network {
    /// The network of a lab; `fetched` is where the lab keeps programs that a bare machine lacks.
    pub(crate) fn new(plan: Plan, name: &Name, fetched: Option<&Path>) -> Result<Self> {
        let (ip, libraries) = match (shell::find("ip"), fetched) {
            (Some(ip), _) => (ip, None),
            (None, Some(fetched)) => (fetched.join("bin/ip"), Some(fetched.join("lib"))),
            (None, None) => bail!("the program `ip` is missing: apt-get install iproute2"),
        };
        Ok(Self { ip, libraries, plan, name: name.clone() })
    }

    /// Makes the bridge, unless it is there.
    pub(crate) fn make_bridge(&self) -> Result<()> {
        let (bridge, plan) = (self.plan.bridge(), self.plan);
        if !exists(&bridge) {
            self.ip(&["link", "add", &bridge, "type", "bridge"])?;
        }
        self.ip(&["address", "replace", &format!("{}/24", plan.address()), "dev", &bridge])?;
        self.ip(&["link", "set", &bridge, "up"])?;
        self.ip(&["route", "replace", "blackhole", &plan.everything()])?;
        // Only packets that come in by the bridge are forwarded: the machine's
        // own settings stay as they are, and this one goes with the bridge.
        set(&format!("net/ipv4/conf/{bridge}/forwarding"), "1")?;
        set(&format!("net/ipv4/conf/{bridge}/send_redirects"), "0")
    }

    /// Makes the namespace of a node and its cable, unless they are there.
    pub(crate) fn make_node(&self, node: u8) -> Result<()> {
        let (namespace, cable, plan) = (self.name.namespace(node), self.plan.cable(node), self.plan);
        if !Path::new("/run/netns").join(&namespace).exists() {
            self.ip(&["netns", "add", &namespace])?;
        }
        if !exists(&cable) {
            self.ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        }
        let mut inside = String::new();
        writeln!(inside, "link set lo up")?;
        writeln!(inside, "address replace {}/24 dev eth0", plan.node(node))?;
        writeln!(inside, "link set eth0 up")?;
        writeln!(inside, "route replace {} via {}", plan.everything(), plan.address())?;
        self.batch(&["-n", &namespace], &inside)?;
        self.ip(&["link", "set", &cable, "master", &plan.bridge(), "up"])?;
        self.ip(&["route", "replace", &plan.pods(node), "via", &plan.node(node).to_string()])
    }

    /// Sends this machine's own traffic to Services by way of a node.
    pub(crate) fn route_services(&self, node: u8) -> Result<()> {
        self.ip(&["route", "replace", &self.plan.services(), "via", &self.plan.node(node).to_string()])
    }

    /// Pulls the cable of a node, or plugs it in.
    pub(crate) fn connect(&self, node: u8, connected: bool) -> Result<()> {
        self.ip(&["link", "set", &self.plan.cable(node), if connected { "up" } else { "down" }])?;
        if connected {
            // The kernel forgets the routes' neighbours, not the routes; replacing costs nothing.
            self.ip(&["route", "replace", &self.plan.pods(node), "via", &self.plan.node(node).to_string()])?;
        }
        Ok(())
    }

    /// Whether the cable of a node is plugged in.
    pub(crate) fn connected(&self, node: u8) -> bool {
        let flags = std::fs::read_to_string(format!("/sys/class/net/{}/flags", self.plan.cable(node)));
        let flags =
            flags.ok().and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }

    /// Whether the bridge is there.
    pub(crate) fn present(&self) -> bool {
        exists(&self.plan.bridge())
    }

    /// Removes the namespace of a node, and with it its end of the cable.
    pub(crate) fn remove_node(&self, node: u8) -> Result<()> {
        let (namespace, cable) = (self.name.namespace(node), self.plan.cable(node));
        if exists(&cable) {
            self.ip(&["link", "delete", &cable])?;
        }
        if Path::new("/run/netns").join(&namespace).exists() {
            self.ip(&["netns", "delete", &namespace])?;
        }
        Ok(())
    }

    /// Removes the bridge and every route of the lab.
    pub(crate) fn remove_bridge(&self) -> Result<()> {
        if exists(&self.plan.bridge()) {
            self.ip(&["link", "delete", &self.plan.bridge()])?;
        }
        // The other routes went with the bridge.
        let mut flush = self.command(&["route", "delete", "blackhole", &self.plan.everything()]);
        let _ = shell::run(&mut flush)?;
        Ok(())
    }

    /// Whether any other interface or route of this machine has the addresses of a plan.
    pub(crate) fn taken(&self) -> Result<bool> {
        let network = self.plan.everything();
        let routes =
            shell::output(&mut self.command(&["-4", "route", "show", "table", "all", "root", &network]))?;
        Ok(exists(&self.plan.bridge()) || !routes.trim().is_empty())
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        shell::output(&mut self.command(arguments)).map(drop)
    }

    fn batch(&self, arguments: &[&str], lines: &str) -> Result<()> {
        shell::feed(self.command(arguments).args(["-batch", "-"]), lines).map(drop)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ip);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.args(arguments);
        command
    }
}

fn exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

fn set(setting: &str, value: &str) -> Result<()> {
    std::fs::write(Path::new("/proc/sys").join(setting), value)
        .with_context(|| format!("cannot set {setting} to {value}"))
}
