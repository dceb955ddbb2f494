//! What the API server said last, held in memory as compact JSON.
//!
//! **Guarantees.**
//! - An object never goes back to an older version, whatever comes late.
//! - What this host wrote is seen at once, before its watch event arrives, and what
//!   it deleted is gone at once.
//! - What has left does not come back: not with the answer to an earlier write, not
//!   with an earlier list. What only lost its label may come back, newer.
//! - A kind is either synced or it is not; there is no half-known list.
//! - What left while the watch was away is told as what left before its eyes.
//!
//! **Assumptions.** Versions of the objects of one kind are ordered numbers, watches
//! bring what happened in that order, and lists are at least as new as everything
//! that was answered before they began.
//!
//! **Caveats.** The answer to a write that arrives after a list in which the object
//! is missing can be of an object that was deleted in between. It is believed until
//! the kind's next event, which shows that it is past.

mod departed;
mod given;
mod graves;
mod inner;
mod stored;
mod view;

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{GroupVersionKind, ObjectKey};

pub use given::Given;
pub use stored::Stored;

use inner::Inner;

/// The objects that one installation sees.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects in the view.
    pub objects: usize,
    /// Their JSON together.
    pub json_bytes: usize,
    /// Last states of objects that went, kept for their owners.
    pub departed: usize,
    /// Those that were dropped before their owner had taken note, as far as nobody
    /// has asked.
    pub departed_dropped: u64,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the answer to a write, unless it is older than what is known; tells
    /// whether it was news.
    pub fn put(&self, stored: Stored) -> bool {
        self.lock().answered(stored).0
    }

    /// As [`Store::put`], for one that is to be used further; it is what was answered,
    /// whatever is known by now.
    pub fn put_own(&self, stored: Stored) -> Arc<Stored> {
        self.lock().answered(stored).1
    }

    /// After the API server answered a DELETE of ours as complete: the object leaves
    /// the view at once and for ever. That it departed is told when the watch says so.
    pub fn removed_by_us(&self, key: &ObjectKey, uid: &str) {
        self.lock().removed_by_us(key, uid);
    }

    /// Takes in an object from the watch, unless it is older than what is known; tells
    /// whether it was news, and which former states of objects leave their owner by
    /// this.
    pub fn watched(&self, stored: Stored) -> (bool, Vec<Arc<Stored>>) {
        self.lock().watched(stored)
    }

    /// The watch said that an object is gone; this is its last state. Returns what
    /// else turns out to be gone.
    pub fn deleted(&self, stored: Stored) -> Vec<Arc<Stored>> {
        self.lock().deleted(stored)
    }

    /// A list of a kind begins.
    pub fn list_begins(&self, kind: &Arc<GroupVersionKind>) {
        self.lock().list_begins(kind);
    }

    /// One object of the list under way.
    pub fn listed(&self, stored: Stored) {
        self.lock().listed(stored);
    }

    /// The list is whole: what it did not bring is gone. Returns the objects that
    /// are new, changed or gone.
    pub fn list_ends(&self, kind: &Arc<GroupVersionKind>) -> Vec<Arc<Stored>> {
        self.lock().list_ends(kind)
    }

    /// Whether every one of these kinds has been listed once.
    pub fn synced<'a>(&self, mut kinds: impl Iterator<Item = &'a GroupVersionKind>) -> bool {
        let inner = self.lock();
        kinds.all(|kind| inner.synced(kind))
    }

    /// Forgets a kind that is no longer watched.
    pub fn forget(&self, kind: &GroupVersionKind) {
        self.lock().forget(kind);
    }

    /// The object of this name.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Stored>> {
        self.lock().view.get(key).cloned()
    }

    /// Every object of a kind, ordered by key.
    pub fn keys(&self, kind: &GroupVersionKind) -> Vec<ObjectKey> {
        self.lock().view.of_kind(kind).map(|stored| ObjectKey::clone(&stored.key)).collect()
    }

    /// Every object with this value of the owner label, ordered by key.
    pub fn owned_by(&self, owner: &str) -> Vec<Arc<Stored>> {
        self.lock().view.owned_by(owner).to_vec()
    }

    /// The last states of objects with this value of the owner label that went, the
    /// longest gone first, and what to call [`Store::settle_departed`] with once
    /// their owner has taken note. The latest 64 are kept.
    pub fn departed(&self, owner: &str) -> (Vec<Arc<Stored>>, u64) {
        self.lock().departed.of(owner)
    }

    /// Forgets what went up to this sequence number.
    pub fn settle_departed(&self, owner: &str, up_to: u64) {
        self.lock().departed.settle(owner, up_to);
    }

    /// Forgets all that went: there is no owner who could take note.
    pub fn forget_departed(&self, owner: &str) {
        self.lock().departed.settle(owner, u64::MAX);
    }

    /// How many last states were dropped before their owner had taken note, since
    /// this was asked before.
    pub fn take_departed_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().departed.dropped)
    }

    /// How much it holds.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts {
            objects: inner.view.objects,
            json_bytes: inner.view.json_bytes,
            departed: inner.departed.len(),
            departed_dropped: inner.departed.dropped,
        }
    }
}
