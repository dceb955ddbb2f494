//! What is taken into the view, and what leaves it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    departed::Departed,
    graves::{Graves, Source},
    stored::Stored,
    view::View,
};
use crate::model::{GroupVersionKind, ObjectKey};

/// How far a kind is known.
#[derive(Debug, Default)]
struct Kind {
    synced: bool,
    listing: Option<Listing>,
    /// The newest version that the watch or a list brought: whatever is older is in
    /// the view by now, or gone.
    progress: u64,
    /// What came by an answer that the watch has not come to yet, by its version.
    ahead: BTreeMap<u64, Arc<Stored>>,
}

/// What a list under way has brought so far.
#[derive(Debug, Default)]
struct Listing {
    objects: BTreeMap<Arc<ObjectKey>, Arc<Stored>>,
    /// What was answered meanwhile: the list may be older.
    answered: BTreeSet<Arc<ObjectKey>>,
}

impl Listing {
    fn has(&self, stored: &Stored) -> bool {
        self.objects.get(&stored.key).is_some_and(|listed| listed.uid() == stored.uid())
    }
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    kinds: HashMap<Arc<GroupVersionKind>, Kind>,
    pub(super) view: View,
    graves: Graves,
    pub(super) departed: Departed,
}

impl Inner {
    fn kind(&mut self, kind: &Arc<GroupVersionKind>) -> &mut Kind {
        self.kinds.entry(Arc::clone(kind)).or_default()
    }

    pub(super) fn synced(&self, kind: &GroupVersionKind) -> bool {
        self.kinds.get(kind).is_some_and(|kind| kind.synced)
    }

    pub(super) fn answered(&mut self, stored: Stored) -> (bool, Arc<Stored>) {
        let past = self.kind(&stored.key.kind).progress >= stored.version;
        if past || self.graves.refuse(&stored, Source::Answer) || !self.is_news(&stored) {
            return (false, Arc::new(stored));
        }
        let (stored, former) = self.accept(self.shared(stored));
        let kind = self.kind(&stored.key.kind);
        if let Some(former) = former.filter(|former| former.uid() == stored.uid()) {
            kind.ahead.remove(&former.version);
        }
        kind.ahead.insert(stored.version, Arc::clone(&stored));
        if let Some(listing) = &mut kind.listing {
            listing.answered.insert(Arc::clone(&stored.key));
        }
        (true, stored)
    }

    pub(super) fn removed_by_us(&mut self, key: &ObjectKey, uid: &str) {
        let known = self.view.get(key).filter(|known| known.uid() == uid).cloned();
        if let Some(known) = &known {
            self.view.remove(&known.key);
        }
        self.graves.dead(uid, known);
    }

    pub(super) fn watched(&mut self, stored: Stored) -> (bool, Vec<Arc<Stored>>) {
        let mut others = self.come_to(&stored);
        let news = !self.graves.refuse(&stored, Source::Watch) && self.is_news(&stored);
        if news {
            let (stored, former) = self.accept(self.shared(stored));
            // Whoever owned it before does not hear of it by its label.
            others.extend(former.filter(|former| former.owner() != stored.owner()));
        }
        (news, others)
    }

    pub(super) fn deleted(&mut self, stored: Stored) -> Vec<Arc<Stored>> {
        let others = self.come_to(&stored);
        let known = self.view.get(&stored.key).filter(|known| known.uid() == stored.uid()).cloned();
        match known {
            // It was out of sight for a moment, and an answer brought it back already.
            Some(known) if known.version > stored.version => return others,
            Some(known) => drop(self.view.remove(&known.key)),
            None => {}
        }
        if self.graves.left(&stored) {
            self.departed.push(Arc::new(stored));
        }
        others
    }

    pub(super) fn list_begins(&mut self, kind: &Arc<GroupVersionKind>) {
        self.kind(kind).listing = Some(Listing::default());
    }

