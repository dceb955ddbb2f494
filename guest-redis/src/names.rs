//! What the objects of one Redis are called and how they are told from others.

use std::collections::BTreeMap;

use crate::protocol::record::Ordinal;

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

/// Set by the StatefulSet controller on each of its pods: what they were made from.
pub(crate) const REVISION_LABEL: &str = "controller-revision-hash";

/// On an EndpointSlice: the Service it is of.
pub(crate) const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// On the primary's claim, or on its pod if it has none: the epoch of its reign, so
/// that a Redis whose record was lost finds its past.
pub(crate) const EPOCH_ANNOTATION: &str = "redis.operlet.dev/epoch";

/// On a Redis: uids of pods that a person vouches for to be off for good.
pub(crate) const FENCED_ANNOTATION: &str = "redis.operlet.dev/fenced";

/// On a Redis: the failover that may lose writes, by the word of a person.
pub(crate) const ACCEPT_LOSS_ANNOTATION: &str = "redis.operlet.dev/accept-loss";

/// The names of the objects of one Redis.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// The resource's name: also the StatefulSet's, the read-write Service's and
    /// the PodDisruptionBudget's.
    pub(crate) redis: &'a str,
    /// The resource's namespace.
    pub(crate) namespace: &'a str,
    pub(crate) headless: String,
    pub(crate) replicas: String,
    pub(crate) config: String,
    pub(crate) auth: String,
    /// The Secret that the operator's own passwords are derived from.
    pub(crate) operator: String,
    /// Where applications write: the read-write Service, as seen from any namespace.
    pub(crate) host: String,
}

impl<'a> Names<'a> {
    pub(crate) fn new(redis: &'a str, namespace: &'a str) -> Self {
        Self {
            redis,
            namespace,
            headless: format!("{redis}-headless"),
            replicas: format!("{redis}-replicas"),
            config: format!("{redis}-config"),
            auth: format!("{redis}-auth"),
            operator: format!("{redis}-operator"),
            host: format!("{redis}.{namespace}.svc"),
        }
    }

    /// The pod of this ordinal.
    pub(crate) fn pod(&self, ordinal: Ordinal) -> String {
        format!("{}-{ordinal}", self.redis)
    }

    /// What the server in the pod of this ordinal announces itself as.
    pub(crate) fn announced(&self, ordinal: Ordinal) -> String {
        format!("{}-{ordinal}.{}.{}.svc", self.redis, self.headless, self.namespace)
    }

    /// The ordinal of a pod of the StatefulSet, none for any other.
    pub(crate) fn ordinal_of_pod(&self, pod: &str) -> Option<Ordinal> {
        ordinal(pod, self.redis)
    }

    /// The ordinal of a claim for the data of a pod, none for any other.
    pub(crate) fn ordinal_of_claim(&self, claim: &str) -> Option<Ordinal> {
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

fn ordinal(name: &str, redis: &str) -> Option<Ordinal> {
    name.strip_prefix(redis)?.strip_prefix('-')?.parse().ok()
}
