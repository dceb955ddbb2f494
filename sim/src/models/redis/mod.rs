//! A model of Redis: what a server answers, what it tells its replicas and what it
//! leaves behind, as far as strings, replication, persistence and access control go.
//!
//! It follows the sources of Redis 7.0 (`replication.c`, `networking.c`, `server.c`),
//! and is held to real servers by a test that says the same to both. A full copy of
//! the data and loading it take no time but that on the way. Names are not resolved:
//! a primary is followed by its address.

mod client;
mod commands;
mod data;
mod ending;
mod history;
mod link;
mod persistence;
mod primary;
mod replica;
mod resp;
mod run;
mod settings;
mod told;
mod users;

use std::{collections::BTreeMap, time::Duration};

use client::{Client, Waits};
use data::Data;
use ending::Ending;
use history::History;
use link::Link;
use resp::{Read, Reply, Words};
use settings::Settings;
use users::Users;

use crate::chance::Chance;
use crate::world::{Act, Application, Connection, Event, Exec, Volume};

/// How often a server looks after its replicas and its primary.
const CRON: Duration = Duration::from_secs(1);

/// One that is later than this was frozen.
const ROUND: Duration = Duration::from_millis(100);

/// A server.
#[derive(Debug)]
pub struct Redis {
    now: Duration,
    chance: Chance,
    settings: Settings,
    config_file: String,
    users: Users,
    clients: BTreeMap<Connection, Client>,
    data: Data,
    run_id: String,
    history: History,
    volume: Volume,
    /// Whom it follows.
    master: Option<(String, u16)>,
    link: Option<Link>,
    /// It may go on where it stands in its history with whom it follows.
    resumes: bool,
    /// When its link broke; none if it has had none, or has one.
    down_since: Option<Duration>,
    /// How many replicas are near enough, when it was last counted.
    good: usize,
    /// Somebody waits for replicas to say what they have.
    asks_acks: bool,
    /// How many writes have had to wait.
    held: u64,
    /// Until when writes wait.
    paused_until: Option<Duration>,
    /// Clients that waited for that, and go on once what is under way is done.
    released: Vec<Connection>,
    ending: Option<Ending>,
    /// When it looks after replicas and primary next, and how often it has.
    cron_at: Duration,
    crons: u64,
    last_client: u64,
    last_connection: u64,
    /// Commands of a transaction are carried out: none of them waits.
    executes: bool,
    /// What is to be told replicas of the command that is carried out.
    pending: Vec<Words>,
    /// Replicas are yet to be told which database it is.
    selects: bool,
    /// When the log is written that it has begun anew.
    log_at: Option<Duration>,
    /// Since when it has saved nothing of so many changes.
    saved_at: Duration,
    changes: u64,
    full_syncs: u64,
    partial_syncs: u64,
    failed_partial_syncs: u64,
    /// How often a copy without any key took the place of keys.
    emptied: u64,
    orders: Vec<Order>,
    acts: Vec<Act>,
}

/// That it was told to follow somebody, or nobody any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whom it followed before: a host.
    pub from: Option<String>,
    /// Whom it follows from then on.
    pub to: Option<String>,
    /// The replication id that it had.
    pub id: String,
    /// The id of the history that this one went on from.
    pub before: Option<String>,
    /// How many keys it had.
    pub keys: usize,
}

impl Redis {
    /// Starts one, with what it finds in its directory. Each line of the configuration is
    /// a directive with its arguments.
    #[must_use]
    pub fn new(
        configuration: &[(String, Vec<String>)],
        volume: Volume,
        seed: u64,
        now: Duration,
        config_file: &str,
    ) -> Self {
        let mut settings = Settings::default();
        let mut users = Users::default();
        let mut master = None;
        for (directive, arguments) in configuration {
            match (directive.as_str(), arguments.as_slice()) {
                ("user", [name, rules @ ..]) => {
                    // One that is no rule keeps a real server from starting.
                    drop(users.set(name, rules));
                }
                ("replicaof", [no, one])
                    if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") =>
                {
                    master = None;
                }
                ("replicaof", [host, port]) => {
                    master = Some((host.clone(), port.parse().unwrap_or_default()));
                }
                (name, values) => settings.configure(name, values.join(" ")),
            }
        }
        let mut redis = Self {
            now,
            chance: Chance::new(seed),
            config_file: config_file.to_owned(),
            users,
            clients: BTreeMap::new(),
            data: Data::default(),
            run_id: String::new(),
            history: History::new(String::new(), settings.number("repl-backlog-size")),
            settings,
            volume,
            master,
            link: None,
            resumes: false,
            down_since: None,
            good: 0,
            asks_acks: false,
            held: 0,
            paused_until: None,
            released: Vec::new(),
            ending: None,
            cron_at: now,
            crons: 0,
            last_client: 0,
            last_connection: 0,
            executes: false,
            pending: Vec::new(),
            selects: true,
            log_at: None,
            saved_at: now,
            changes: 0,
            full_syncs: 0,
            partial_syncs: 0,
            failed_partial_syncs: 0,
            emptied: 0,
            orders: Vec::new(),
            acts: Vec::new(),
        };
        redis.run_id = redis.some_id();
        redis.history.id = redis.some_id();
        redis.load();
        redis.cron_at = now + CRON.mul_f64(redis.chance.share());
        redis
    }

