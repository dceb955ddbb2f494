//! Processes: what happens to them, and what they do.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    Process,
    link::{End, Holder, Link, Segment, Side},
    state::{Due, Key, State},
};
use crate::world::{Act, Application, Connection, Event, Exec};

/// What the exit code is of a process that was killed.
const KILLED: i32 = 137;

/// How soon one that is due after it heard that it was due hears it again.
const AGAIN: Duration = Duration::from_millis(1);

/// A process that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) process: Process,
    pub(crate) code: i32,
    pub(crate) at: Duration,
}

/// A process that runs.
pub(super) struct Running {
    pub(super) node: String,
    pub(super) address: IpAddr,
    application: Box<dyn Application>,
    pub(super) connections: BTreeMap<Connection, (u64, Side)>,
    accepted: u64,
    frozen: bool,
    /// What it has not heard while it was frozen.
    unheard: VecDeque<Event>,
    alarm: Option<Key>,
}

impl Running {
    /// The kernel knows where it listens, also while it is frozen.
    pub(super) fn listens(&self, port: u16) -> bool {
        self.application.listens(port)
    }

    /// Keeps an event for later. What comes on one connection is read at once.
    fn keep(&mut self, event: Event) {
        if let Event::Received { connection, bytes } = &event {
            let known = self.unheard.iter_mut().find_map(|known| match known {
                Event::Received { connection: on, bytes } if on == connection => Some(bytes),
                _ => None,
            });
            if let Some(known) = known {
                known.extend_from_slice(bytes);
                return;
            }
        }
        self.unheard.push_back(event);
    }
}

impl State {
    pub(super) fn start(
        &mut self,
        node: &str,
        address: IpAddr,
        application: Box<dyn Application>,
    ) -> Process {
        let process = Process(self.number());
        self.assign(address, node);
        if let Some(place) = self.addresses.get_mut(&address) {
            place.processes.push(process);
        }
        let running = Running {
            node: node.to_owned(),
            address,
            application,
            connections: BTreeMap::new(),
            accepted: 0,
            frozen: false,
            unheard: VecDeque::new(),
            alarm: None,
        };
        self.processes.insert(process, running);
        self.set_alarm(process, self.now);
        process
    }

    /// Tells a process something, and does what it does then.
    pub(super) fn happen(&mut self, process: Process, event: Event) {
        let now = self.now;
        let Some(running) = self.processes.get_mut(&process) else { return };
        if running.frozen {
            running.keep(event);
            return;
        }
        let earliest = if event == Event::Due { now + AGAIN } else { now };
        let mut acts = Vec::new();
        running.application.happen(now, event, &mut acts);
        for act in acts {
            self.act(process, act);
        }
        self.set_alarm(process, earliest);
    }

    /// The time has come that a process said.
    pub(super) fn due(&mut self, process: Process) {
        let Some(running) = self.processes.get_mut(&process) else { return };
        running.alarm = None;
        if !running.frozen {
            self.happen(process, Event::Due);
        }
    }

    pub(super) fn terminate(&mut self, process: Process) {
        self.happen(process, Event::Terminate);
    }

    pub(super) fn kill(&mut self, process: Process) {
        self.exit(process, KILLED);
    }

    pub(super) fn freeze(&mut self, process: Process) {
        if let Some(running) = self.processes.get_mut(&process) {
            running.frozen = true;
        }
    }

    pub(super) fn is_frozen(&self, process: Process) -> bool {
        self.processes.get(&process).is_some_and(|running| running.frozen)
    }

    pub(super) fn thaw(&mut self, process: Process) {
        let Some(running) = self.processes.get_mut(&process) else { return };
        running.frozen = false;
        for event in std::mem::take(&mut running.unheard) {
            self.happen(process, event);
        }
        self.set_alarm(process, self.now);
    }

    pub(super) fn exec(&mut self, process: Process, command: &[String]) -> Option<Exec> {
        let now = self.now;
        let running = self.processes.get_mut(&process)?;
        if running.frozen {
            return Some(Exec::Running);
        }
        let exec = running.application.exec(now, command);
        self.set_alarm(process, now);
        Some(exec)
    }

    /// Tells a process that somebody has connected, and gives that end.
    pub(super) fn accept(&mut self, process: Process, link: u64, from: SocketAddr, to: SocketAddr) {
        let Some(running) = self.processes.get_mut(&process) else { return };
        running.accepted += 1;
        let connection = Connection(running.accepted);
        running.connections.insert(connection, (link, Side::Listener));
        let end = End::new(Holder::Process(process, connection), &running.node, to);
        if let Some(link) = self.links.get_mut(&link) {
            link.answer(end);
        }
        self.send(link, Side::Listener, Segment::Open);
        self.happen(process, Event::Accepted { connection, from, to });
    }

    fn act(&mut self, process: Process, act: Act) {
        let Some(running) = self.processes.get_mut(&process) else { return };
        match act {
            Act::Connect { connection, to } => self.connect(process, connection, to),
            Act::Send { connection, bytes } => {
                if let Some((link, side)) = running.connections.get(&connection).copied()
                    && !bytes.is_empty()
                {
                    self.send(link, side, Segment::Bytes(bytes));
                }
            }
            Act::Close { connection } => {
                if let Some((link, side)) = running.connections.remove(&connection) {
                    self.close(link, side);
                }
            }
            Act::Exit(code) => self.exit(process, code),
        }
    }

    fn connect(&mut self, process: Process, connection: Connection, mut to: SocketAddr) {
        let port = self.port();
        let Some(running) = self.processes.get(&process) else { return };
        if to.ip().is_loopback() {
            to.set_ip(running.address);
        }
        let from = SocketAddr::new(running.address, port);
        let end = End::new(Holder::Process(process, connection), &running.node, from);
        let link = self.knock(Link::new(end, to));
        if let Some(running) = self.processes.get_mut(&process) {
            running.connections.insert(connection, (link, Side::Dialer));
        }
    }

    fn exit(&mut self, process: Process, code: i32) {
        if !self.processes.contains_key(&process) {
            return;
        }
        for (link, side) in self.take_away(process) {
            self.close(link, side);
        }
        self.end_of(Ended { process, code, at: self.now });
    }

    /// Takes a process away, and gives the connections that it had.
    pub(super) fn take_away(&mut self, process: Process) -> Vec<(u64, Side)> {
        let Some(running) = self.processes.remove(&process) else { return Vec::new() };
        if let Some(alarm) = running.alarm {
            self.forget(alarm);
        }
        if let Some(place) = self.addresses.get_mut(&running.address) {
            place.processes.retain(|known| *known != process);
        }
        running.connections.into_values().collect()
    }

    /// Notes when a process wants to hear that it is due.
    fn set_alarm(&mut self, process: Process, earliest: Duration) {
        let Some(running) = self.processes.get_mut(&process) else { return };
        let wanted = running.application.due().map(|due| due.max(earliest));
        let known = running.alarm;
        if wanted == known.map(|(time, _)| time) {
            return;
        }
        if let Some(known) = known {
            self.forget(known);
        }
        let alarm = wanted.map(|time| self.schedule(time, Due::Process(process)));
        if let Some(running) = self.processes.get_mut(&process) {
            running.alarm = alarm;
        }
    }
}
