//! A replica's connection to its primary.

use std::time::Duration;

use super::resp::Words;
use crate::world::Connection;

/// One, from when it is opened.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) stage: Stage,
    pub(super) input: Vec<u8>,
    /// When something came last.
    pub(super) heard: Duration,
    /// Commands since MULTI, and as they came.
    pub(super) queued: Option<(Vec<Words>, Vec<u8>)>,
    /// A pause holds what came, which is not taken in yet.
    pub(super) is_held: bool,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// That the connection stands.
    Connecting,
    /// The answer to PING.
    Ping,
    /// The answer to AUTH.
    Auth,
    /// The answers to what it announced, so many.
    Announcing(u8),
    /// The answer to PSYNC.
    Sync,
    /// A copy of all data, at this place in this history.
    Copy { id: String, offset: u64 },
    /// What the primary takes in.
    Streaming,
}

impl Link {
    pub(super) fn new(connection: Connection, now: Duration) -> Self {
        Self {
            connection,
            stage: Stage::Connecting,
            input: Vec::new(),
            heard: now,
            queued: None,
            is_held: false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.stage == Stage::Streaming
    }

    /// What `ROLE` calls it.
    pub(super) fn state(&self) -> &'static str {
        match self.stage {
            Stage::Streaming => "connected",
            Stage::Copy { .. } => "sync",
            _ => "connecting",
        }
    }
}
