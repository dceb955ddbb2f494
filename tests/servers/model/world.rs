//! Servers and connections to them, whether they are real or not.

use std::net::{IpAddr, SocketAddr};

/// A connection of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wire(pub(crate) usize);

/// Servers are known by their place. Time passes with the clock on the wall.
pub(crate) trait World {
    fn address(&self, server: usize) -> IpAddr;

    /// Starts a server's process, which is not there, with the data that it finds.
    fn run(&mut self, server: usize);

    /// Ends it as the kernel would.
    fn kill(&mut self, server: usize);

    /// Asks it to end, as SIGTERM does.
    fn terminate(&mut self, server: usize);

    /// Whether it has, and is no more.
    fn has_ended(&mut self, server: usize) -> bool;

    /// Stops it where it stands, or lets it go on. The kernel still accepts connections.
    fn set_frozen(&mut self, server: usize, frozen: bool);

    /// A server that does not run loses its data.
    fn wipe(&mut self, server: usize);

    /// Connects, and says from where. None if nobody listens.
    fn connect(&mut self, server: usize, from: Option<SocketAddr>) -> Option<(Wire, SocketAddr)>;

    fn send(&mut self, wire: Wire, bytes: &[u8]);

    /// Adds what has come. False if nothing more will come.
    fn receive(&mut self, wire: Wire, into: &mut Vec<u8>) -> bool;

    fn hang_up(&mut self, wire: Wire);
}
