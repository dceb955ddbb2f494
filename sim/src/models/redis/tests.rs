//! Two servers with a wire between them. What real servers do is compared elsewhere.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::*;

/// A client and its connection to each server.
const CLIENT: u64 = 1;

/// Servers at 10.0.0.1 and following addresses.
struct World {
    now: Duration,
    servers: Vec<Redis>,
    /// By server and its name for a connection: the same on the other side.
    wires: BTreeMap<(usize, Connection), (usize, Connection)>,
    heard: BTreeMap<usize, Vec<u8>>,
    ended: Vec<usize>,
    last: u64,
}

impl World {
    fn new(count: usize) -> Self {
        let words = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap(), words.collect())
        };
        let lines = ["replicaof 127.0.0.1 1", "appendonly yes", "repl-ping-replica-period 1"].map(words);
        let server = |seed| Redis::new(&lines, Volume::default(), seed, Duration::ZERO, "/x.conf");
        let servers = (0..count as u64).map(server).collect();
        let (wires, heard, ended) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut world = Self { now: Duration::ZERO, servers, wires, heard, ended, last: 9 };
        for server in 0..count {
            let (from, to) = ("10.0.0.9:9".parse().unwrap(), address(server));
            world.happen(server, Event::Accepted { connection: Connection(CLIENT), from, to });
        }
        world
    }

    fn happen(&mut self, server: usize, event: Event) {
        let mut acts = Vec::new();
        self.servers[server].happen(self.now, event, &mut acts);
        for act in acts {
            match act {
                Act::Connect { connection, to } => {
                    let Some(other) = (0..self.servers.len()).find(|one| address(*one) == to) else {
                        self.happen(server, Event::Closed { connection });
                        continue;
                    };
                    self.last += 1;
                    let far = Connection(self.last);
                    self.wires.insert((server, connection), (other, far));
                    self.wires.insert((other, far), (server, connection));
                    let from = address(server);
                    self.happen(other, Event::Accepted { connection: far, from, to });
                    self.happen(server, Event::Connected { connection, from });
                }
                Act::Send { connection: Connection(CLIENT), bytes } => {
                    self.heard.entry(server).or_default().extend(bytes);
                }
                Act::Send { connection, bytes } => {
                    if let Some((other, connection)) = self.wires.get(&(server, connection)).copied() {
                        self.happen(other, Event::Received { connection, bytes });
                    }
                }
                Act::Close { connection } => {
                    if let Some((other, connection)) = self.wires.remove(&(server, connection)) {
                        self.wires.remove(&(other, connection));
                        self.happen(other, Event::Closed { connection });
                    }
                }
                Act::Exit(_) => self.ended.push(server),
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.pass_ms(seconds * 1000);
    }

    fn pass_ms(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        loop {
            let due = self.servers.iter().enumerate().filter_map(|(server, it)| Some((it.due()?, server)));
            let Some((due, server)) = due.min().filter(|(due, _)| *due <= end) else { break };
            self.now = due.max(self.now);
            self.happen(server, Event::Due);
        }
        self.now = end;
    }

    fn say(&mut self, server: usize, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = resp::encode(&words);
        self.happen(server, Event::Received { connection: Connection(CLIENT), bytes });
        String::from_utf8(self.heard.remove(&server).unwrap_or_default()).unwrap().trim_end().to_owned()
    }
}

fn address(server: usize) -> SocketAddr {
    format!("10.0.0.{}:6379", server + 1).parse().unwrap()
}

#[test]
fn a_replica_gets_all_and_goes_on_after_a_change_of_primary() {
    let mut world = World::new(3);
    assert!(world.say(0, "SET a 1").starts_with("-READONLY"));
    assert_eq!(world.say(0, "REPLICAOF NO ONE"), "+OK");
    assert_eq!(world.say(0, "SET a 1"), "+OK");
    for replica in [1, 2] {
        assert_eq!(world.say(replica, "REPLICAOF 10.0.0.1 6379"), "+OK");
    }
    world.pass(3);
    assert_eq!(world.say(1, "GET a"), "$1\r\n1");
    assert_eq!(world.say(0, "SET b 2"), "+OK");
    assert_eq!(world.say(0, "WAIT 2 100"), ":2");
    assert_eq!(world.say(1, "REPLICAOF NO ONE"), "+OK");
    for replica in [0, 2] {
        assert_eq!(world.say(replica, "REPLICAOF 10.0.0.2 6379"), "+OK");
    }
    world.pass(3);
    assert_eq!(world.say(1, "SET c 3"), "+OK");
    assert_eq!((world.say(0, "GET c").as_str(), world.say(2, "GET c").as_str()), ("$1\r\n3", "$1\r\n3"));
    assert_eq!(world.servers[1].partial_syncs, 2, "neither needs a copy");
    assert!(world.servers.iter().all(|server| server.history() == world.servers[0].history()));
}

#[test]
fn writes_wait_for_enough_replicas() {
    let mut world = World::new(2);
    world.say(0, "REPLICAOF NO ONE");
    assert_eq!(world.say(0, "CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 5"), "+OK");
    assert!(world.say(0, "SET a 1").starts_with("-NOREPLICAS"));
    world.say(1, "REPLICAOF 10.0.0.1 6379");
    world.pass(2);
    assert_eq!(world.say(0, "SET a 1"), "+OK");
    world.say(1, "REPLICAOF 127.0.0.5 1");
    assert!(world.say(0, "SET a 1").starts_with("-NOREPLICAS"));
}

#[test]
fn a_log_is_found_again_and_what_was_not_synced_is_not() {
    let mut world = World::new(1);
    world.say(0, "REPLICAOF NO ONE");
    world.say(0, "SET a 1");
    world.pass(2);
    world.say(0, "SET b 2");
    let volume = world.servers[0].volume.clone();
    let lines = [("appendonly".to_owned(), vec!["yes".to_owned()])];
    let again = |volume: &Volume| Redis::new(&lines, volume.clone(), 7, Duration::ZERO, "/x.conf");
    assert_eq!(again(&volume).keys(), 2, "a process that dies loses nothing");
    volume.cut_power();
    assert_eq!(again(&volume).keys(), 1);
}

#[test]
fn transactions_pauses_and_users_are_kept_to() {
    let mut world = World::new(1);
    world.say(0, "REPLICAOF NO ONE");
    assert_eq!(world.say(0, "MULTI"), "+OK");
    assert_eq!(world.say(0, "SET a 1"), "+QUEUED");
    assert!(world.say(0, "NONSENSE").starts_with("-ERR unknown command"));
    assert!(world.say(0, "EXEC").starts_with("-EXECABORT"));
    assert_eq!(world.say(0, "CLIENT PAUSE 1500 WRITE"), "+OK");
    assert_eq!(world.say(0, "SET a 1"), "", "it waits");
    world.pass(2);
    assert_eq!(world.heard.remove(&0), Some(b"+OK\r\n".to_vec()));
    assert_eq!(world.say(0, "ACL SETUSER u on >p ~* +get"), "+OK");
    assert!(world.say(0, "AUTH u x").starts_with("-WRONGPASS"));
    assert_eq!(world.say(0, "AUTH u p"), "+OK");
    assert!(world.say(0, "SET a 1").starts_with("-NOPERM"));
    assert_eq!(world.say(0, "GET a"), "$1\r\n1");
}

/// A primary with a key, and a replica that has it.
fn followed() -> World {
    let mut world = World::new(2);
    world.say(0, "REPLICAOF NO ONE");
    world.say(0, "SET a 1");
    world.say(1, "REPLICAOF 10.0.0.1 6379");
    world.pass(3);
    assert_eq!(world.say(1, "GET a"), "$1\r\n1");
    world
}

#[test]
fn who_loses_its_link_while_something_is_held_needs_all_again() {
    for (held, copies) in [(false, 1), (true, 2)] {
        let mut world = followed();
        assert_eq!(world.say(1, "CLIENT PAUSE 5000 WRITE"), "+OK");
        if held {
            world.say(0, "SET b 2");
        }
        assert_eq!(world.say(0, "CLIENT KILL TYPE replica"), ":1");
        world.pass(8);
        assert_eq!((world.servers[0].full_syncs, world.servers[1].keys()), (copies, 1 + usize::from(held)));
    }
}

#[test]
fn a_replica_without_its_rights_is_sent_away_and_goes_on_with_them() {
    let mut world = followed();
    world.say(0, "ACL SETUSER default -replconf -psync");
    world.pass(2);
    assert!(world.servers[1].link().is_err() && world.servers[0].replicas() == 0);
    world.say(0, "ACL SETUSER default +@all");
    world.pass(2);
    assert!(world.servers[1].link().is_ok());
    assert_eq!((world.servers[0].full_syncs, world.servers[0].partial_syncs), (1, 1));
}

#[test]
fn who_is_asked_to_end_waits_for_replicas_and_writes_nothing() {
    let mut world = followed();
    world.happen(0, Event::Terminate);
    world.pass(2);
    assert_eq!(world.ended.first(), Some(&0), "its replica has everything");
    let mut world = followed();
    world.say(1, "CLIENT PAUSE 60000 WRITE");
    world.say(0, "SET b 2");
    world.happen(0, Event::Terminate);
    world.pass(2);
    assert_eq!((world.say(0, "SET c 3").as_str(), world.ended.len()), ("", 0));
    world.pass(9);
    assert_eq!(world.ended.first(), Some(&0), "nobody is waited for forever");
}

#[test]
fn a_log_that_is_begun_anew_is_not_there_at_once() {
    let mut world = World::new(2);
    world.say(0, "REPLICAOF NO ONE");
    world.say(0, "SET a 1");
    world.say(1, "REPLICAOF 10.0.0.1 6379");
    while world.servers[1].link().is_err() {
        world.pass_ms(1);
    }
    let lines = [("appendonly".to_owned(), vec!["yes".to_owned()])];
    let again = |world: &World| {
        Redis::new(&lines, world.servers[1].volume.clone(), 7, Duration::ZERO, "/x.conf").keys()
    };
    assert_eq!((world.servers[1].keys(), again(&world)), (1, 0), "who dies now has what it had before");
    world.pass(1);
    assert_eq!(again(&world), 1);
}