    /// The id of this process.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Whom it follows: an address and a port.
    #[must_use]
    pub fn follows(&self) -> Option<(&str, u16)> {
        self.master.as_ref().map(|(host, port)| (host.as_str(), *port))
    }

    /// Whether its link to whom it follows is up; else for how long it has been down, if
    /// it ever was up.
    ///
    /// # Errors
    ///
    /// The time since when it is down.
    pub fn link(&self) -> Result<(), Option<Duration>> {
        if self.link.as_ref().is_some_and(Link::is_up) {
            Ok(())
        } else {
            Err(self.down_since.map(|since| self.now.saturating_sub(since)))
        }
    }

    /// How many replicas are connected.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.clients.values().filter(|client| client.replica.is_some()).count()
    }

    /// Whether it takes writes, as far as it knows.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        self.master.is_none() && self.has_enough_replicas()
    }

    /// The replication id and offset.
    #[must_use]
    pub fn history(&self) -> (&str, u64) {
        (&self.history.id, self.history.offset)
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key.as_bytes())
    }

    /// How often all keys went by a copy of another's data that has none.
    #[must_use]
    pub fn emptied(&self) -> u64 {
        self.emptied
    }

    /// Whom it was told to follow, one after the other.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Whether this user can log in with the password of this hash: SHA-256 as
    /// hexadecimal digits.
    #[must_use]
    pub fn admits(&self, user: &str, hash: &str) -> bool {
        self.users.knows(user, hash)
    }

    /// Whether this user can log in with this password.
    #[must_use]
    pub fn admits_password(&self, user: &str, password: &[u8]) -> bool {
        self.users.admits(user, password)
    }

    /// Whether it has the same data as another one, and is in the same history.
    #[must_use]
    pub fn has_data_of(&self, other: &Self) -> bool {
        self.data == other.data && self.history.id == other.history.id
    }

    /// What a setting is set to.
    #[must_use]
    pub fn setting(&self, name: &str) -> &str {
        self.settings.text(name)
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.data.len()
    }

    fn note_order(&mut self, to: Option<&str>) {
        self.orders.push(Order {
            from: self.master.as_ref().map(|(host, _)| host.clone()),
            to: to.map(str::to_owned),
            id: self.history.id.clone(),
            before: self.history.before.as_ref().map(|(id, _)| id.clone()),
            keys: self.data.len(),
        });
    }

    /// 40 hexadecimal digits.
    fn some_id(&mut self) -> String {
        let [first, second, third] = [self.chance.next(), self.chance.next(), self.chance.next()];
        format!("{first:016x}{second:016x}{:08x}", third >> 32)
    }

    fn accepted(&mut self, connection: Connection, from: std::net::SocketAddr, to: std::net::SocketAddr) {
        self.last_client += 1;
        let open = self.users.get(users::DEFAULT).is_some_and(users::User::is_open);
        let user = open.then(|| users::DEFAULT.to_owned());
        self.clients.insert(connection, Client::new(self.last_client, from, to, user));
    }

    /// Carries out what a client has sent, as far as it may go on.
    fn read(&mut self, at: Connection) {
        while let Some(client) =
            self.clients.get_mut(&at).filter(|client| client.waits.is_none() && !client.closes)
        {
            match resp::command(&client.input) {
                Read::Whole(words, length) => {
                    let done = words.is_empty() || self.process(at, &words);
                    if let Some(client) = self.clients.get_mut(&at).filter(|_| done) {
                        client.input.drain(..length);
                    }
                }
                Read::Partial => return,
                Read::Malformed(why) => {
                    client.answer(Reply::error(&format!("ERR Protocol error: {why}")));
                    client.closes = true;
                }
            }
        }
    }

    /// A connection is not used any more.
    fn close(&mut self, at: Connection) {
        let Some(mut client) = self.clients.remove(&at) else { return };
        self.flush(at, &mut client);
        self.acts.push(Act::Close { connection: at });
        self.forget(&client);
    }

    fn forget(&mut self, client: &Client) {
        if client.replica.is_some() {
            self.count_good();
        }
    }

    fn flush(&mut self, connection: Connection, client: &mut Client) {
        if !client.output.is_empty() && !client.is_killed {
            self.acts.push(Act::Send { connection, bytes: std::mem::take(&mut client.output) });
        }
    }

    /// What is done before it waits for the next event.
    fn before_sleep(&mut self) {
        for connection in std::mem::take(&mut self.released) {
            if let Some(client) = self.clients.get_mut(&connection) {
                client.waits = None;
            }
            self.read(connection);
        }
        if !self.is_paused() && std::mem::take(&mut self.asks_acks) && self.master.is_none() {
            self.feed(&resp::encode(&["REPLCONF", "GETACK", "*"]));
        }
        let mut all = std::mem::take(&mut self.clients);
        for (connection, client) in &mut all {
            self.flush(*connection, client);
        }
        let closed: Vec<Connection> =
            all.iter().filter(|(_, client)| client.closes).map(|(connection, _)| *connection).collect();
        self.clients = all;
        closed.into_iter().for_each(|connection| self.close(connection));
    }

    /// Times that have come.
    fn on_time(&mut self) {
        if self.paused_until.is_some_and(|until| until <= self.now) {
            self.unpause();
        }
        self.send_copies();
        self.end_rewrite();
        self.end_waits();
        self.look_whether_to_end();
        if self.cron_at <= self.now {
            self.cron_at = self.now + CRON;
            self.crons += 1;
            self.look_after_master();
            self.look_after_replicas();
            self.look_after_files();
        }
    }

    /// Rounds are not made up for that it has missed while it was frozen.
    fn miss_rounds(&mut self, now: Duration) {
        if now.saturating_sub(self.cron_at) > ROUND {
            let left = self.cron_at.saturating_sub(self.now);
            self.cron_at = now + left.mul_f64(self.chance.share());
        }
    }

    fn unpause(&mut self) {
        self.paused_until = None;
        let waits = |(connection, client): (&Connection, &Client)| match client.waits {
            Some(Waits::Pause(place)) => Some((place, *connection)),
            _ => None,
        };
        let mut held: Vec<(u64, Connection)> = self.clients.iter().filter_map(waits).collect();
        held.sort();
        self.released.extend(held.into_iter().map(|(_, connection)| connection));
        self.go_through();
    }
}

