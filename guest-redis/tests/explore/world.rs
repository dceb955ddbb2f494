//! The abstract world: what a state is made of. `redis` says what Redis does in it,
//! `cluster` what Kubernetes and the network do, `operator` drives the protocol.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use operlet_redis::protocol::facts::Facts;
use operlet_redis::protocol::record::{Epoch, Incarnation, Millis, Record, ReplId, RunId, Uid};

use crate::fingerprint::fingerprint;

/// At most so many processes.
pub const SLOTS: usize = 4;

/// The present. Only differences matter, so time passes by making times older.
pub const NOW: Millis = 1_000_000;

/// maxLag, so that maxLag and its margin are one tick.
pub const MAX_LAG_S: u32 = 6;

/// What one tick lasts: also the longest that a reconcile may take.
pub const TICK_S: u32 = 10;

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    Down,
    Up,
    Frozen,
}

/// What a process follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Follows {
    /// It is a master.
    Nobody,
    Dead(Epoch),
    /// A pod's address: its slot and which pod of that name.
    Pod(u8, u8),
}

/// The link of a replica, to a process of so many restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    None,
    /// A full sync is on its way: the primary may count it already.
    Transfer(u8),
    /// It is being loaded: nothing it is told is obeyed.
    Loading(u8),
    Up(u8),
}

/// How long the link has been down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Down {
    Never,
    Recent,
    Long,
}

/// A replication id: which process made it, and as its how-manyth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lineage {
    pub slot: u8,
    pub run: u8,
    pub shift: u8,
}

/// An act that passed its expectations and is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Late {
    ToDead(Epoch),
    Promote(u8),
    Attach(u8, u8),
    /// Users set and dropped, as bits.
    Users(u32, u32),
    Configure(u8),
    Pause,
    Unpause,
    KickClients,
}

/// A pod with its process and its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// Whether the pod exists.
    pub exists: bool,
    pub terminating: bool,
    pub updated: bool,
    /// Counts the pods of this name.
    pub uid: u8,
    /// Counts the processes of this pod's name.
    pub run: u8,
    pub life: Life,
    /// Whether this container was Ready once.
    pub ready: bool,
    /// The run whose end a termination message shows; 0 is none.
    pub ended: u8,
    /// It loads what is on its disk: nothing it is told is obeyed.
    pub booting: bool,
    pub follows: Follows,
    /// Whether it was told that pod's name and not its address.
    pub named: bool,
    pub link: Link,
    pub down: Down,
    pub lineage: Lineage,
    pub second: Lineage,
    /// How often it was promoted.
    pub shifts: u8,
    pub second_offset: u8,
    /// Whether it has a backlog: the first replica of one without gives it a new id.
    pub backlog: bool,
    pub offset: u8,
    /// Which writes it holds, one bit each.
    pub data: u8,
    /// Those of them that it has held without a crash since it got them.
    pub solid: u8,
    /// The replicas it counts as good, one bit each: a cache (fact 10).
    pub good: u8,
    /// It was frozen as a master and has not counted since.
    pub stale: bool,
    /// Replicas' users: one bit for each slot and run.
    pub users: u32,
    pub min: u8,
    pub paused: bool,
    pub late: Option<Late>,
}

impl Process {
    /// A pod just made, its process booted as a replica of nobody (fact 1).
    pub fn fresh(slot: u8) -> Self {
        Self {
            exists: true,
            terminating: false,
            updated: true,
            uid: 1,
            run: 1,
            life: Life::Up,
            ready: false,
            ended: 0,
            booting: false,
            follows: Follows::Dead(1),
            named: false,
            link: Link::None,
            down: Down::Never,
            lineage: Lineage { slot, run: 1, shift: 0 },
            second: Lineage::default(),
            shifts: 0,
            second_offset: 0,
            backlog: false,
            offset: 0,
            data: 0,
            solid: 0,
            good: 0,
            stale: false,
            users: 0,
            min: 0,
            paused: false,
            late: None,
        }
    }

    pub fn is_up(&self) -> bool {
        self.exists && self.life == Life::Up
    }

    pub fn is_master(&self) -> bool {
        self.follows == Follows::Nobody
    }

    /// Whether it accepts writes, or will when a pause ends.
    pub fn accepts(&self) -> bool {
        self.is_up() && self.is_master() && self.good.count_ones() >= u32::from(self.min)
    }
}

/// What is still allowed to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// All faults together; each kind below counts in it as well.
    pub faults: u8,
    /// The process dies, its data stays.
    pub crash: u8,
    /// The process dies with its data.
    pub lose: u8,
    /// The process dies, and its disk lacks all but the first write.
    pub tail: u8,
    /// As a crash, and nothing ever shows it but another run id.
    pub blackout: u8,
    pub freeze: u8,
    pub cut: u8,
    pub late: u8,
    /// A pod is deleted.
    pub delete: u8,
    /// A replica needs a full sync: the backlog did not reach.
    pub full: u8,
    /// A person says that a process which is off is so; not a fault.
    pub vouch: u8,
    /// The operator dies between two steps.
    pub die: u8,
    /// Writes of clients; not a fault.
    pub writes: u8,
    /// Offsets that move without a write.
    pub pings: u8,
    /// The resource is changed.
    pub edits: u8,
}

