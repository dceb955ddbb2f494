//! One connection, from the wait for room to its end.

use std::io;

use futures::FutureExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    time::{Instant, timeout_at},
};

use crate::model::{ExchangeEnd, PartialReplies, Step};

use super::{
    OperletExchanges, Target,
    conversation::{Stop, converse},
    dial::BoxStream,
    slots::{Slot, Use},
    tls::{self, TlsMaterial},
    transcript::Transcript,
};

/// An open connection. Dropping it closes it and makes room for another.
pub(super) struct Connection {
    pub(super) stream: BoxStream,
    /// It is over TLS, and nothing has come yet.
    unproved: bool,
    _slots: [Slot; 2],
}

impl Connection {
    /// Opens one. No failure has varying words: a probe that fails as before must
    /// not look different.
    pub(super) async fn open(
        exchanges: &OperletExchanges,
        target: &Target,
        purpose: Use,
        deadline: Instant,
    ) -> Result<Self, ExchangeEnd> {
        let Target { address, tls } = target;
        // An operlet that is at its own limit must not hold the host's room.
        let own = exchanges.slots.take(purpose, deadline).await?;
        let hosts = exchanges.host.slots.take(purpose, deadline).await?;
        let stream = match timeout_at(deadline, exchanges.host.dial.dial(*address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(ExchangeEnd::Refused);
            }
            Ok(Err(error)) => {
                return Err(ExchangeEnd::Unreachable(format!("{address} cannot be reached: {error}")));
            }
            Err(_) => {
                return Err(ExchangeEnd::Unreachable(format!(
                    "{address} did not accept a connection in time"
                )));
            }
        };
        let stream = match tls {
            None => stream,
            Some(material) => secure(material, stream, deadline).await?,
        };
        Ok(Self { stream, unproved: tls.is_some(), _slots: [own, hosts] })
    }

    /// Runs the steps; the replies are in the transcript then.
    pub(super) async fn converse(
        &mut self,
        steps: &[Step],
        bytes_max: usize,
        transcript: &mut Transcript,
        deadline: Instant,
    ) -> Result<(), ExchangeEnd> {
        let result = converse(&mut self.stream, steps, bytes_max, transcript, deadline).await;
        self.unproved &= transcript.bytes.is_empty();
        result.map_err(|stop| match &stop {
            Stop::Failed(error) if self.unproved => tls::refused_later(error)
                .map_or_else(|| stop.end(transcript, bytes_max), ExchangeEnd::TlsFailed),
            _ => stop.end(transcript, bytes_max),
        })
    }

    /// Takes leave, as TLS wants it, without waiting for anything.
    pub(super) fn close(mut self) {
        let _ = self.stream.shutdown().now_or_never();
    }
}

async fn secure(
    material: &TlsMaterial,
    stream: BoxStream,
    deadline: Instant,
) -> Result<BoxStream, ExchangeEnd> {
    match timeout_at(deadline, tls::connect(material, stream)).await {
        Ok(result) => result.map_err(ExchangeEnd::TlsFailed),
        // That is silence, not another certificate.
        Err(_) => Err(ExchangeEnd::Timeout(PartialReplies::default())),
    }
}