    pub(super) fn listed(&mut self, stored: Stored) {
        let same = self.view.get(&stored.key).filter(|known| {
            // A second copy of each object would double the memory.
            known.version == stored.version && known.uid() == stored.uid()
        });
        let stored = same.cloned().unwrap_or_else(|| self.shared(stored));
        let kind = self.kind(&stored.key.kind);
        kind.listing.get_or_insert_default().objects.insert(Arc::clone(&stored.key), stored);
    }

    pub(super) fn list_ends(&mut self, kind: &Arc<GroupVersionKind>) -> Vec<Arc<Stored>> {
        let state = self.kind(kind);
        let listing = state.listing.take().unwrap_or_default();
        let newest = listing.objects.values().map(|stored| stored.version).max();
        state.progress = state.progress.max(newest.unwrap_or_default());
        state.synced = true;
        let progress = state.progress;
        let gone = |known: &&Arc<Stored>| {
            let may_be_newer = listing.answered.contains(&known.key) && known.version > progress;
            !listing.has(known) && !may_be_newer
        };
        let mut touched: Vec<_> = self.view.of_kind(kind).filter(gone).cloned().collect();
        for known in &touched {
            self.is_gone(known);
        }
        for dead in self.graves.tell_dead(kind, |last| listing.has(last)) {
            self.departed.push(Arc::clone(&dead));
            touched.push(dead);
        }
        for stored in listing.objects.into_values() {
            if !self.graves.refuse(&stored, Source::List) && self.is_news(&stored) {
                let (stored, former) = self.accept(stored);
                touched.extend(former.filter(|former| former.owner() != stored.owner()));
                touched.push(stored);
            }
        }
        self.kind(kind).ahead.retain(|version, _| *version > progress);
        touched
    }

    pub(super) fn forget(&mut self, kind: &GroupVersionKind) {
        self.view.remove_kind(kind);
        self.kinds.remove(kind);
        self.graves.forget(kind);
    }

    fn is_news(&self, stored: &Stored) -> bool {
        // Also if it is another uid: a name is free only when its last bearer is gone.
        self.view.get(&stored.key).is_none_or(|known| known.version < stored.version)
    }

    /// Its key is that of the state before, so that there is one for each object.
    fn shared(&self, mut stored: Stored) -> Arc<Stored> {
        if let Some(known) = self.view.get(&stored.key) {
            stored.key = Arc::clone(&known.key);
        }
        Arc::new(stored)
    }

    /// Puts it into the view; returns it with what it replaced.
    fn accept(&mut self, stored: Arc<Stored>) -> (Arc<Stored>, Option<Arc<Stored>>) {
        self.graves.open(stored.uid());
        let former = self.view.insert(&stored);
        if let Some(former) = former.as_ref().filter(|former| former.uid() != stored.uid()) {
            // Another has its name, so it is dead, though the watch has yet to say so.
            self.graves.dead(former.uid(), Some(Arc::clone(former)));
        }
        (stored, former)
    }

    /// The watch has come to the version of this object. What only an answer
    /// brought, and the watch has now passed without bringing it, is gone.
    fn come_to(&mut self, stored: &Stored) -> Vec<Arc<Stored>> {
        let state = self.kind(&stored.key.kind);
        state.progress = state.progress.max(stored.version);
        let ahead = state.ahead.split_off(&stored.version.saturating_add(1));
        let passed = std::mem::replace(&mut state.ahead, ahead).into_values();
        let mut past: Vec<_> = passed.filter(|answered| answered.uid() != stored.uid()).collect();
        past.retain(|answered| {
            let known = self.view.get(&answered.key).filter(|known| Arc::ptr_eq(known, answered)).cloned();
            match known {
                Some(known) => self.is_gone(&known),
                None => match self.graves.tell(answered.uid()) {
                    Some(last) => self.departed.push(last),
                    None => return false,
                },
            }
            true
        });
        past
    }

    fn is_gone(&mut self, known: &Arc<Stored>) {
        self.view.remove(&known.key);
        self.graves.unlisted(known.uid());
        self.departed.push(Arc::clone(known));
    }
}
