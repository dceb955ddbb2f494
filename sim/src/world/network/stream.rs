//! A connection as those hold it who are no processes of the simulation: hosts, and the
//! clients of tests.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Network,
    link::{Segment, Side},
};

/// What has come for a stream, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    open: bool,
    bytes: BytesMut,
    /// Nothing more comes.
    ended: bool,
    broken: Option<ErrorKind>,
    reader: Option<Waker>,
}

impl Inbox {
    pub(super) fn open(&mut self) {
        self.open = true;
        self.wake();
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.wake();
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    pub(super) fn break_off(&mut self, why: ErrorKind) {
        self.broken = Some(why);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// A connection to a process. Dropping it closes it.
#[derive(Debug)]
pub struct NetworkStream {
    network: Network,
    link: u64,
}

impl NetworkStream {
    pub(super) async fn open(
        network: Network,
        node: &str,
        address: IpAddr,
        to: SocketAddr,
    ) -> io::Result<Self> {
        let link = network.with(|state| state.dial(node, address, to));
        // From here on dropping it closes it.
        let stream = Self { network, link };
        poll_fn(|context| {
            stream.poll(context, |inbox| match inbox.broken {
                Some(broken) => Some(Err(broken.into())),
                None => inbox.open.then_some(Ok(())),
            })
        })
        .await?;
        Ok(stream)
    }

    /// Looks into the inbox, and is woken when there is more if that is not enough.
    fn poll<T>(
        &self,
        context: &Context<'_>,
        look: impl FnOnce(&mut Inbox) -> Option<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.network.with(|state| {
            let Some(inbox) = state.inbox(self.link) else {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            };
            match look(inbox) {
                Some(found) => Poll::Ready(found),
                None => {
                    inbox.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }
}

impl AsyncRead for NetworkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(context, |inbox| {
            if !inbox.bytes.is_empty() {
                let taken = inbox.bytes.len().min(buffer.remaining());
                buffer.put_slice(inbox.bytes.get(..taken).unwrap_or_default());
                inbox.bytes.advance(taken);
                return Some(Ok(()));
            }
            if inbox.ended {
                return Some(Ok(()));
            }
            inbox.broken.map(|broken| Err(broken.into()))
        })
    }
}

impl AsyncWrite for NetworkStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.network.with(|state| match state.inbox(self.link) {
            Some(inbox) if inbox.broken.is_none() => {
                if !bytes.is_empty() {
                    state.send(self.link, Side::Dialer, Segment::Bytes(bytes.to_vec()));
                }
                Ok(bytes.len())
            }
            _ => Err(ErrorKind::BrokenPipe.into()),
        }))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.with(|state| state.send(self.link, Side::Dialer, Segment::End));
        Poll::Ready(Ok(()))
    }
}

impl Drop for NetworkStream {
    fn drop(&mut self) {
        self.network.with(|state| state.close(self.link, Side::Dialer));
    }
}
