//! Opening a connection, so that a simulation can stand in for the network.

use std::{io, net::SocketAddr};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A connection's two directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection of whatever kind. Dropping it closes it.
pub type BoxStream = Box<dyn Stream>;

/// Opens connections.
pub trait Dial: Send + Sync {
    /// Opens one. Refusal is [`io::ErrorKind::ConnectionRefused`].
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>>;
}

/// Opens connections over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            // A request is one write, so waiting for more would only delay it.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxStream)
        })
    }
}
