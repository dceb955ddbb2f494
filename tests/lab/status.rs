//! What of a lab runs and what does not.

use crate::control::Component;
use crate::lab::Lab;
use crate::node;
use crate::process::Record;
use anyhow::Result;
use std::fmt;

/// The state of a lab's parts.
#[derive(Clone, Debug)]
pub struct Status {
    name: String,
    server: String,
    bridge: bool,
    parts: Vec<Part>,
}

/// One process or node.
#[derive(Clone, Debug)]
pub struct Part {
    /// What the lab calls it.
    pub name: String,
    /// How it is.
    pub condition: Condition,
}

/// How a part of a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It runs, as this process.
    Up(i32),
    /// It runs, but its cable is pulled.
    Partitioned(i32),
    /// It was stopped by a command.
    Stopped,
    /// It should run and does not.
    Dead,
}

impl Status {
    /// Whether everything runs and can be reached.
    pub fn healthy(&self) -> bool {
        self.bridge && self.parts.iter().all(|part| matches!(part.condition, Condition::Up(_)))
    }

    /// The processes of the control plane, then the nodes.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl Lab {
    /// Looks at every part of the lab.
    pub fn status(&self) -> Result<Status> {
        let mut parts = Vec::new();
        for component in Component::ALL {
            let name = component.name().to_owned();
            let condition = condition(self.record(&name)?);
            parts.push(Part { name, condition });
        }
        for (node, wanted) in self.state()?.nodes {
            let condition = match condition(self.node_record(node)?) {
                Condition::Up(pid) if !self.network.connected(node) => Condition::Partitioned(pid),
                Condition::Dead if !wanted => Condition::Stopped,
                other => other,
            };
            parts.push(Part { name: node::name(node), condition });
        }
        Ok(Status {
            name: self.name.to_string(),
            server: self.plan.server(),
            bridge: self.network.present(),
            parts,
        })
    }
}

fn condition(record: Option<Record>) -> Condition {
    record.filter(Record::alive).map_or(Condition::Dead, |record| Condition::Up(record.pid()))
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.healthy() { "healthy" } else { "NOT healthy" };
        writeln!(formatter, "lab {}: {verdict}, {}", self.name, self.server)?;
        if !self.bridge {
            writeln!(formatter, "  {:<20} missing", "bridge")?;
        }
        for part in &self.parts {
            let condition = match part.condition {
                Condition::Up(pid) => format!("up (process {pid})"),
                Condition::Partitioned(pid) => format!("partitioned (process {pid})"),
                Condition::Stopped => "stopped".to_owned(),
                Condition::Dead => "DEAD".to_owned(),
            };
            writeln!(formatter, "  {:<20} {condition}", part.name)?;
        }
        if !self.healthy() {
            let hint = format!("`cargo xtask lab up --name {}` repairs it, `lab down` removes it", self.name);
            writeln!(formatter, "  {hint}")?;
        }
        Ok(())
    }
}
