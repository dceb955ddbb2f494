//! What a server does for those that follow it.

use std::time::Duration;

use super::{
    Redis,
    client::{Replica, Stage, Waits},
    data::Snapshot,
    resp::{self, Reply, Words},
};
use crate::world::{Act, Connection};

/// How long it takes at most until a copy of the data is sent.
const COPY: Duration = Duration::from_millis(60);

impl Redis {
    /// Bytes of the history are made known to replicas.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if !self.history.keeps() && self.replicas() == 0 {
            return;
        }
        let mut added = Vec::new();
        if self.master.is_none() && std::mem::take(&mut self.selects) {
            added = resp::encode(&["SELECT", "0"]);
        }
        added.extend_from_slice(bytes);
        self.history.add(&added);
        for client in self.clients.values_mut() {
            match client.replica.as_mut().map(|replica| &mut replica.stage) {
                Some(Stage::Copying { later, .. } | Stage::Copied { later }) => {
                    later.extend_from_slice(&added)
                }
                Some(Stage::Streaming) => client.output.extend_from_slice(&added),
                None => {}
            }
        }
    }

    /// Tells replicas and the log of what was done.
    pub(super) fn propagate(&mut self) {
        let mut done = std::mem::take(&mut self.pending);
        if done.len() > 1 {
            done.insert(0, vec![b"MULTI".to_vec()]);
            done.push(vec![b"EXEC".to_vec()]);
        }
        let bytes: Vec<u8> = done.iter().flat_map(|words| resp::encode(words)).collect();
        if !bytes.is_empty() && self.master.is_none() {
            self.feed(&bytes);
        }
    }

    /// A client wants to follow.
    pub(super) fn sync(&mut self, at: Connection, words: &Words) -> Reply {
        let [_, id, next, ..] = words.as_slice() else { return Reply::error("ERR syntax error") };
        if self.clients.get(&at).is_none_or(|client| client.replica.is_some()) {
            return Reply::none();
        }
        if self.master.is_some() && !self.link.as_ref().is_some_and(super::Link::is_up) {
            return Reply::error("NOMASTERLINK Can't SYNC while not connected with my master");
        }
        let id = String::from_utf8_lossy(id).into_owned();
        let next = resp::number(next).and_then(|next| u64::try_from(next).ok());
        if let Some(lacking) = next.and_then(|next| self.history.since(&id, next)) {
            let mut bytes = format!("+CONTINUE {}\r\n", self.history.id).into_bytes();
            bytes.extend_from_slice(lacking);
            let replica = Replica { stage: Stage::Streaming, acked: 0, acked_at: self.now };
            if let Some(client) = self.clients.get_mut(&at) {
                client.output.extend(bytes);
                client.replica = Some(replica);
            }
            self.partial_syncs += 1;
            self.count_good();
            return Reply::none();
        }
        // Who asks for `?` wants all of it.
        self.failed_partial_syncs += u64::from(!id.starts_with('?'));
        if self.replicas() == 0 && !self.history.keeps() {
            // Nobody can have anything of what was before.
            self.history.id = self.some_id();
            self.history.before = None;
            self.history.keep();
        }
        self.full_syncs += 1;
        self.selects = true;
        let (id, offset) = (self.history.id.clone(), self.history.offset);
        let copy = Snapshot { data: self.data.clone(), at: Some((id.clone(), offset)) }.to_bytes();
        let until = self.now + COPY.mul_f64(self.chance.share());
        if let Some(client) = self.clients.get_mut(&at) {
            client.answer(Reply::simple(&format!("FULLRESYNC {id} {offset}")));
            let stage = Stage::Copying { until, copy, later: Vec::new() };
            client.replica = Some(Replica { stage, acked: 0, acked_at: self.now });
        }
        Reply::none()
    }

    pub(super) fn copies_due(&self) -> impl Iterator<Item = Duration> {
        self.clients.values().filter_map(|client| match client.replica.as_ref()?.stage {
            Stage::Copying { until, .. } => Some(until),
            _ => None,
        })
    }

    /// Sends the copies that are ready.
    pub(super) fn send_copies(&mut self) {
        let now = self.now;
        let mut sent = false;
        for client in self.clients.values_mut() {
            let Some(replica) = &mut client.replica else { continue };
            if let Stage::Copying { until, copy, later } = &mut replica.stage
                && *until <= now
            {
                client.output.extend(format!("${}\r\n", copy.len()).into_bytes());
                client.output.append(copy);
                replica.stage = Stage::Copied { later: std::mem::take(later) };
                replica.acked_at = now;
                sent = true;
            }
        }
        if sent {
            self.count_good();
        }
    }

    /// What a replica, or one that is about to become one, says of itself.
    pub(super) fn announced(&mut self, at: Connection, words: &Words) -> Reply {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&at) else { return Reply::none() };
        for pair in words.get(1..).unwrap_or_default().chunks_exact(2) {
            let [name, value] = pair else { continue };
            let value = String::from_utf8_lossy(value).into_owned();
            match name.to_ascii_lowercase().as_slice() {
                b"listening-port" => client.announced.port = value.parse().unwrap_or_default(),
                b"ip-address" => client.announced.address = Some(value),
                b"ack" => {
                    let Some(replica) = &mut client.replica else { return Reply::none() };
                    replica.acked = replica.acked.max(value.parse().unwrap_or_default());
                    replica.acked_at = now;
                    if let Stage::Copied { later } = &mut replica.stage {
                        client.output.append(later);
                        replica.stage = Stage::Streaming;
                    }
                    self.end_waits();
                    return Reply::none();
                }
                b"getack" => return Reply::none(),
                _ => {}
            }
        }
        Reply::ok()
    }

    /// How many replicas have all up to there.
    pub(super) fn acks(&self, offset: u64) -> usize {
        let replicas = self.clients.values().filter_map(|client| client.replica.as_ref());
        replicas.filter(|replica| replica.is_online() && replica.acked >= offset).count()
    }

    /// Answers those that have waited long enough.
    pub(super) fn end_waits(&mut self) {
        let mut ended = Vec::new();
        for (connection, client) in &self.clients {
            if let Some(Waits::Acks { wanted, until }) = client.waits {
                let acks = self.acks(client.wrote);
                if acks >= wanted || until.is_some_and(|until| until <= self.now) {
                    ended.push((*connection, acks));
                }
            }
        }
        for (connection, acks) in ended {
            if let Some(client) = self.clients.get_mut(&connection) {
                client.waits = None;
                client.answer(Reply::count(acks));
            }
            self.read(connection);
        }
    }

    pub(super) fn count_good(&mut self) {
        let most = self.settings.number("min-replicas-max-lag");
        let now = self.now.as_secs();
        let replicas = self.clients.values().filter_map(|client| client.replica.as_ref());
        let good = replicas
            .filter(|replica| replica.is_online() && now.saturating_sub(replica.acked_at.as_secs()) <= most);
        self.good = good.count();
    }

    pub(super) fn has_enough_replicas(&self) -> bool {
        let least = self.settings.number("min-replicas-to-write");
        least == 0 || self.settings.number("min-replicas-max-lag") == 0 || self.good as u64 >= least
    }

    pub(super) fn look_after_replicas(&mut self) {
        let period = self.settings.number("repl-ping-replica-period").max(1);
        if self.master.is_none() && self.crons.is_multiple_of(period) && self.replicas() > 0 {
            self.feed(&resp::encode(&["PING"]));
        }
        let longest = Duration::from_secs(self.settings.number("repl-timeout"));
        let now = self.now;
        let silent = |replica: &Replica| {
            matches!(replica.stage, Stage::Streaming) && now.saturating_sub(replica.acked_at) > longest
        };
        let gone: Vec<Connection> = self
            .clients
            .iter()
            .filter(|(_, client)| client.replica.as_ref().is_some_and(silent))
            .map(|(connection, _)| *connection)
            .collect();
        gone.into_iter().for_each(|connection| self.close(connection));
        self.count_good();
    }

    /// Whoever follows must begin anew, or go on if it can.
    pub(super) fn drop_replicas(&mut self) {
        let replicas: Vec<Connection> = self
            .clients
            .iter()
            .filter(|(_, client)| client.replica.is_some())
            .map(|(connection, _)| *connection)
            .collect();
        for connection in replicas {
            self.clients.remove(&connection);
            self.acts.push(Act::Close { connection });
        }
        self.count_good();
    }
}
