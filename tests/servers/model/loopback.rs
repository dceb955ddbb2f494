//! Processes of the model, with a network between them that loses and delays nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use operlet_sim::{Act, Application, Connection, Event, Volume, models::redis::Redis};

use super::world::{Wire, World};
use crate::server::{Directive, PORT, Server};

/// What one moment may bring: more is a process that never rests.
const EVENTS_MAX: usize = 100_000;

pub(crate) struct Loopback {
    seed: u64,
    begun: Instant,
    now: Duration,
    places: Vec<Place>,
    /// The other end of each connection that a process has.
    peers: BTreeMap<(usize, Connection), Peer>,
    clients: BTreeMap<Wire, Client>,
    events: VecDeque<(usize, u64, Event)>,
    connections: u64,
}

struct Place {
    address: IpAddr,
    directives: Vec<Directive>,
    config_file: String,
    data: Volume,
    process: Option<Box<dyn Application>>,
    /// How many processes there were.
    life: u64,
    frozen: bool,
    /// What it has not heard while it was frozen.
    unheard: VecDeque<Event>,
}

#[derive(Clone, Copy)]
enum Peer {
    Process(usize, Connection),
    Client(Wire),
}

struct Client {
    server: (usize, Connection),
    received: Vec<u8>,
    open: bool,
}

impl Loopback {
    /// The same servers as these, with the same addresses.
    pub(crate) fn like(servers: &[Server], seed: u64) -> Self {
        let place = |server: &Server| Place {
            address: server.address,
            directives: server.directives(),
            config_file: server.config_file(),
            data: Volume::default(),
            process: None,
            life: 0,
            frozen: false,
            unheard: VecDeque::new(),
        };
        let mut loopback = Self {
            seed,
            begun: Instant::now(),
            now: Duration::ZERO,
            places: servers.iter().map(place).collect(),
            peers: BTreeMap::new(),
            clients: BTreeMap::new(),
            events: VecDeque::new(),
            connections: 0,
        };
        (0..servers.len()).for_each(|server| loopback.run(server));
        loopback
    }

    /// Lets it become as late as it is.
    fn advance(&mut self) {
        let until = self.begun.elapsed();
        let next =
            |place: usize, at: &Place| Some((at.process.as_ref().filter(|_| !at.frozen)?.due()?, place));
        for _ in 0..EVENTS_MAX {
            let due = self.places.iter().enumerate().filter_map(|(place, at)| next(place, at)).min();
            let Some((due, place)) = due.filter(|(due, _)| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            self.happen(place, Event::Due);
        }
        panic!("a process is due again and again at {:?}", self.now);
    }

    /// Something happens to a process, and all that follows from it.
    fn happen(&mut self, place: usize, event: Event) {
        self.tell(place, event);
        self.deliver();
    }

    fn deliver(&mut self) {
        for _ in 0..EVENTS_MAX {
            let Some((place, life, event)) = self.events.pop_front() else { return };
            let at = &mut self.places[place];
            let Some(process) = at.process.as_mut().filter(|_| at.life == life) else { continue };
            if at.frozen {
                keep(&mut at.unheard, event);
                continue;
            }
            let mut acts = Vec::new();
            process.happen(self.now, event, &mut acts);
            for act in acts {
                self.act(place, act);
            }
        }
        panic!("the processes do not come to rest at {:?}", self.now);
    }

    fn tell(&mut self, place: usize, event: Event) {
        self.events.push_back((place, self.places[place].life, event));
    }

    fn act(&mut self, place: usize, act: Act) {
        match act {
            Act::Connect { connection, to } => self.open(place, connection, to),
            Act::Send { connection, bytes } => match self.peers.get(&(place, connection)) {
                Some(&Peer::Process(peer, connection)) => {
                    self.tell(peer, Event::Received { connection, bytes });
                }
                Some(Peer::Client(wire)) => {
                    self.clients.get_mut(wire).expect("it is there").received.extend(bytes);
                }
                None => {}
            },
            Act::Close { connection } => self.close(place, connection),
            Act::Exit(_) => self.end(place),
        }
    }

    fn open(&mut self, place: usize, connection: Connection, to: SocketAddr) {
        assert!(connection.0 >= Connection::OWN, "{connection:?}");
        let listens = |at: &Place| {
            at.process.as_ref().is_some_and(|process| process.listens(PORT))
                && SocketAddr::new(at.address, PORT) == to
        };
        let Some(peer) = self.places.iter().position(listens) else {
            return self.tell(place, Event::Closed { connection });
        };
        let accepted = self.number();
        let from = SocketAddr::new(self.places[place].address, self.port());
        self.peers.insert((place, connection), Peer::Process(peer, accepted));
        self.peers.insert((peer, accepted), Peer::Process(place, connection));
        self.tell(peer, Event::Accepted { connection: accepted, from, to });
        self.tell(place, Event::Connected { connection, from });
    }

    fn number(&mut self) -> Connection {
        self.connections += 1;
        Connection(self.connections)
    }

    fn port(&self) -> u16 {
        40_000 + u16::try_from(self.connections % 20_000).unwrap()
    }

    fn close(&mut self, place: usize, connection: Connection) {
        match self.peers.remove(&(place, connection)) {
            Some(Peer::Process(peer, connection)) => {
                self.peers.remove(&(peer, connection));
                self.tell(peer, Event::Closed { connection });
            }
            Some(Peer::Client(wire)) => self.clients.get_mut(&wire).expect("it is there").open = false,
            None => {}
        }
    }

    /// A process is no more.
    fn end(&mut self, place: usize) {
        let at = &mut self.places[place];
        at.process = None;
        at.frozen = false;
        at.unheard.clear();
        let connections: Vec<_> = self.peers.keys().filter(|(of, _)| *of == place).copied().collect();
        for (_, connection) in connections {
            self.close(place, connection);
        }
    }
}

/// Keeps an event for later. What comes on one connection is read at once, as in the
/// simulation's network.
fn keep(unheard: &mut VecDeque<Event>, event: Event) {
    if let Event::Received { connection, bytes } = &event {
        let known = unheard.iter_mut().find_map(|known| match known {
            Event::Received { connection: on, bytes } if on == connection => Some(bytes),
            _ => None,
        });
        if let Some(known) = known {
            return known.extend_from_slice(bytes);
        }
    }
    unheard.push_back(event);
}

impl World for Loopback {
    fn address(&self, server: usize) -> IpAddr {
        self.places[server].address
    }

