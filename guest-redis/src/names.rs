//! What the objects of one Redis are called and how they are told from others.

use std::collections::BTreeMap;

/// The port of every server; clients and Services use it too.
pub(crate) const PORT: u16 = 6379;

/// On every object and pod: the resource's name. The StatefulSet's selector, which
/// can never change, is this label alone: its domain is ours, so that no chart that
/// uses the recommended labels can match.
pub(crate) const NAME_LABEL: &str = "redis.operlet.dev/name";

/// On pods: `primary` or `replica`.
pub(crate) const ROLE_LABEL: &str = "redis.operlet.dev/role";

/// On the pod template: a hash of the configuration, so that a change of it rolls
/// the pods.
pub(crate) const CONFIG_ANNOTATION: &str = "redis.operlet.dev/config-hash";

/// Set by the StatefulSet controller on each of its pods.
pub(crate) const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";

/// The names of the objects of one Redis.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// The resource's name: also the StatefulSet's, the read-write Service's and
    /// the PodDisruptionBudget's.
    pub(crate) redis: &'a str,
    pub(crate) headless: String,
    pub(crate) replicas: String,
    pub(crate) config: String,
    pub(crate) auth: String,
    /// The pod that starts as primary.
    pub(crate) primary_pod: String,
    /// Where applications write: the read-write Service, as seen from any namespace.
    pub(crate) host: String,
}

impl<'a> Names<'a> {
    pub(crate) fn new(redis: &'a str, namespace: &'a str) -> Self {
        Self {
            redis,
            headless: format!("{redis}-headless"),
            replicas: format!("{redis}-replicas"),
            config: format!("{redis}-config"),
            auth: format!("{redis}-auth"),
            primary_pod: format!("{redis}-0"),
            host: format!("{redis}.{namespace}.svc"),
        }
    }

    /// The ordinal of a pod of the StatefulSet, none for any other.
    pub(crate) fn ordinal_of_pod(&self, pod: &str) -> Option<usize> {
        ordinal(pod, self.redis)
    }

    /// The ordinal of a claim for the data of a pod, none for any other.
    pub(crate) fn ordinal_of_claim(&self, claim: &str) -> Option<usize> {
        ordinal(claim.strip_prefix("data-")?, self.redis)
    }

    /// What selects the pods.
    pub(crate) fn selector(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([(NAME_LABEL, self.redis)])
    }

    /// The labels of every object.
    pub(crate) fn labels(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([
            (NAME_LABEL, self.redis),
            ("app.kubernetes.io/name", "redis"),
            ("app.kubernetes.io/instance", self.redis),
            ("app.kubernetes.io/managed-by", "operlet"),
        ])
    }
}

fn ordinal(name: &str, redis: &str) -> Option<usize> {
    name.strip_prefix(redis)?.strip_prefix('-')?.parse().ok()
}
