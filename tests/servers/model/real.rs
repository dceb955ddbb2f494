//! Real servers.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    thread::sleep,
    time::Duration,
};

use rustix::process::Signal;

use super::world::{Wire, World};
use crate::server::{PORT, Server};

/// How long a server takes to see that a connection was closed.
const NOTICE: Duration = Duration::from_millis(2);

pub(crate) struct Real {
    pub(crate) servers: Vec<Server>,
    streams: BTreeMap<Wire, TcpStream>,
    wires: usize,
}

impl Real {
    pub(crate) fn new(image: (&'static str, &'static str), arguments: &[Vec<String>]) -> Self {
        let servers = arguments.iter().map(|arguments| {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            Server::start(image, &arguments)
        });
        Self { servers: servers.collect(), streams: BTreeMap::new(), wires: 0 }
    }
}

impl World for Real {
    fn address(&self, server: usize) -> IpAddr {
        self.servers[server].address
    }

    fn run(&mut self, server: usize) {
        self.servers[server].run();
    }

    fn kill(&mut self, server: usize) {
        self.servers[server].kill();
    }

    fn terminate(&mut self, server: usize) {
        self.servers[server].signal(Signal::TERM);
    }

    fn has_ended(&mut self, server: usize) -> bool {
        self.servers[server].has_ended()
    }

    fn set_frozen(&mut self, server: usize, frozen: bool) {
        self.servers[server].signal(if frozen { Signal::STOP } else { Signal::CONT });
    }

    fn wipe(&mut self, server: usize) {
        self.servers[server].wipe();
    }

    fn connect(&mut self, server: usize, _from: Option<SocketAddr>) -> Option<(Wire, SocketAddr)> {
        let stream = TcpStream::connect((self.address(server), PORT)).ok()?;
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let from = stream.local_addr().unwrap();
        self.wires += 1;
        self.streams.insert(Wire(self.wires), stream);
        Some((Wire(self.wires), from))
    }

    fn send(&mut self, wire: Wire, bytes: &[u8]) {
        if let Some(stream) = self.streams.get_mut(&wire) {
            // One that is closed says so when it is read.
            let _ = stream.write_all(bytes);
        }
    }

    fn receive(&mut self, wire: Wire, into: &mut Vec<u8>) -> bool {
        let Some(stream) = self.streams.get_mut(&wire) else { return false };
        let mut buffer = [0; 16384];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => into.extend(&buffer[..count]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn hang_up(&mut self, wire: Wire) {
        self.streams.remove(&wire);
        // It is one of those that are counted or killed until the server has seen it.
        sleep(NOTICE);
    }
}
