//! `cargo xtask lab`: the lab for people.

use crate::control::Component;
use crate::lab::{Lab, Options};
use crate::name::Name;
use crate::progress::Progress;
use crate::state::Labs;
use crate::{down, images};
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

/// What `status` exits with when a lab is not healthy; 1 is an error, 2 a wrong command line.
const NOT_HEALTHY: i32 = 3;

/// A real Kubernetes on this machine, for tests and for trying things out.
///
/// Needs root, Linux, Go and Debian's package tools. The first `up` builds
/// Kubernetes from source (about 10 minutes); later ones take seconds. What is
/// built or fetched stays in ~/.cache/operlet (OPERLET_CACHE moves it); what a lab
/// is made of lies in /var/lib/operlet/labs/NAME (OPERLET_STATE moves it) and goes
/// with `down`. All addresses are private and on this machine only.
///
/// Exit codes: 0 well, 1 failed, 2 wrong command line, 3 `status` found a lab that
/// is not healthy; `kubectl` exits as kubectl does.
#[derive(Debug, Parser)]
#[command(name = "lab")]
pub struct LabCommand {
    /// Which lab: several can be up side by side.
    #[arg(long, global = true, default_value = "demo", env = "OPERLET_LAB")]
    name: Name,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a lab, or repair one that is half dead; a healthy one is left alone.
    Up {
        /// How many nodes, 1 to 16 [default: 3, or as many as the lab has].
        #[arg(long)]
        nodes: Option<u8>,
    },
    /// Remove a lab with its data and logs, whatever its state; twice does no harm.
    Down,
    /// Show which parts of every lab run; exits with 3 if any does not.
    Status,
    /// Print the path of the administrator's kubeconfig.
    Kubeconfig,
    /// Run kubectl as the administrator: `lab kubectl get pods -A`.
    #[command(disable_help_flag = true)]
    Kubectl {
        /// What kubectl gets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// List the images that every lab has.
    Images,
    /// Import image archives (as `docker save` writes them) into every node, also into those that start later.
    Load {
        /// The archives.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Cut the power of a node, pull its cable, or undo that.
    Node {
        /// What to do.
        #[command(subcommand)]
        action: NodeAction,
    },
    /// End a program of the control plane at once.
    Stop {
        /// Which one.
        component: Component,
    },
    /// Start a program of the control plane that was ended.
    Start {
        /// Which one.
        component: Component,
    },
    /// End a program of the control plane at once and start it again.
    Restart {
        /// Which one.
        component: Component,
    },
}

#[derive(Debug, Subcommand)]
enum NodeAction {
    /// Cut the power: every process on the node ends at once.
    Kill {
        /// The node's number, from 1.
        node: u8,
    },
    /// Start a node whose power was cut, and wait until it is Ready.
    Start {
        /// The node's number, from 1.
        node: u8,
    },
    /// Pull the cable: the node runs on, unreachable.
    Partition {
        /// The node's number, from 1.
        node: u8,
    },
    /// Plug the cable in again.
    Heal {
        /// The node's number, from 1.
        node: u8,
    },
    /// Run a command in the node's namespaces: `lab node exec 1 nft list ruleset`.
    Exec {
        /// The node's number, from 1.
        node: u8,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

impl LabCommand {
    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        let progress = Progress::Shown;
        let open = || Lab::open(self.name.as_str(), progress);
        match self.action {
            Action::Up { nodes } => Lab::up(&Options { name: self.name, nodes, progress }).map(drop),
            Action::Down => down::remove(self.name.as_str(), progress),
            Action::Status => status(progress),
            Action::Kubeconfig => say(&open()?.kubeconfig().display().to_string()),
            Action::Kubectl { arguments } => Err(open()?.kubectl_command().args(arguments).exec().into()),
            Action::Images => say(&images::references().join("\n")),
            Action::Load { archives } => {
                let lab = open()?;
                for archive in archives {
                    let references = progress
                        .step(&format!("importing {}", archive.display()), |_| lab.load_image(&archive))?;
                    say(&references.join("\n"))?;
                }
                Ok(())
            }
            Action::Node { action } => act(&open()?, action, progress),
            Action::Stop { component } => {
                progress.step(&format!("stopping {}", component.name()), |_| open()?.stop(component))
            }
            Action::Start { component } => {
                progress.step(&format!("starting {}", component.name()), |_| open()?.start(component))
            }
            Action::Restart { component } => {
                progress.step(&format!("restarting {}", component.name()), |_| open()?.restart(component))
            }
        }
    }
}

fn act(lab: &Lab, action: NodeAction, progress: Progress) -> Result<()> {
    match action {
        NodeAction::Kill { node } => {
            progress.step(&format!("cutting the power of node{node}"), |_| lab.kill_node(node))
        }
        NodeAction::Start { node } => {
            progress.step(&format!("starting node{node}"), |_| lab.start_node(node))
        }
        NodeAction::Partition { node } => {
            progress.step(&format!("pulling the cable of node{node}"), |_| lab.partition_node(node))
        }
        NodeAction::Heal { node } => {
            progress.step(&format!("plugging the cable of node{node} in"), |_| lab.heal_node(node))
        }
        NodeAction::Exec { node, command } => Err(lab.node_command(node)?.args(command).exec().into()),
    }
}

fn status(progress: Progress) -> Result<()> {
    let labs = Labs::open()?;
    let names = labs.names()?;
    if names.is_empty() {
        return say("no lab: `cargo xtask lab up` starts one");
    }
    let mut healthy = true;
    for name in names {
        match Lab::open(name.as_str(), progress).and_then(|lab| lab.status()) {
            Ok(status) => {
                healthy &= status.healthy();
                say(status.to_string().trim_end())?;
            }
            Err(error) => {
                healthy = false;
                say(&format!("lab {name}: NOT healthy: {error:#}"))?;
            }
        }
    }
    if !healthy {
        std::process::exit(NOT_HEALTHY);
    }
    Ok(())
}

fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        // A reader such as `head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}
