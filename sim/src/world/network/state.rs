//! What is on its way, and what becomes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    Process,
    link::{End, Holder, Link, Segment, Side, joined},
    pair,
    process::{Ended, Running},
    stream::Inbox,
};
use crate::{chance::Chance, world::Event};

/// How long bytes travel: at least, and at most.
const TRAVEL: [Duration; 2] = [Duration::from_micros(50), Duration::from_micros(500)];

/// How long is waited before lost bytes are sent again: at first, and at most.
const WAIT: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(15)];

/// How long it is tried to open a connection, and to send on one.
const OPENING: Duration = Duration::from_secs(127);
const SENDING: Duration = Duration::from_secs(15 * 60);

/// Ports that dialers have: from the first of them so many.
const PORTS: [u16; 2] = [32_768, 28_000];

/// When something happens, and which of those it is that happen then.
pub(super) type Key = (Duration, u64);

/// What happens.
#[derive(Debug)]
pub(super) enum Due {
    Arrival { link: u64, from: Side, segment: Segment },
    Again { link: u64, from: Side },
    Process(Process),
}

/// Where an address is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) node: String,
    pub(super) processes: Vec<Process>,
}

/// All of it.
pub(super) struct State {
    /// When that is what happens now.
    pub(super) now: Duration,
    chance: Chance,
    queue: BTreeMap<Key, Due>,
    numbers: u64,
    ports: u16,
    /// Whoever lets things happen comes back by itself at this time.
    waits: Duration,
    earlier: Arc<Notify>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) processes: BTreeMap<Process, Running>,
    pub(super) addresses: BTreeMap<IpAddr, Place>,
    pub(super) dark: BTreeSet<String>,
    pub(super) cuts: BTreeSet<(String, String)>,
    pub(super) ended: Vec<Ended>,
    told: Arc<Notify>,
}

impl State {
    pub(super) fn new(seed: u64, earlier: Arc<Notify>, told: Arc<Notify>) -> Self {
        Self {
            now: Duration::ZERO,
            chance: Chance::new(seed),
            queue: BTreeMap::new(),
            numbers: 0,
            ports: 0,
            waits: Duration::MAX,
            earlier,
            links: BTreeMap::new(),
            processes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            dark: BTreeSet::new(),
            cuts: BTreeSet::new(),
            ended: Vec::new(),
            told,
        }
    }

    /// Lets all happen that is due by now.
    pub(super) fn catch_up(&mut self, now: Duration) {
        while let Some(next) = self.queue.first_entry() {
            let time = next.key().0;
            if time > now {
                break;
            }
            let due = next.remove();
            self.now = self.now.max(time);
            match due {
                Due::Arrival { link, from, segment } => self.arrive(link, from, segment),
                Due::Again { link, from } => self.send_again(link, from),
                Due::Process(process) => self.due(process),
            }
        }
        self.now = self.now.max(now);
    }

