//! Which objects have left the view, so that nothing brings them back.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::stored::Stored;
use crate::model::GroupVersionKind;

/// How many are remembered: more than can leave while one answer or one list is
/// under way. It takes about 2 MiB when it is full.
const GRAVES_MAX: usize = 16_384;

/// From where a state of an object comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From a watch, in the order of what happened.
    Watch,
    /// From a list.
    List,
    /// From the answer to a write, any time after it.
    Answer,
}

/// What is known of how an object left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was deleted: its uid never comes back.
    Dead,
    /// The watch said so, at this version. It may only have lost its label, and
    /// then it can come back, newer.
    LeftAt(u64),
    /// A list did not bring it, and nobody said when it left.
    Unlisted,
}

#[derive(Debug)]
struct Grave {
    fate: Fate,
    told: bool,
    /// The last state, until it is told.
    last: Option<Arc<Stored>>,
}

/// Objects that have left, by uid; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Graves {
    by_uid: HashMap<Arc<str>, Grave>,
    order: VecDeque<Arc<str>>,
}

impl Graves {
    /// Whether a state of an object is from before it left.
    pub(super) fn refuse(&self, stored: &Stored, source: Source) -> bool {
        match self.by_uid.get(stored.uid()).map(|grave| grave.fate) {
            None => false,
            Some(Fate::Dead) => true,
            Some(Fate::LeftAt(version)) => stored.version <= version,
            Some(Fate::Unlisted) => source == Source::Answer,
        }
    }

    /// It came back, since it had only been out of sight.
    pub(super) fn open(&mut self, uid: &str) {
        self.by_uid.remove(uid);
    }

    /// It was deleted, by this host or before another took its name; that is told
    /// when the watch says it.
    pub(super) fn dead(&mut self, uid: &str, last: Option<Arc<Stored>>) {
        let grave = self.grave(uid);
        grave.fate = Fate::Dead;
        grave.last = last.or(grave.last.take());
    }

    /// The watch said that it left. Returns whether that is to be told.
    pub(super) fn left(&mut self, stored: &Stored) -> bool {
        let grave = self.grave(stored.uid());
        if grave.fate != Fate::Dead {
            grave.fate = Fate::LeftAt(stored.version);
        }
        let untold = !grave.told;
        grave.tell();
        untold
    }

    /// A list did not bring it; that is being told.
    pub(super) fn unlisted(&mut self, uid: &str) {
        let grave = self.grave(uid);
        if grave.fate != Fate::Dead {
            grave.fate = Fate::Unlisted;
        }
        grave.tell();
    }

    /// Nobody was told of it, if it is returned; now they are.
    pub(super) fn tell(&mut self, uid: &str) -> Option<Arc<Stored>> {
        let grave = self.by_uid.get_mut(uid)?;
        let last = grave.last.take();
        grave.told |= last.is_some();
        last
    }

    /// Those of a kind that are dead and that nobody was told of; now they are.
    pub(super) fn tell_dead(
        &mut self,
        kind: &GroupVersionKind,
        listed: impl Fn(&Stored) -> bool,
    ) -> Vec<Arc<Stored>> {
        let told = self.by_uid.values_mut().filter_map(|grave| {
            let last = grave.last.take_if(|last| *last.key.kind == *kind && !listed(last))?;
            grave.tell();
            Some(last)
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by(|left, right| (&left.key, left.version).cmp(&(&right.key, right.version)));
        told
    }

    /// Nobody will be told of those of a kind any more.
    pub(super) fn forget(&mut self, kind: &GroupVersionKind) {
        for grave in self.by_uid.values_mut() {
            grave.last.take_if(|last| *last.key.kind == *kind);
        }
    }

    fn grave(&mut self, uid: &str) -> &mut Grave {
        let uid: Arc<str> = uid.into();
        if !self.by_uid.contains_key(&uid) {
            while self.order.len() >= GRAVES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_uid.remove(&oldest);
            }
            self.order.push_back(Arc::clone(&uid));
        }
        self.by_uid.entry(uid).or_insert_with(|| Grave { fate: Fate::Unlisted, told: false, last: None })
    }
}

impl Grave {
    fn tell(&mut self) {
        self.told = true;
        self.last = None;
    }
}
