//! How a client finds the server that takes writes.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use super::{
    seats::Seats,
    wire::{Connection, Login, Reply},
};

/// The port of every sentinel.
const SENTINEL_PORT: u16 = 26379;

/// Where to write.
#[derive(Clone)]
pub(crate) enum Route {
    /// At one address that leads there: a Service's.
    Address(SocketAddr),
    /// Where sentinels say.
    Sentinels(Sentinels),
}

/// Sentinels that know a primary by its name.
#[derive(Clone)]
pub(crate) struct Sentinels {
    /// Where they are.
    pub(crate) sentinels: Seats,
    /// Where those are that they watch over: they tell names, whose first part is a
    /// pod's, and the nodes do not ask the cluster's DNS.
    pub(crate) servers: Seats,
    /// What they call the primary.
    pub(crate) primary: String,
    pub(crate) port: u16,
}

impl Route {
    /// Where to connect now.
    pub(crate) fn find(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Address(address) => Ok(*address),
            Self::Sentinels(sentinels) => sentinels.ask(),
        }
    }
}

impl Sentinels {
    /// Asks one after the other; the first that knows is believed, as clients do.
    fn ask(&self) -> io::Result<SocketAddr> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no sentinel");
        for seat in self.sentinels.present() {
            match self.ask_one(seat.address) {
                Ok(address) => return Ok(address),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask_one(&self, sentinel: IpAddr) -> io::Result<SocketAddr> {
        let mut connection = Connection::open((sentinel, SENTINEL_PORT).into(), &Login::default())?;
        let told = connection.ask(&["SENTINEL", "get-master-addr-by-name", &self.primary])?;
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("the sentinel says {told}"));
        let Reply::Array(parts) = &told else { return Err(unknown()) };
        let Some(Reply::Bulk(host)) = parts.first() else { return Err(unknown()) };
        let host = String::from_utf8_lossy(host);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok((address, self.port).into());
        }
        let pod = host.split('.').next().unwrap_or_default();
        let seat = self.servers.present().into_iter().find(|seat| seat.pod == pod);
        seat.map(|seat| (seat.address, self.port).into()).ok_or_else(unknown)
    }
}