    fn run(&mut self, server: usize) {
        self.advance();
        let at = &mut self.places[server];
        assert!(at.process.is_none(), "it runs");
        at.life += 1;
        let seed = self.seed.wrapping_add(at.life << 8).wrapping_add(u64::try_from(server).unwrap());
        let redis = Redis::new(&at.directives, at.data.clone(), seed, self.now, &at.config_file);
        at.process = Some(Box::new(redis));
    }

    fn kill(&mut self, server: usize) {
        self.advance();
        self.end(server);
        self.deliver();
    }

    fn terminate(&mut self, server: usize) {
        self.advance();
        self.happen(server, Event::Terminate);
    }

    fn has_ended(&mut self, server: usize) -> bool {
        self.advance();
        self.places[server].process.is_none()
    }

    fn set_frozen(&mut self, server: usize, frozen: bool) {
        self.advance();
        self.places[server].frozen = frozen;
        if !frozen {
            for event in std::mem::take(&mut self.places[server].unheard) {
                self.tell(server, event);
            }
            self.deliver();
        }
    }

    fn wipe(&mut self, server: usize) {
        self.places[server].data.clear();
    }

    fn connect(&mut self, server: usize, from: Option<SocketAddr>) -> Option<(Wire, SocketAddr)> {
        self.advance();
        self.places[server].process.as_ref()?;
        let connection = self.number();
        let from = from.unwrap_or_else(|| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port()));
        let wire = Wire(usize::try_from(connection.0).unwrap());
        self.clients.insert(wire, Client { server: (server, connection), received: Vec::new(), open: true });
        self.peers.insert((server, connection), Peer::Client(wire));
        let to = SocketAddr::new(self.address(server), PORT);
        self.happen(server, Event::Accepted { connection, from, to });
        Some((wire, from))
    }

    fn send(&mut self, wire: Wire, bytes: &[u8]) {
        self.advance();
        let Some(client) = self.clients.get(&wire).filter(|client| client.open) else { return };
        let (server, connection) = client.server;
        self.happen(server, Event::Received { connection, bytes: bytes.to_vec() });
    }

    fn receive(&mut self, wire: Wire, into: &mut Vec<u8>) -> bool {
        self.advance();
        let Some(client) = self.clients.get_mut(&wire) else { return false };
        into.append(&mut client.received);
        client.open
    }

    fn hang_up(&mut self, wire: Wire) {
        self.advance();
        let Some(client) = self.clients.remove(&wire) else { return };
        if client.open {
            let (server, connection) = client.server;
            self.peers.remove(&client.server);
            self.happen(server, Event::Closed { connection });
        }
    }
}