/// What the resource asks for, as far as it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Want {
    pub replicas: u8,
    pub min: u8,
    /// A request to hand over: its id, and a slot.
    pub switchover: Option<(u8, u8)>,
    pub hibernated: bool,
}

/// A value with its fingerprint, shared by many states.
#[derive(Debug)]
pub struct Shared<T> {
    pub value: T,
    print: u128,
}

impl<T: Hash> Shared<T> {
    pub fn new(value: T) -> Rc<Self> {
        let print = fingerprint(&value);
        Rc::new(Self { value, print })
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.print);
    }
}

/// Where the operator is.
#[derive(Debug, Clone, Hash)]
pub enum Operator {
    Idle,
    /// Answers come one after the other: up to this slot they are in.
    Looking(Rc<Shared<Facts>>, u8),
    /// Within a reconcile, with what it knows.
    Thinking(Rc<Shared<Facts>>),
}

/// A state.
#[derive(Debug, Clone, Hash)]
pub struct World {
    pub processes: [Process; SLOTS],
    pub count: u8,
    /// Two nodes talk to each other if their bits are equal.
    pub side: u8,
    /// Nodes that operator and API server do not reach.
    pub dark: u8,
    pub written: u8,
    /// Writes confirmed by WAIT Q.
    pub confirmed: u8,
    pub service: Option<u8>,
    pub claims: [u8; SLOTS],
    /// The pods of each name that a person vouched for; 0 is none.
    pub vouched: [u8; SLOTS],
    pub want: Want,
    pub budget: Budget,
    pub record: Rc<Shared<Record>>,
    pub operator: Operator,
    /// The last target of a promotion and its epoch.
    pub promised: Option<(Epoch, Incarnation)>,
}

impl World {
    pub fn slots(&self) -> std::ops::Range<u8> {
        0..self.count
    }

    pub fn at(&self, slot: u8) -> &Process {
        &self.processes[usize::from(slot)]
    }

    pub fn at_mut(&mut self, slot: u8) -> &mut Process {
        &mut self.processes[usize::from(slot)]
    }

    /// Whether two nodes talk to each other.
    pub fn talk(&self, one: u8, other: u8) -> bool {
        (self.side >> one) & 1 == (self.side >> other) & 1
    }

    /// Whether the operator reaches a node.
    pub fn is_reached(&self, slot: u8) -> bool {
        (self.dark >> slot) & 1 == 0
    }

    /// The process a link leads to, if it is still that one and its own end holds.
    pub fn peer(&self, replica: u8) -> Option<u8> {
        let it = self.at(replica);
        let (Link::Up(run) | Link::Transfer(run) | Link::Loading(run)) = it.link else { return None };
        let Follows::Pod(slot, uid) = it.follows else { return None };
        let peer = self.at(slot);
        let same = peer.exists && peer.uid == uid && peer.run == run && peer.life != Life::Down;
        // Whoever was demoted and promoted since has closed it.
        let same = same && (matches!(it.link, Link::Transfer(_)) || it.lineage == peer.lineage);
        (same && peer.is_master() && peer.users & user(replica, it.run) != 0).then_some(slot)
    }

    pub fn incarnation(&self, slot: u8) -> Incarnation {
        let it = self.at(slot);
        Incarnation { pod: slot, uid: uid(slot, it.uid), run: run_id(slot, it.run) }
    }

    /// Whether this very process still runs.
    pub fn is_alive(&self, who: &Incarnation) -> bool {
        let it = self.at(who.pod);
        it.exists && it.life != Life::Down && self.incarnation(who.pod) == *who
    }
}

pub fn user(slot: u8, run: u8) -> u32 {
    1 << (u32::from(slot) * 8 + u32::from(run % 8))
}

pub fn uid(slot: u8, uid: u8) -> Uid {
    let mut bytes = [0; 16];
    (bytes[0], bytes[1]) = (slot + 1, uid);
    Uid(bytes)
}

pub fn run_id(slot: u8, run: u8) -> RunId {
    let mut bytes = [0; 20];
    (bytes[0], bytes[1]) = (slot + 1, run);
    RunId(bytes)
}

/// The slot and run of a run id, as a user's bit.
pub fn user_of(run: &RunId) -> u32 {
    user(run.0[0] - 1, run.0[1])
}

pub fn repl_id(lineage: Lineage) -> ReplId {
    let mut bytes = [0; 20];
    if lineage == Lineage::default() {
        // Redis writes none as zeros. Runs count from 1.
        return ReplId(bytes);
    }
    (bytes[0], bytes[1], bytes[2]) = (lineage.slot + 1, lineage.run, lineage.shift);
    ReplId(bytes)
}

pub fn address(slot: u8, uid: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, slot, uid))
}

/// The slot and pod of an address.
pub fn pod_at(address: IpAddr) -> (u8, u8) {
    match address {
        IpAddr::V4(address) => (address.octets()[2], address.octets()[3]),
        IpAddr::V6(_) => (u8::MAX, u8::MAX),
    }
}
