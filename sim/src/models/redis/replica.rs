//! What a server does that follows another one.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    Redis, commands,
    data::Snapshot,
    link::{Link, Stage},
    resp::{self, Read, Reply, Words},
};
use crate::world::{Act, Connection};

impl Redis {
    /// Follows whoever is there.
    pub(super) fn follow(&mut self, host: &str, port: u16) -> Reply {
        if self.master.as_ref().is_some_and(|(known, at)| known == host && *at == port) {
            return Reply::simple("OK Already connected to specified master");
        }
        self.note_order(Some(host));
        let was_master = self.master.is_none();
        self.unlink();
        self.unblock();
        self.master = Some((host.to_owned(), port));
        if was_master {
            self.resumes = true;
        }
        self.connect();
        Reply::ok()
    }

    /// Follows nobody any more, and begins a history of its own.
    pub(super) fn follow_nobody(&mut self) {
        if self.master.is_none() {
            return;
        }
        self.note_order(None);
        self.master = None;
        if let Some(link) = self.link.take() {
            self.acts.push(Act::Close { connection: link.connection });
        }
        self.resumes = false;
        let id = self.some_id();
        self.history.fork(id);
        self.drop_replicas();
        self.selects = true;
        self.down_since = None;
    }

    /// Lets go of whom it follows, and remembers how far it was.
    fn unlink(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.acts.push(Act::Close { connection: link.connection });
        if link.is_up() {
            self.broke(&link);
        }
    }

    /// A link that was up is no more. A server does not remember how far it was while
    /// something is held that it was told.
    fn broke(&mut self, link: &Link) {
        self.resumes = !link.is_held;
        self.down_since = Some(self.now);
    }

    /// Connects to whom it follows, if that is an address.
    fn connect(&mut self) {
        let Some((host, port)) = &self.master else { return };
        let Ok(address) = host.parse::<IpAddr>() else { return };
        let to = SocketAddr::new(address, *port);
        let connection = Connection(Connection::OWN + self.last_connection);
        self.last_connection += 1;
        self.acts.push(Act::Connect { connection, to });
        self.link = Some(Link::new(connection, self.now));
    }

