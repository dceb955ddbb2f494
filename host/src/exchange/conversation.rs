//! Saying the steps on a connection and hearing the replies.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BufMut as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    time::{Instant, timeout_at},
};

use crate::model::{ExchangeEnd, Step};

use super::{dial::BoxStream, search::find, transcript::Transcript};

/// Why a conversation ended early. What had been received is in the transcript.
#[derive(Debug)]
pub(super) enum Stop {
    /// The time was up.
    Timeout,
    /// The peer closed the connection.
    Closed,
    /// The connection failed.
    Failed(io::Error),
    /// The replies have more bytes than they may, or than there is room for.
    TooLarge,
    /// The last whole reply lacks what was expected.
    Unexpected,
}

impl Stop {
    /// What the component is told.
    pub(super) fn end(&self, transcript: &Transcript, bytes_max: usize) -> ExchangeEnd {
        let mut partial = transcript.to_partial(bytes_max);
        match self {
            Self::Timeout => ExchangeEnd::Timeout(partial),
            Self::Closed | Self::Failed(_) => ExchangeEnd::Reset(partial),
            Self::TooLarge => ExchangeEnd::TooLarge(partial),
            Self::Unexpected => {
                // No reply is under way. What happened to come already would
                // make equal ends differ.
                partial.rest = Vec::new();
                ExchangeEnd::Unexpected(partial)
            }
        }
    }
}

/// Runs the steps; the replies are in the transcript then. What the transcript
/// holds already belongs to the first step.
pub(super) async fn converse(
    stream: &mut BoxStream,
    steps: &[Step],
    bytes_max: usize,
    transcript: &mut Transcript,
    deadline: Instant,
) -> Result<(), Stop> {
    transcript.begin();
    let all = async {
        for step in steps {
            let sending = Sending::Rest(&step.send);
            let mut turn = Turn { stream, step, bytes_max, transcript, deadline, sending };
            poll_fn(|context| turn.poll(context)).await?;
            let reply = transcript.last();
            if !step.expect.iter().all(|expected| find(reply, expected).is_some()) {
                return Err(Stop::Unexpected);
            }
        }
        Ok(())
    };
    timeout_at(deadline, all).await.unwrap_or(Err(Stop::Timeout))
}

/// One step under way.
struct Turn<'a> {
    stream: &'a mut BoxStream,
    step: &'a Step,
    bytes_max: usize,
    transcript: &'a mut Transcript,
    deadline: Instant,
    sending: Sending<'a>,
}

/// How far the request is.
enum Sending<'a> {
    /// This is still to be sent.
    Rest(&'a [u8]),
    /// It is in the hands of the system.
    Done,
    /// It could not be sent.
    Failed(Option<io::Error>),
}

impl Turn<'_> {
    /// Sends and receives at the same time: a peer that answers while it is still
    /// being spoken to must not be waited for by one that it waits for.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        // The clock, not a timer: after the process was stopped for a while, the timer
        // would be looked at too late.
        if matches!(self.sending, Sending::Rest(_)) && Instant::now() >= self.deadline {
            return Poll::Ready(Err(Stop::Timeout));
        }
        self.poll_send(context);
        loop {
            if matches!(self.sending, Sending::Done)
                && let Some(end) = self.transcript.take(&self.step.until)
            {
                let too_large = end > self.bytes_max || self.transcript.exhausted;
                return Poll::Ready(if too_large { Err(self.too_large()) } else { Ok(()) });
            }
            if self.transcript.bytes.len() > self.bytes_max || self.transcript.exhausted {
                return self.unless_sending(Stop::TooLarge);
            }
            if self.transcript.closed {
                return self.unless_sending(Stop::Closed);
            }
            match self.poll_receive(context) {
                Poll::Ready(Ok(0)) => self.transcript.closed = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Stop::Failed(error))),
                Poll::Pending => {
                    return match &mut self.sending {
                        Sending::Failed(error) => {
                            Poll::Ready(Err(error.take().map_or(Stop::Closed, Stop::Failed)))
                        }
                        Sending::Rest(_) | Sending::Done => Poll::Pending,
                    };
                }
            }
        }
    }

    /// A reply that was taken although it is too long is none.
    fn too_large(&mut self) -> Stop {
        self.transcript.untake();
        Stop::TooLarge
    }

    /// What came cannot be judged before all is sent.
    fn unless_sending(&mut self, stop: Stop) -> Poll<Result<(), Stop>> {
        match &mut self.sending {
            Sending::Rest(_) => Poll::Pending,
            Sending::Done => Poll::Ready(Err(stop)),
            Sending::Failed(error) => Poll::Ready(Err(error.take().map_or(stop, Stop::Failed))),
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) {
        while let Sending::Rest(rest) = self.sending {
            let mut stream = Pin::new(&mut *self.stream);
            let result = if rest.is_empty() {
                stream.as_mut().poll_flush(context).map_ok(|()| None)
            } else {
                stream.as_mut().poll_write(context, rest).map_ok(Some)
            };
            self.sending = match result {
                Poll::Pending => return,
                Poll::Ready(Ok(None)) => Sending::Done,
                Poll::Ready(Ok(Some(0))) => Sending::Failed(Some(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(Some(count))) => Sending::Rest(rest.get(count..).unwrap_or_default()),
                // A peer may have said why before it closed: what came is read.
                Poll::Ready(Err(error)) => Sending::Failed(Some(error)),
            };
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // One byte more than allowed, to see that there is more.
        poll_receive(self.stream, self.transcript, self.bytes_max.saturating_add(1), context)
    }
}

/// Receives what has come; 0 bytes say that the peer closed the connection.
pub(super) fn poll_receive(
    stream: &mut BoxStream,
    transcript: &mut Transcript,
    bytes_max: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let room = transcript.make_room(bytes_max);
    let mut buffer = (&mut transcript.bytes).limit(room);
    let count = ready!(pin!(stream.read_buf(&mut buffer)).poll(context))?;
    transcript.received(count);
    Poll::Ready(Ok(count))
}
