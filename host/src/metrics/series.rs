//! One metric of one operlet, by its labels.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{PoisonError, RwLock},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
};

/// A metric for each set of labels that was used. The library's own family cannot
/// be told to forget an operlet, so there is one of these for each.
#[derive(Debug)]
pub(super) struct Series<L, M> {
    by_labels: RwLock<HashMap<L, M>>,
    make: fn() -> M,
}

impl<L: Clone + Eq + Hash, M: Clone> Series<L, M> {
    pub(super) fn new(make: fn() -> M) -> Self {
        Self { by_labels: RwLock::default(), make }
    }

    pub(super) fn with(&self, labels: &L) -> M {
        let known = self.by_labels.read().unwrap_or_else(PoisonError::into_inner).get(labels).cloned();
        known.unwrap_or_else(|| {
            let mut by_labels = self.by_labels.write().unwrap_or_else(PoisonError::into_inner);
            by_labels.entry(labels.clone()).or_insert_with(self.make).clone()
        })
    }

    pub(super) fn all(&self) -> Vec<(L, M)> {
        let by_labels = self.by_labels.read().unwrap_or_else(PoisonError::into_inner);
        by_labels.iter().map(|(labels, metric)| (labels.clone(), metric.clone())).collect()
    }
}

pub(super) type Counters<L> = Series<L, Counter>;
pub(super) type Gauges<L> = Series<L, Gauge>;
pub(super) type Histograms = Series<None, Histogram>;

impl<L: Clone + Eq + Hash> Default for Counters<L> {
    fn default() -> Self {
        Self::new(Counter::default)
    }
}

impl<L: Clone + Eq + Hash> Default for Gauges<L> {
    fn default() -> Self {
        Self::new(Gauge::default)
    }
}

/// No label but the operlet.
pub(super) type None = [(&'static str, &'static str); 0];

/// A word of a fixed set.
pub(super) type Word = &'static str;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByResult {
    pub(super) result: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByEnd {
    pub(super) end: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByEffectAndEnd {
    pub(super) effect: Word,
    pub(super) end: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByLimit {
    pub(super) limit: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByReason {
    pub(super) reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByVerbAndResource {
    pub(super) verb: Word,
    pub(super) resource: String,
}
