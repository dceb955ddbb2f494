//! Which resources wait for a reconcile, and since when.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::{metrics::OperletMetrics, model::ObjectKey};

/// So many that were begun are kept at least before the order is tidied up.
const SPARE: usize = 64;

/// Resources of which a change was told and that were not reconciled since.
pub(super) struct Waiting {
    since: Mutex<Since>,
    metrics: OperletMetrics,
}

#[derive(Default)]
struct Since {
    by_key: HashMap<ObjectKey, Instant>,
    /// In the order in which they came. One that was begun stays in here until it is
    /// the first.
    in_order: VecDeque<(Instant, ObjectKey)>,
}

impl Waiting {
    pub(super) fn new(metrics: OperletMetrics) -> Self {
        Self { since: Mutex::default(), metrics }
    }

    /// A watch told of a change; of this resource, if it is of a known one.
    pub(super) fn triggered(&self, key: Option<&ObjectKey>) {
        self.metrics.trigger();
        if let Some(key) = key {
            self.change(|since| since.add(key, Instant::now()));
        }
    }

    /// A reconcile of this resource begins.
    pub(super) fn begun(&self, key: &ObjectKey) {
        self.change(|since| since.remove(key));
    }

    fn change(&self, change: impl FnOnce(&mut Since)) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut since);
        self.metrics.queue(since.by_key.len(), since.oldest());
    }
}

impl Since {
    fn add(&mut self, key: &ObjectKey, now: Instant) {
        if !self.by_key.contains_key(key) {
            self.by_key.insert(key.clone(), now);
            self.in_order.push_back((now, key.clone()));
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        self.by_key.remove(key);
        while self.in_order.front().is_some_and(|(at, key)| self.by_key.get(key) != Some(at)) {
            self.in_order.pop_front();
        }
        // One that waits long must not keep all that came after it.
        if self.in_order.len() > 2 * self.by_key.len() + SPARE {
            let by_key = &self.by_key;
            self.in_order.retain(|(at, key)| by_key.get(key) == Some(at));
        }
    }

    fn oldest(&self) -> Option<Instant> {
        self.in_order.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::model::GroupVersionKind;

    fn key(name: &str) -> ObjectKey {
        let kind = GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "A".to_owned() };
        ObjectKey { kind: Arc::new(kind), namespace: Some("b".to_owned()), name: name.to_owned() }
    }

    #[test]
    fn the_oldest_is_the_one_that_waits_longest_since_its_first_trigger() {
        let (mut since, start) = (Since::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        since.add(&key("a"), at(0));
        since.add(&key("b"), at(1));
        since.add(&key("a"), at(2));
        assert_eq!(since.oldest(), Some(at(0)));
        since.remove(&key("a"));
        assert_eq!(since.oldest(), Some(at(1)));
        since.add(&key("a"), at(3));
        since.remove(&key("b"));
        assert_eq!(since.oldest(), Some(at(3)));
        since.remove(&key("a"));
        assert_eq!((since.oldest(), since.by_key.len()), (None, 0));
    }

    #[test]
    fn one_that_waits_long_does_not_make_the_order_of_the_others_grow() {
        let (mut since, now) = (Since::default(), Instant::now());
        since.add(&key("stuck"), now);
        for n in 1..10_000 {
            since.add(&key("busy"), now + Duration::from_millis(n));
            since.remove(&key("busy"));
        }
        assert!(since.in_order.len() <= SPARE + 2);
        assert_eq!(since.oldest(), Some(now));
    }
}
