//! A connection, from the outside: two ends, and what travels between them.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use super::{Process, stream::Inbox};
use crate::world::Connection;

/// The two sides of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who opened it.
    Dialer,
    /// Who was there.
    Listener,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// What travels. In one direction nothing overtakes anything.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// The dialer knocks.
    Knock,
    /// The other side has opened.
    Open,
    /// Nobody listens there.
    Refused,
    Bytes(Vec<u8>),
    /// Nothing more comes from there.
    End,
    /// Nobody there knows this connection.
    Reset,
}

/// Who holds an end.
#[derive(Debug)]
pub(super) enum Holder {
    Process(Process, Connection),
    Stream(Inbox),
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) holder: Holder,
    pub(super) node: String,
    pub(super) address: SocketAddr,
    /// Whether its holder still has it.
    pub(super) held: bool,
    /// Whether nobody is left to send again what is lost.
    pub(super) forgotten: bool,
}

impl End {
    pub(super) fn new(holder: Holder, node: &str, address: SocketAddr) -> Self {
        Self { holder, node: node.to_owned(), address, held: true, forgotten: false }
    }
}

/// What is on its way in one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// When the last of it arrives.
    pub(super) last: Duration,
    /// What was lost and is sent again, with all that came after it.
    pub(super) lost: VecDeque<Segment>,
    /// Since when nothing gets through.
    pub(super) since: Duration,
    /// How long is waited before it is sent the next time.
    pub(super) wait: Duration,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    dialer: End,
    listener: Option<End>,
    /// Where the dialer knocks.
    pub(super) to: SocketAddr,
    there: Lane,
    back: Lane,
}

impl Link {
    pub(super) fn new(dialer: End, to: SocketAddr) -> Self {
        Self { dialer, listener: None, to, there: Lane::default(), back: Lane::default() }
    }

    pub(super) fn end(&self, side: Side) -> Option<&End> {
        match side {
            Side::Dialer => Some(&self.dialer),
            Side::Listener => self.listener.as_ref(),
        }
    }

    pub(super) fn end_mut(&mut self, side: Side) -> Option<&mut End> {
        match side {
            Side::Dialer => Some(&mut self.dialer),
            Side::Listener => self.listener.as_mut(),
        }
    }

    pub(super) fn answer(&mut self, listener: End) {
        self.listener = Some(listener);
    }

    /// What goes away from this side.
    pub(super) fn lane(&mut self, from: Side) -> &mut Lane {
        match from {
            Side::Dialer => &mut self.there,
            Side::Listener => &mut self.back,
        }
    }

    pub(super) fn is_held(&self, side: Side) -> bool {
        self.end(side).is_some_and(|end| end.held)
    }

    /// Its stream's inbox, if that is what holds this end.
    pub(super) fn inbox(&mut self, side: Side) -> Option<&mut Inbox> {
        match &mut self.end_mut(side)?.holder {
            Holder::Stream(inbox) => Some(inbox),
            Holder::Process(..) => None,
        }
    }
}

/// Puts bytes that follow each other together, as those who read find them.
pub(super) fn joined(segments: VecDeque<Segment>) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::new();
    for segment in segments {
        match (joined.last_mut(), segment) {
            (Some(Segment::Bytes(before)), Segment::Bytes(bytes)) => before.extend(bytes),
            (_, segment) => joined.push(segment),
        }
    }
    joined
}