    /// When to come back, for whoever lets things happen.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        let next = self.queue.first_key_value().map(|((time, _), _)| *time);
        self.waits = next.unwrap_or(Duration::MAX);
        next
    }

    pub(super) fn schedule(&mut self, time: Duration, due: Due) -> Key {
        let key = (time, self.number());
        self.queue.insert(key, due);
        if time < self.waits {
            self.waits = time;
            self.earlier.notify_one();
        }
        key
    }

    pub(super) fn forget(&mut self, key: Key) {
        self.queue.remove(&key);
    }

    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn port(&mut self) -> u16 {
        let [first, count] = PORTS;
        self.ports = (self.ports + 1) % count;
        first + self.ports
    }

    pub(super) fn assign(&mut self, address: IpAddr, node: &str) {
        let place = Place { node: node.to_owned(), processes: Vec::new() };
        let place = self.addresses.entry(address).or_insert(place);
        node.clone_into(&mut place.node);
    }

    pub(super) fn release(&mut self, address: IpAddr) {
        self.addresses.remove(&address);
        for link in self.links.values_mut() {
            for side in [Side::Dialer, Side::Listener] {
                if link.end(side).is_some_and(|end| end.address.ip() == address && !is_stream(end)) {
                    forget(link, side);
                }
            }
        }
    }

    pub(super) fn cut_power(&mut self, node: &str) {
        self.dark.insert(node.to_owned());
        let there = self.processes.iter().filter(|(_, running)| running.node == node);
        let there: Vec<Process> = there.map(|(process, _)| *process).collect();
        for process in there {
            self.take_away(process);
        }
        for link in self.links.values_mut() {
            for side in [Side::Dialer, Side::Listener] {
                if link.end(side).is_some_and(|end| end.node == node) {
                    forget(link, side);
                    if let Some(end) = link.end_mut(side) {
                        end.held = false;
                    }
                    if let Some(inbox) = link.inbox(side) {
                        inbox.break_off(ErrorKind::ConnectionReset);
                    }
                }
            }
        }
        self.links.retain(|_, link| link.is_held(Side::Dialer) || link.is_held(Side::Listener));
    }

    /// Notes that a process has ended, and tells who waits for it.
    pub(super) fn end_of(&mut self, ended: Ended) {
        self.ended.push(ended);
        self.told.notify_one();
    }

    /// Opens a connection for a stream.
    pub(super) fn dial(&mut self, node: &str, address: IpAddr, to: SocketAddr) -> u64 {
        let from = SocketAddr::new(address, self.port());
        let end = End::new(Holder::Stream(Inbox::default()), node, from);
        self.knock(Link::new(end, to))
    }

    pub(super) fn knock(&mut self, link: Link) -> u64 {
        let number = self.number();
        self.links.insert(number, link);
        self.send(number, Side::Dialer, Segment::Knock);
        number
    }

    /// The inbox of the stream that opened a connection.
    pub(super) fn inbox(&mut self, link: u64) -> Option<&mut Inbox> {
        self.links.get_mut(&link)?.inbox(Side::Dialer)
    }

    pub(super) fn send(&mut self, link: u64, from: Side, segment: Segment) {
        let [least, most] = TRAVEL;
        let travelled = self.now + self.chance.between(least, most);
        let Some(lane) = self.links.get_mut(&link).map(|link| link.lane(from)) else { return };
        lane.last = lane.last.max(travelled);
        let time = lane.last;
        self.schedule(time, Due::Arrival { link, from, segment });
    }

    /// A side closes a connection: it hears nothing more of it, and the other one does
    /// when all before it has arrived.
    pub(super) fn close(&mut self, number: u64, side: Side) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let Some(end) = link.end_mut(side) else { return };
        end.held = false;
        let forgotten = end.forgotten;
        if !link.is_held(side.other()) {
            self.links.remove(&number);
        } else if !forgotten {
            self.send(number, side, Segment::End);
        }
    }

    fn arrive(&mut self, number: u64, from: Side, segment: Segment) {
        let reached = self.reaches(number, from);
        let Some(link) = self.links.get_mut(&number) else { return };
        let forgotten = link.end(from).is_some_and(|end| end.forgotten);
        let lane = link.lane(from);
        if lane.lost.is_empty() && reached {
            return self.deliver(number, from, segment);
        }
        if forgotten {
            return;
        }
        lane.lost.push_back(segment);
        if lane.lost.len() == 1 {
            let [wait, _] = WAIT;
            (lane.since, lane.wait) = (self.now, wait);
            self.schedule(self.now + wait, Due::Again { link: number, from });
        }
    }

    /// Sends again what was lost.
    fn send_again(&mut self, number: u64, from: Side) {
        let reached = self.reaches(number, from);
        let Some(lane) = self.links.get_mut(&number).map(|link| link.lane(from)) else { return };
        let opens = matches!(lane.lost.front(), Some(Segment::Knock));
        let patience = if opens { OPENING } else { SENDING };
        if lane.lost.is_empty() {
            // Its node or its address is no more.
        } else if reached {
            for segment in joined(std::mem::take(&mut lane.lost)) {
                self.deliver(number, from, segment);
            }
        } else if self.now - lane.since >= patience {
            lane.lost.clear();
            self.break_off(number, from, ErrorKind::TimedOut);
        } else {
            let [_, longest] = WAIT;
            lane.wait = (lane.wait * 2).min(longest);
            let time = self.now + lane.wait;
            self.schedule(time, Due::Again { link: number, from });
        }
    }

    /// Whether what comes from a side gets through to the other.
    fn reaches(&self, link: u64, from: Side) -> bool {
        let Some(link) = self.links.get(&link) else { return false };
        let end = |side| link.end(side).filter(|end| is_stream(end)).map(|end| end.node.as_str());
        let at = |address: SocketAddr| self.addresses.get(&address.ip()).map(|place| place.node.as_str());
        let address = |side| link.end(side).map_or(link.to, |end| end.address);
        let there = end(from.other()).or_else(|| at(address(from.other())));
        let here = link.end(from).map(|end| end.node.as_str()).or_else(|| at(address(from)));
        let (Some(here), Some(there)) = (here, there) else { return false };
        !self.dark.contains(here) && !self.dark.contains(there) && !self.cuts.contains(&pair(here, there))
    }

    /// Something has arrived at the other side.
    fn deliver(&mut self, number: u64, from: Side, segment: Segment) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let to = from.other();
        match segment {
            Segment::Knock => {
                let (dialer, address) = (link.end(from).map(|end| end.address), link.to);
                let there = self.addresses.get(&address.ip()).map(|place| place.processes.as_slice());
                let listens = |process: &Process| {
                    self.processes.get(process).is_some_and(|running| running.listens(address.port()))
                };
                let process = there.unwrap_or_default().iter().copied().find(listens);
                match (process, dialer) {
                    (Some(process), Some(dialer)) => self.accept(process, number, dialer, address),
                    _ => self.send(number, to, Segment::Refused),
                }
            }
            Segment::Open => match link.end_mut(to) {
                Some(End { holder: Holder::Process(process, connection), address, held: true, .. }) => {
                    let event = Event::Connected { connection: *connection, from: *address };
                    let process = *process;
                    self.happen(process, event);
                }
                Some(End { holder: Holder::Stream(inbox), .. }) => inbox.open(),
                _ => {}
            },
            Segment::Bytes(bytes) => match link.end_mut(to) {
                Some(End { holder: Holder::Process(process, connection), held: true, .. }) => {
                    let event = Event::Received { connection: *connection, bytes };
                    let process = *process;
                    self.happen(process, event);
                }
                Some(End { holder: Holder::Stream(inbox), held: true, .. }) => inbox.receive(&bytes),
                _ => self.send(number, to, Segment::Reset),
            },
            Segment::End => self.end(number, to),
            Segment::Refused => self.break_off(number, to, ErrorKind::ConnectionRefused),
            Segment::Reset => self.break_off(number, to, ErrorKind::ConnectionReset),
        }
    }

    /// A side learns that nothing more comes.
    fn end(&mut self, number: u64, side: Side) {
        let Some(link) = self.links.get_mut(&number) else { return };
        if let Some(inbox) = link.inbox(side) {
            inbox.end();
        } else if link.is_held(side) {
            // A process closes its side, too.
            self.let_go(number, side);
            self.close(number, side);
        }
    }

    /// A side learns that there is no connection.
    fn break_off(&mut self, number: u64, side: Side, why: ErrorKind) {
        let Some(link) = self.links.get_mut(&number) else { return };
        if let Some(inbox) = link.inbox(side) {
            inbox.break_off(why);
            return;
        }
        self.let_go(number, side);
        if let Some(link) = self.links.get_mut(&number) {
            forget(link, side);
        }
        self.close(number, side);
    }

    /// Tells the process that holds a side that it is closed.
    fn let_go(&mut self, number: u64, side: Side) {
        let Some(end) = self.links.get_mut(&number).and_then(|link| link.end_mut(side)) else { return };
        let Holder::Process(process, connection) = end.holder else { return };
        if !std::mem::replace(&mut end.held, false) {
            return;
        }
        if let Some(running) = self.processes.get_mut(&process) {
            running.connections.remove(&connection);
        }
        self.happen(process, Event::Closed { connection });
    }
}

fn is_stream(end: &End) -> bool {
    matches!(end.holder, Holder::Stream(_))
}

/// Nobody is left on a side who would send again what was lost.
fn forget(link: &mut Link, side: Side) {
    link.lane(side).lost.clear();
    if let Some(end) = link.end_mut(side) {
        end.forgotten = true;
    }
}
