//! What a server says of itself: `INFO` and `ROLE`.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    Redis,
    client::{Client, Replica},
    resp::Reply,
};

/// All sections, in their order.
const SECTIONS: [&str; 7] =
    ["server", "clients", "memory", "persistence", "stats", "replication", "keyspace"];

/// What says all of them.
const ALL: [&str; 3] = ["all", "default", "everything"];

impl Redis {
    /// What `INFO` says.
    pub(super) fn info(&self, asked: &[String]) -> Reply {
        let every = asked.is_empty() || asked.iter().any(|one| ALL.contains(&one.as_str()));
        let sections = SECTIONS.iter().filter(|name| every || asked.iter().any(|one| one == *name));
        let texts: Vec<String> = sections.map(|name| self.section(name)).collect();
        Reply::bulk(texts.join("\r\n"))
    }

    fn section(&self, name: &str) -> String {
        let mut text = String::new();
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}:{value}\r\n");
        };
        let title = match name {
            "server" => {
                add("redis_version", &"7.0.15");
                add("redis_mode", &"standalone");
                add("process_id", &1);
                add("run_id", &self.run_id);
                add("tcp_port", &self.settings.text("port"));
                add("config_file", &self.config_file);
                "Server"
            }
            "clients" => {
                let normal = self.clients.values().filter(|client| client.replica.is_none()).count();
                add("connected_clients", &normal);
                "Clients"
            }
            "memory" => {
                add("maxmemory", &self.settings.text("maxmemory"));
                add("maxmemory_policy", &self.settings.text("maxmemory-policy"));
                add("number_of_libraries", &0);
                "Memory"
            }
            "persistence" => {
                add("loading", &0);
                add("async_loading", &0);
                add("rdb_changes_since_last_save", &self.changes);
                add("rdb_bgsave_in_progress", &0);
                add("aof_enabled", &u8::from(self.settings.is_on("appendonly")));
                "Persistence"
            }
            "stats" => {
                add("sync_full", &self.full_syncs);
                add("sync_partial_ok", &self.partial_syncs);
                add("sync_partial_err", &self.failed_partial_syncs);
                let channels: BTreeSet<_> =
                    self.clients.values().flat_map(|client| &client.channels).collect();
                add("pubsub_channels", &channels.len());
                add("pubsub_patterns", &0);
                "Stats"
            }
            "replication" => {
                self.replication(&mut add);
                "Replication"
            }
            _ => {
                if self.data.len() > 0 {
                    add("db0", &format!("keys={},expires=0,avg_ttl=0", self.data.len()));
                }
                "Keyspace"
            }
        };
        format!("# {title}\r\n{text}")
    }

    fn replication(&self, add: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
        let seconds = |since: std::time::Duration| self.now.as_secs().saturating_sub(since.as_secs());
        add("role", &if self.master.is_some() { "slave" } else { "master" });
        if let Some((host, port)) = &self.master {
            let up = self.link.as_ref().filter(|link| link.is_up());
            add("master_host", host);
            add("master_port", port);
            add("master_link_status", &if up.is_some() { "up" } else { "down" });
            match up {
                Some(link) => add("master_last_io_seconds_ago", &seconds(link.heard)),
                None => add("master_last_io_seconds_ago", &-1),
            }
            let syncs = self.link.as_ref().is_some_and(|link| link.state() == "sync");
            add("master_sync_in_progress", &u8::from(syncs));
            // One that was never linked has read nothing.
            let offset = if up.is_some() || self.resumes { self.history.offset } else { 1 };
            add("slave_read_repl_offset", &offset);
            add("slave_repl_offset", &offset);
            if up.is_none() {
                match self.down_since {
                    Some(since) => add("master_link_down_since_seconds", &seconds(since)),
                    None => add("master_link_down_since_seconds", &-1),
                }
            }
            add("slave_priority", &self.settings.text("replica-priority"));
            add("slave_read_only", &1);
            add("replica_announced", &1);
        }
        let replicas: Vec<(&Client, &Replica)> = self.replica_clients();
        add("connected_slaves", &replicas.len());
        if self.settings.number("min-replicas-to-write") > 0
            && self.settings.number("min-replicas-max-lag") > 0
        {
            add("min_slaves_good_slaves", &self.good);
        }
        for (place, (client, replica)) in replicas.into_iter().enumerate() {
            let ip = client.announced.address.clone().unwrap_or_else(|| client.from.ip().to_string());
            let (port, state, offset) = (client.announced.port, replica.state(), replica.acked);
            let lag = if replica.is_online() { seconds(replica.acked_at) } else { 0 };
            let line = format!("ip={ip},port={port},state={state},offset={offset},lag={lag}");
            add(&format!("slave{place}"), &line);
        }
        add("master_failover_state", &"no-failover");
        add("master_replid", &self.history.id);
        let (before, until) = match &self.history.before {
            Some((id, until)) => (id.clone(), until.to_string()),
            None => ("0".repeat(40), "-1".to_owned()),
        };
        add("master_replid2", &before);
        add("master_repl_offset", &self.history.offset);
        add("second_repl_offset", &until);
        let (first, length) = self.history.kept();
        add("repl_backlog_active", &u8::from(self.history.keeps()));
        add("repl_backlog_size", &self.settings.text("repl-backlog-size"));
        add("repl_backlog_first_byte_offset", &first);
        add("repl_backlog_histlen", &length);
    }

    /// Replicas, in the order in which they came.
    fn replica_clients(&self) -> Vec<(&Client, &Replica)> {
        let mut replicas: Vec<_> =
            self.clients.values().filter_map(|client| Some((client, client.replica.as_ref()?))).collect();
        replicas.sort_by_key(|(client, _)| client.id);
        replicas
    }

    /// What `ROLE` says.
    pub(super) fn role(&self) -> Reply {
        let offset = i64::try_from(self.history.offset).unwrap_or(i64::MAX);
        let Some((host, port)) = &self.master else {
            let online = self.replica_clients().into_iter().filter(|(_, replica)| replica.is_online());
            let replicas = online.map(|(client, replica)| {
                let ip = client.announced.address.clone().unwrap_or_else(|| client.from.ip().to_string());
                Reply::array([
                    Reply::bulk(ip),
                    Reply::bulk(client.announced.port.to_string()),
                    Reply::bulk(replica.acked.to_string()),
                ])
            });
            return Reply::array([Reply::bulk("master"), Reply::integer(offset), Reply::array(replicas)]);
        };
        let state = self.link.as_ref().map_or("connect", super::Link::state);
        let known = if state == "connected" { offset } else { -1 };
        Reply::array([
            Reply::bulk("slave"),
            Reply::bulk(host),
            Reply::integer(i64::from(*port)),
            Reply::bulk(state),
            Reply::integer(known),
        ])
    }
}
