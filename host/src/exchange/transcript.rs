//! What came in on a connection, cut into replies.

use std::sync::Arc;

use crate::model::{PartialReplies, Until};

use super::{room::Room, search::find};

/// How much room a read gets: more than a usual reply takes.
const ROOM_BYTES: usize = 4 * 1024;

/// With less room than this there is more to be had.
const ROOM_BYTES_MIN: usize = 1024;

/// The bytes received, in one piece that is used again and again: a probe whose
/// replies stay the same needs no memory for a round.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// All replies, one after the other, and what came beyond.
    pub(super) bytes: Vec<u8>,
    /// Where each whole reply ends.
    ends: Vec<usize>,
    /// So far there is no delimiter.
    searched: usize,
    /// Nothing more will come.
    pub(super) closed: bool,
    /// What is received takes room here.
    room: Option<Arc<Room>>,
    /// There was no room for what came.
    pub(super) exhausted: bool,
}

impl Transcript {
    /// One whose bytes take room, if there is a bound.
    pub(super) fn within(room: Option<Arc<Room>>) -> Self {
        Self { room, ..Self::default() }
    }

    /// So many bytes more have come. Those that there is no room for are dropped.
    pub(super) fn received(&mut self, count: usize) {
        if self.room.as_ref().is_some_and(|room| !room.take(count)) {
            self.exhausted = true;
            self.bytes.truncate(self.bytes.len().saturating_sub(count));
        }
    }

    /// Forgets the whole replies. What came beyond them belongs to the next one.
    pub(super) fn begin(&mut self) {
        let end = self.end();
        self.bytes.drain(..end);
        self.ends.clear();
        self.searched = 0;
    }

    /// Forgets all, for a new connection.
    pub(super) fn reset(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.searched = 0;
        self.closed = false;
    }

    /// Makes room for a read that leaves at most `max` bytes, and says how much
    /// there is.
    pub(super) fn make_room(&mut self, max: usize) -> usize {
        let room = max.saturating_sub(self.bytes.len());
        if self.bytes.capacity() - self.bytes.len() < room.min(ROOM_BYTES_MIN) {
            self.bytes.reserve(room.min(ROOM_BYTES));
        }
        room
    }

    /// Ends the reply under way if it is whole; says where it ends.
    pub(super) fn take(&mut self, until: &Until) -> Option<usize> {
        let (begin, length) = (self.end(), self.bytes.len());
        let end = match until {
            Until::Eof => self.closed.then_some(length),
            Until::Length(count) => Some(begin.saturating_add(usize::try_from(*count).unwrap_or(usize::MAX)))
                .filter(|end| *end <= length),
            Until::Delimiter(delimiter) => {
                // The delimiter may have begun in an earlier read.
                let from = self.searched.saturating_sub(delimiter.len().saturating_sub(1)).max(begin);
                self.searched = length;
                let found = find(self.bytes.get(from..).unwrap_or_default(), delimiter);
                found.map(|at| from + at + delimiter.len())
            }
        }?;
        self.ends.push(end);
        self.searched = end;
        Some(end)
    }

    /// Takes the end of the latest whole reply back.
    pub(super) fn untake(&mut self) {
        self.ends.pop();
    }

    /// The whole replies.
    pub(super) fn replies(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let reply = self.bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            reply
        })
    }

    /// The latest whole reply.
    pub(super) fn last(&self) -> &[u8] {
        self.replies().last().unwrap_or_default()
    }

    /// What came beyond the whole replies.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.end()..).unwrap_or_default()
    }

    /// Copies the whole replies.
    pub(super) fn to_replies(&self) -> Vec<Vec<u8>> {
        self.replies().map(<[u8]>::to_vec).collect()
    }

    /// Copies what there is, but no more than `max` bytes.
    pub(super) fn to_partial(&self, max: usize) -> PartialReplies {
        let room = max.saturating_sub(self.end()).min(self.rest().len());
        PartialReplies {
            replies: self.to_replies(),
            rest: self.rest().get(..room).unwrap_or_default().to_vec(),
        }
    }

    /// Whether the whole replies are these.
    pub(super) fn equals(&self, replies: &[Vec<u8>]) -> bool {
        self.replies().len() == replies.len() && self.replies().zip(replies).all(|(a, b)| a == b)
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }
}
