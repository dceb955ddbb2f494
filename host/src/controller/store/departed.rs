//! The last states of objects that went, until their owner has taken note.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use super::stored::Stored;

/// How many are kept for one owner: beyond that a component cares for how many
/// are left, not for which went.
const DEPARTED_PER_OWNER_MAX: usize = 64;

/// How many are kept altogether.
const DEPARTED_MAX: usize = 16_384;

/// Objects that went, by owner, in the order in which they went.
#[derive(Debug, Default)]
pub(super) struct Departed {
    by_owner: HashMap<Arc<str>, VecDeque<(u64, Arc<Stored>)>>,
    /// The owner of each.
    order: BTreeMap<u64, Arc<str>>,
    last: u64,
    /// How many were forgotten before anybody took note of them.
    pub(super) dropped: u64,
}

impl Departed {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes note of an object that went, if it had an owner.
    pub(super) fn push(&mut self, stored: Arc<Stored>) {
        let Some(owner) = stored.owner() else { return };
        let owner = match self.by_owner.get_key_value(owner) {
            Some((owner, _)) => Arc::clone(owner),
            None => owner.into(),
        };
        self.last += 1;
        self.order.insert(self.last, Arc::clone(&owner));
        let of_owner = self.by_owner.entry(Arc::clone(&owner)).or_default();
        of_owner.push_back((self.last, stored));
        if of_owner.len() > DEPARTED_PER_OWNER_MAX {
            self.drop_oldest(&owner);
        } else if self.order.len() > DEPARTED_MAX
            && let Some(owner) = self.order.first_key_value().map(|(_, owner)| Arc::clone(owner))
        {
            self.drop_oldest(&owner);
        }
    }

    fn drop_oldest(&mut self, owner: &str) {
        let oldest = self.by_owner.get(owner).and_then(VecDeque::front).map(|(sequence, _)| *sequence);
        self.settle(owner, oldest.unwrap_or_default());
        self.dropped += 1;
    }

    /// What went, and the sequence number of the last of it.
    pub(super) fn of(&self, owner: &str) -> (Vec<Arc<Stored>>, u64) {
        let Some(of_owner) = self.by_owner.get(owner) else { return Default::default() };
        let last = of_owner.back().map(|(sequence, _)| *sequence);
        (of_owner.iter().map(|(_, stored)| Arc::clone(stored)).collect(), last.unwrap_or_default())
    }

    /// Forgets what went up to a sequence number.
    pub(super) fn settle(&mut self, owner: &str, up_to: u64) {
        let Some(of_owner) = self.by_owner.get_mut(owner) else { return };
        while let Some((sequence, _)) = of_owner.pop_front_if(|(sequence, _)| *sequence <= up_to) {
            self.order.remove(&sequence);
        }
        if of_owner.is_empty() {
            self.by_owner.remove(owner);
        }
    }
}
