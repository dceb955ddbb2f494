//! Bringing a lab up: every step does what is still missing, so the same path
//! starts a new lab, repairs a half-dead one and leaves a healthy one alone.

use crate::control::{self, Component};
use crate::lab::{self, Lab, Options};
use crate::plan::NODES_MAX;
use crate::programs::Programs;
use crate::state::Labs;
use crate::{network::Network, pki, preflight, wait};
use anyhow::{Context, Result, bail};
use std::time::Instant;

const NODES_DEFAULT: u8 = 3;

impl Lab {
    /// Brings a lab up and waits until it works: nodes, DNS, claims, accounts.
    /// One that is up already is left as it is; one that is half dead is repaired.
    pub fn up(options: &Options) -> Result<Self> {
        let since = Instant::now();
        let labs = Labs::open()?;
        preflight::check(labs.layout(&options.name).path())?;
        if options.nodes.is_some_and(|nodes| nodes == 0 || nodes > NODES_MAX) {
            bail!("a lab has 1 to {NODES_MAX} nodes");
        }
        let programs = Programs::ready(options.progress)?;
        let lock = labs.lock(&options.name)?;
        let mut state = labs.claim(&options.name, |plan| {
            Network::new(plan, &options.name, Some(&programs.packages))?.taken()
        })?;
        let known = u8::try_from(state.nodes.len())?;
        let wanted = options.nodes.unwrap_or(if known == 0 { NODES_DEFAULT } else { known });
        let lab = Self::assemble(options.name.clone(), labs, &state, programs, options.progress)?;
        if known >= wanted && lab.status()?.healthy() {
            options.progress.say(&format!("lab {} is up already, with {known} nodes", lab.name));
            return Ok(lab);
        }
        for node in 1..=wanted.max(known) {
            state.nodes.insert(node, true);
        }
        lab::make_covered(&lab.layout, &mut state)?;
        lab.layout.save(&state)?;
        lab.bring_up().with_context(|| {
            format!(
                "lab {0} did not come up (logs: {1}); `cargo xtask lab down --name {0}` cleans up",
                lab.name,
                lab.logs().display()
            )
        })?;
        drop(lock);
        let (seconds, config) = (since.elapsed().as_secs_f32(), lab.kubeconfig());
        let nodes = state.nodes.len();
        options.progress.say(&format!(
            "lab {} is up with {nodes} nodes after {seconds:.1} s\n  export KUBECONFIG={}",
            lab.name,
            config.display()
        ));
        Ok(lab)
    }

    fn bring_up(&self) -> Result<()> {
        self.layout.make()?;
        self.progress.step("keys, certificates, configuration, bridge", |_| {
            pki::make(&self.layout.pki(), self.plan)?;
            control::configure(&self.layout, self.plan)?;
            self.network.make_bridge()
        })?;
        self.progress.step("etcd, API server", |step| {
            for component in Component::ALL.into_iter().filter(|component| !component.needs_api()) {
                self.started(component)?;
            }
            // Nodes need seconds before they need the API server.
            for node in self.nodes()? {
                if self.ensure_node(node)? {
                    step.at(&format!("starting node{node}"));
                }
                self.network.connect(node, true)?;
            }
            self.route_services(&self.state()?)?;
            wait::api(self)
        })?;
        self.progress.step("controllers, scheduler, storage class", |_| {
            for component in Component::ALL.into_iter().filter(|component| component.needs_api()) {
                self.started(component)?;
            }
            let class = self.layout.configuration("storage-class.json").display().to_string();
            self.kubectl(&["apply", "--filename", &class])
        })?;
        self.progress.step("nodes", |_| wait::nodes(self, &self.nodes()?))?;
        self.progress.step("DNS, service accounts", |_| {
            wait::dns(self)?;
            wait::accounts(self)
        })
    }

    fn started(&self, component: Component) -> Result<()> {
        self.ensure(component).map(drop).with_context(|| format!("cannot start {}", component.name()))
    }
}
