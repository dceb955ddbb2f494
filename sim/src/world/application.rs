//! What runs in containers: a model takes in bytes and time, and gives out bytes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde_json::Value;

use super::Volume;

/// A connection, as one process knows it. Those that it opens it numbers itself, from
/// [`Connection::OWN`] on; those that it is given have smaller numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

impl Connection {
    /// The first of the numbers for connections that a process opens.
    pub const OWN: u64 = 1 << 63;
}

/// What happens to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody connected to it.
    Accepted {
        /// From now on the connection is called so.
        connection: Connection,
        /// The other side.
        from: SocketAddr,
        /// Its own side.
        to: SocketAddr,
    },
    /// A connection that it opened stands.
    Connected {
        /// The one.
        connection: Connection,
        /// Its own side.
        from: SocketAddr,
    },
    /// Bytes came, at least one.
    Received {
        /// Where.
        connection: Connection,
        /// All that has come.
        bytes: Vec<u8>,
    },
    /// A connection is no more, or one that it opened does not come about.
    Closed {
        /// The one.
        connection: Connection,
    },
    /// The time has come that it said.
    Due,
    /// It is asked to end, as by SIGTERM.
    Terminate,
}

/// What a process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Opens a connection. [`Event::Connected`] or [`Event::Closed`] follows, or nothing
    /// for as long as what it sends is lost.
    Connect {
        /// What it calls it, at least [`Connection::OWN`], used once.
        connection: Connection,
        /// To where.
        to: SocketAddr,
    },
    /// Sends bytes.
    Send {
        /// Where.
        connection: Connection,
        /// What.
        bytes: Vec<u8>,
    },
    /// Closes a connection. What it sent before still arrives, and nothing comes back.
    Close {
        /// The one.
        connection: Connection,
    },
    /// Ends with this exit code. Its connections are closed.
    Exit(i32),
}

/// What came of a command in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exec {
    /// It has ended.
    Ended {
        /// With this exit code.
        code: i32,
        /// What it wrote to `/dev/termination-log`, if it did.
        message: Option<String>,
    },
    /// It runs on: it is asked again a little later.
    Running,
}

/// A process of a container. Where time is told, it is that since the simulation began.
pub trait Application: Send {
    /// Something happens. What it does is added to `acts`, in this order.
    fn happen(&mut self, now: Duration, event: Event, acts: &mut Vec<Act>);

    /// When it wants to hear [`Event::Due`]; asked after each event.
    fn due(&self) -> Option<Duration>;

    /// Whether it listens on this port; on all unless it says so.
    fn listens(&self, port: u16) -> bool {
        let _ = port;
        true
    }

    /// Runs a command in its container, as probes do, which it answers itself. One that
    /// is frozen is not asked.
    fn exec(&mut self, now: Duration, command: &[String]) -> Exec;
}

/// A container that is about to start.
#[derive(Debug)]
pub struct Container<'a> {
    /// Its pod, as it is in the API.
    pub pod: &'a Value,
    /// What the pod says of it: an item of `spec.containers`.
    pub spec: &'a Value,
    /// The pod's address.
    pub address: IpAddr,
    /// What is mounted, by path. What is in them may change later.
    pub mounts: BTreeMap<String, Volume>,
    /// Differs with each start.
    pub seed: u64,
    /// When it starts.
    pub now: Duration,
}

/// Makes processes of containers.
pub trait Images: Send + Sync {
    /// Starts one. None if nothing is known that could run in such a container: then it
    /// runs, listens to nobody, and every command in it is well.
    fn start(&self, container: &Container<'_>) -> Option<Box<dyn Application>>;
}