    fn say<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        if let Some(link) = &self.link {
            self.acts.push(Act::Send { connection: link.connection, bytes: resp::encode(words) });
        }
    }

    fn is_link(&self, connection: Connection) -> bool {
        self.link.as_ref().is_some_and(|link| link.connection == connection)
    }

    fn go_on(&mut self, stage: Stage) {
        if let Some(link) = &mut self.link {
            link.stage = stage;
        }
    }

    /// A connection that it opened stands.
    pub(super) fn connected(&mut self, connection: Connection) {
        if self.is_link(connection) {
            self.go_on(Stage::Ping);
            self.say(&["PING"]);
        }
    }

    /// A connection that it opened is no more.
    pub(super) fn lost(&mut self, connection: Connection) {
        if !self.is_link(connection) {
            return;
        }
        let Some(link) = self.link.take() else { return };
        if link.is_up() {
            self.broke(&link);
        }
        // Whoever was told how to go on tries again at once.
        if link.is_up() || matches!(link.stage, Stage::Copy { .. }) {
            self.connect();
        }
    }

    /// Tries again at the next look.
    fn give_up(&mut self) {
        if let Some(link) = self.link.take() {
            self.acts.push(Act::Close { connection: link.connection });
        }
    }

    /// Its primary says something.
    pub(super) fn heard(&mut self, connection: Connection, bytes: &[u8]) {
        let now = self.now;
        match self.link.as_mut().filter(|link| link.connection == connection) {
            Some(link) => {
                link.heard = now;
                link.input.extend_from_slice(bytes);
            }
            None => return,
        }
        self.go_through();
    }

    /// Takes in what its primary has said, as far as it may.
    pub(super) fn go_through(&mut self) {
        while let Some(link) = &mut self.link {
            let whole = match link.stage {
                Stage::Connecting => false,
                Stage::Copy { .. } => self.take_copy(),
                Stage::Streaming => self.take_in(),
                _ => match resp::line(&link.input) {
                    Some((line, length)) => {
                        let line = String::from_utf8_lossy(line).into_owned();
                        link.input.drain(..length);
                        self.answered(&line);
                        true
                    }
                    None => false,
                },
            };
            if !whole {
                return;
            }
        }
    }

    fn answered(&mut self, line: &str) {
        let Some(link) = &self.link else { return };
        match link.stage.clone() {
            Stage::Ping => {
                let goes_on = ["+", "-NOAUTH", "-NOPERM"].iter().any(|good| line.starts_with(good));
                if !goes_on {
                    return self.give_up();
                }
                let [user, password] =
                    ["masteruser", "masterauth"].map(|name| self.settings.text(name).to_owned());
                if password.is_empty() {
                    return self.announce();
                }
                self.go_on(Stage::Auth);
                if user.is_empty() {
                    self.say(&["AUTH", &password]);
                } else {
                    self.say(&["AUTH", &user, &password]);
                }
            }
            Stage::Auth if line.starts_with('-') => self.give_up(),
            Stage::Auth => self.announce(),
            Stage::Announcing(1) => {
                self.go_on(Stage::Sync);
                let next = (self.history.offset + 1).to_string();
                let (id, next) = if self.resumes {
                    (self.history.id.clone(), next)
                } else {
                    ("?".to_owned(), "-1".to_owned())
                };
                self.say(&["PSYNC", &id, &next]);
            }
            Stage::Announcing(left) => self.go_on(Stage::Announcing(left.saturating_sub(1))),
            Stage::Sync if line.is_empty() => {}
            Stage::Sync => self.synced(line),
            Stage::Connecting | Stage::Copy { .. } | Stage::Streaming => {}
        }
    }

    fn announce(&mut self) {
        let address = self.settings.text("replica-announce-ip").to_owned();
        let tls = self.settings.text("tls-replication") == "yes";
        let port = self.settings.text(if tls { "tls-port" } else { "port" }).to_owned();
        self.say(&["REPLCONF", "listening-port", &port]);
        if !address.is_empty() {
            self.say(&["REPLCONF", "ip-address", &address]);
        }
        self.say(&["REPLCONF", "capa", "eof", "capa", "psync2"]);
        self.go_on(Stage::Announcing(if address.is_empty() { 2 } else { 3 }));
    }

    /// Its primary says how it is to go on.
    fn synced(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["+FULLRESYNC", id, offset] => {
                let offset = offset.parse().unwrap_or_default();
                self.go_on(Stage::Copy { id: (*id).to_owned(), offset });
            }
            ["+CONTINUE", rest @ ..] => {
                if let Some(id) = rest.first().filter(|id| **id != self.history.id) {
                    self.history.fork((*id).to_owned());
                    self.drop_replicas();
                }
                self.history.keep();
                self.follows_now();
            }
            _ => self.give_up(),
        }
    }

    fn follows_now(&mut self) {
        self.go_on(Stage::Streaming);
        self.down_since = None;
        self.resumes = false;
    }

    /// Takes in a copy of all data, once it is whole.
    fn take_copy(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let Stage::Copy { id, offset } = link.stage.clone() else { return false };
        let Some((line, begin)) = resp::line(&link.input) else { return false };
        let length =
            line.strip_prefix(b"$").and_then(resp::number).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length else {
            self.give_up();
            return false;
        };
        let Some(copy) = link.input.get(begin..begin + length).map(<[u8]>::to_vec) else { return false };
        link.input.drain(..begin + length);
        let Some((snapshot, _)) = Snapshot::read(&copy) else {
            self.give_up();
            return false;
        };
        self.drop_replicas();
        self.emptied += u64::from(self.data.len() > 0 && snapshot.data.len() == 0);
        self.data = snapshot.data;
        self.history.become_of(id, offset);
        self.history.keep();
        self.copied(&copy);
        self.follows_now();
        self.acknowledge();
        true
    }

    /// Takes in a command of its primary.
    fn take_in(&mut self) -> bool {
        let is_paused = self.is_paused();
        let Some(link) = &mut self.link else { return false };
        let (words, length) = match resp::command(&link.input) {
            Read::Whole(words, length) => (words, length),
            Read::Partial => return false,
            Read::Malformed(_) => {
                self.give_up();
                return false;
            }
        };
        let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        let command = commands::find(&String::from_utf8_lossy(&name));
        // A pause is for whoever writes, the primary too.
        let waits = command.is_some_and(|command| command.writes || command.replicates);
        link.is_held = waits && is_paused;
        if link.is_held {
            return false;
        }
        let bytes: Vec<u8> = link.input.drain(..length).collect();
        match (&name[..], &mut link.queued) {
            (b"multi", queued) => *queued = Some((vec![words], bytes)),
            (b"exec", queued) => {
                let (commands, mut all) = queued.take().unwrap_or_default();
                all.extend(bytes);
                commands.iter().for_each(|words| self.obey(words));
                self.feed(&all);
            }
            (_, Some((commands, all))) => {
                commands.push(words);
                all.extend(bytes);
            }
            (_, None) => {
                self.obey(&words);
                self.feed(&bytes);
            }
        }
        true
    }

    /// Does what its primary has done.
    fn obey(&mut self, words: &Words) {
        let Some((name, arguments)) = words.split_first() else { return };
        let name = String::from_utf8_lossy(name).to_lowercase();
        match (name.as_str(), arguments) {
            ("replconf", [what, ..]) if what.eq_ignore_ascii_case(b"getack") => self.acknowledge(),
            ("publish", [channel, message]) => {
                self.publish(channel, message);
            }
            _ => {
                if let Some((_, true)) = self.data.run(&name, arguments) {
                    self.log(words);
                }
            }
        }
    }

    fn acknowledge(&mut self) {
        let offset = self.history.offset.to_string();
        self.say(&["REPLCONF", "ACK", &offset]);
    }

    pub(super) fn look_after_master(&mut self) {
        let longest = Duration::from_secs(self.settings.number("repl-timeout"));
        match &self.link {
            Some(link) if self.now.saturating_sub(link.heard) > longest => {
                let connection = link.connection;
                self.acts.push(Act::Close { connection });
                self.lost(connection);
                if self.link.is_none() {
                    self.connect();
                }
            }
            Some(link) if link.is_up() => self.acknowledge(),
            Some(_) => {}
            None => self.connect(),
        }
    }
}
