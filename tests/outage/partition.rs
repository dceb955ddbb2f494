//! Nodes and pods that do not reach each other.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Context as _, Result};
use operlet_lab::{Lab, shell};

/// The table of rules on a node that is only for this.
const TABLE: [&str; 2] = ["inet", "outage"];

/// A pod that some addresses do not reach, nor it them, until this is dropped.
pub(crate) struct Partition {
    lab: Lab,
    node: u8,
}

/// A node whose cable is out until this is dropped.
pub(crate) struct Unplugged {
    lab: Lab,
    node: u8,
}

impl Partition {
    /// Cuts a pod off from addresses on other nodes, at the door of its own node.
    pub(crate) fn between(lab: &Lab, node: u8, pod: IpAddr, others: &[IpAddr]) -> Result<Self> {
        let mut rules = format!("table {} {{\nchain forward {{\n", TABLE.join(" "));
        // Before what Services have there.
        rules.push_str("type filter hook forward priority -200; policy accept;\n");
        for other in others {
            writeln!(rules, "ip saddr {pod} ip daddr {other} drop")?;
            writeln!(rules, "ip saddr {other} ip daddr {pod} drop")?;
        }
        rules.push_str("}\n}\n");
        let mut nft = lab.node_command(node)?;
        nft.args(["nft", "-f", "-"]);
        shell::feed(&mut nft, &rules).with_context(|| format!("cannot set rules on node{node}"))?;
        Ok(Self { lab: lab.clone(), node })
    }

    /// Lets them reach each other again.
    pub(crate) fn heal(self) {}
}

impl Drop for Partition {
    fn drop(&mut self) {
        let [family, name] = TABLE;
        let _ = self.lab.exec_in_node(self.node, &["nft", "delete", "table", family, name]);
    }
}

impl Unplugged {
    pub(crate) fn node(lab: &Lab, node: u8) -> Result<Self> {
        lab.partition_node(node)?;
        Ok(Self { lab: lab.clone(), node })
    }

    /// Plugs the cable in again.
    pub(crate) fn plug_in(self) {}
}

impl Drop for Unplugged {
    fn drop(&mut self) {
        let _ = self.lab.heal_node(self.node);
    }
}
