//! What is taken down on purpose.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{State, text};
use crate::server::Server;

/// What was taken down.
#[derive(Debug, Default)]
pub(super) struct Disruption {
    /// The resource says that it is to be left alone.
    pub(super) is_asked_to_pause: bool,
    /// The status says that it is.
    pub(super) says_paused: bool,
    /// How many replicas there are to be.
    pub(super) replicas: u64,
    /// Pods that were deleted while they were well, and the run ids that they had then.
    deleted: BTreeMap<String, String>,
}

impl Disruption {
    pub(super) fn is_paused(&self) -> bool {
        self.is_asked_to_pause && self.says_paused
    }
}

/// Whether it runs and follows somebody closely.
fn follows(server: &Server) -> bool {
    server.runs() && server.redis().follows().is_some() && server.redis().link().is_ok()
}

/// Whether it runs, in another process than this one, and is a part of the whole again.
fn is_back(server: &Server, run_id: &str) -> bool {
    let redis = server.redis();
    server.runs() && redis.run_id() != run_id && (redis.follows().is_none() || redis.link().is_ok())
}

fn ordinal(pod: &str) -> u64 {
    pod.rsplit('-').next().and_then(|ordinal| ordinal.parse().ok()).unwrap_or_default()
}

impl State {
    /// Forgets those that are back, or are to stay away.
    pub(super) fn look_at_disrupted(&mut self, servers: &BTreeMap<String, Server>) {
        let is_away =
            |pod: &String, run_id: &String| servers.get(pod).is_some_and(|server| !is_back(server, run_id));
        let replicas = self.disruption.replicas;
        self.disruption.deleted.retain(|pod, run_id| is_away(pod, run_id) && ordinal(pod) <= replicas);
    }

    /// I8 to I11.
    pub(super) fn see_deletion(&mut self, path: &str, body: &Value) {
        if path.contains("/persistentvolumeclaims/") {
            self.breaks(format!("I10: {path} was deleted"));
        }
        if text(body, "/preconditions/uid").is_empty() {
            self.breaks(format!("I11: {path} was deleted, whichever it is by now"));
        }
        let Some((_, pod)) = path.split_once("/pods/") else { return };
        let servers = self.servers.all();
        let Some(server) = servers.get(pod) else { return };
        let others = || servers.iter().filter(|(other, _)| *other != pod).map(|(_, server)| server);
        let leads = server.runs() && server.redis().follows().is_none() && !self.is_frozen(server);
        let address = server.address().to_string();
        let is_its = |other: &Server| other.redis().follows().is_some_and(|(host, _)| host == address);
        if leads && others().any(|other| follows(other) && is_its(other)) {
            self.breaks(format!("I8: the live primary {pod} was deleted while another one followed it"));
        }
        if !follows(server) || self.is_frozen(server) {
            return;
        }
        // One that has not heard of it yet asks again.
        let away: Vec<&String> = self.disruption.deleted.keys().filter(|other| *other != pod).collect();
        if !away.is_empty() {
            self.breaks(format!("I9: {pod} was deleted while {away:?}, deleted before, is not back"));
        }
        let goes_anyway = ordinal(pod) > self.disruption.replicas;
        // More are wanted before the operator has heard of it.
        if self.disruption.replicas > 1 && servers.len() > 2 && !goes_anyway && !others().any(follows) {
            self.breaks(format!("I9: {pod} was deleted, the only one that followed"));
        }
        let run_id = server.redis().run_id().to_owned();
        self.disruption.deleted.insert(pod.to_owned(), run_id);
    }
}