impl Application for Redis {
    fn happen(&mut self, now: Duration, event: Event, acts: &mut Vec<Act>) {
        self.miss_rounds(now);
        self.now = now;
        let own = |connection: Connection| connection.0 >= Connection::OWN;
        match event {
            Event::Accepted { connection, from, to } => self.accepted(connection, from, to),
            Event::Received { connection, bytes } if own(connection) => self.heard(connection, &bytes),
            Event::Received { connection, bytes } => {
                if let Some(client) = self.clients.get_mut(&connection) {
                    client.input.extend(bytes);
                    self.read(connection);
                }
            }
            Event::Connected { connection, .. } => self.connected(connection),
            Event::Closed { connection } if own(connection) => self.lost(connection),
            Event::Closed { connection } => {
                if let Some(client) = self.clients.remove(&connection) {
                    self.forget(&client);
                }
            }
            Event::Due => self.on_time(),
            Event::Terminate => self.be_asked_to_end(),
        }
        self.before_sleep();
        acts.append(&mut self.acts);
    }

    fn due(&self) -> Option<Duration> {
        let waits = self.clients.values().filter_map(|client| match client.waits {
            Some(Waits::Acks { until, .. }) => until,
            _ => None,
        });
        let others = [self.paused_until, self.log_at, self.look_at_end(), Some(self.cron_at)];
        waits.chain(self.copies_due()).chain(others.into_iter().flatten()).min()
    }

    fn listens(&self, port: u16) -> bool {
        ["port", "tls-port"].iter().any(|name| self.settings.number(name) == u64::from(port))
    }

    fn exec(&mut self, _: Duration, _: &[String]) -> Exec {
        Exec::Ended { code: 0, message: None }
    }
}

#[cfg(test)]
mod tests;
