//! The way of a host to pods.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use operlet::exchange::{BoxStream, Dial};
use operlet_sim::{Network, NetworkStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{host, plug::Plug};

/// A host's way to pods. One that is cut off does not say anything any more, nor does it
/// hear what is still on its way to it.
pub(crate) struct Way {
    network: Network,
    plug: Plug,
}

impl Way {
    pub(crate) fn new(network: Network, plug: Plug) -> Self {
        Self { network, plug }
    }
}

impl Dial for Way {
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        async move {
            if self.plug.is_cut() {
                return pending().await;
            }
            let stream = self.network.stream(host::NODE, host::ADDRESS, to).await?;
            Ok(Box::new(Talk { stream, plug: self.plug.clone() }) as BoxStream)
        }
        .boxed()
    }
}

/// A connection, for as long as the host lives.
struct Talk {
    stream: NetworkStream,
    plug: Plug,
}

impl Talk {
    fn while_alive<T>(&mut self, of: impl FnOnce(Pin<&mut NetworkStream>) -> Poll<T>) -> Poll<T> {
        if self.plug.is_cut() { Poll::Pending } else { of(Pin::new(&mut self.stream)) }
    }
}

impl AsyncRead for Talk {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.while_alive(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Talk {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.while_alive(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.while_alive(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.while_alive(|stream| stream.poll_shutdown(context))
    }
}
