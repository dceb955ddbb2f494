//! What the protocol rests on, from what the operlet is shown: objects here, answers of
//! processes in [`asked`](crate::asked).

use std::net::IpAddr;

use operlet_sdk::{Observation, Text};

use crate::{
    carried::Carried,
    names::{ACCEPT_LOSS_ANNOTATION, FENCED_ANNOTATION, Names},
    observed::{Observed, Pod},
    protocol::{
        facts::{self, Facts},
        policy::{Mode, Policy, Request},
        record::{Effective, Incarnation, Millis, Ordinal, Record},
    },
    recorded::{request, uid},
    spec::{FailoverMode, PersistenceMode, RedisSpec, UpdateStrategy},
    talk::users::run_id,
};

/// What the spec asks for.
pub(crate) fn policy(spec: &RedisSpec, names: &Names<'_>) -> Policy {
    let replicas = u8::try_from(spec.replicas).unwrap_or_default();
    let mode = match spec.failover.mode {
        Some(FailoverMode::Safe) => Mode::Safe,
        Some(FailoverMode::Available) => Mode::Available,
        // Else a person would have to vouch after every drained node.
        None if replicas == 0 => Mode::Available,
        None => Mode::Safe,
    };
    let asked = spec.switchover.as_ref().map(|asked| Request {
        id: request(&asked.request_id),
        target: asked.target.as_deref().and_then(|pod| names.ordinal_of_pod(pod)),
    });
    Policy {
        mode,
        replicas,
        wanted: Effective {
            min_replicas: min_replicas(spec, replicas),
            max_lag_s: seconds(spec.replication.max_lag_seconds),
        },
        detect_ms: milliseconds(spec.failover.detect_seconds),
        fence_timeout_ms: milliseconds(spec.failover.fence_timeout_seconds),
        recovery_timeout_ms: milliseconds(spec.failover.recovery_timeout_seconds),
        switchover_timeout_ms: milliseconds(spec.update.switchover_timeout_seconds),
        switchover: asked,
        storage: spec.storage.is_some(),
        persistent: spec.persistence.mode != PersistenceMode::None,
        paused: spec.paused,
        hibernated: spec.hibernated,
        pause_before_primary: spec.update.strategy == UpdateStrategy::PauseBeforePrimary,
    }
}

/// What is kept up for a Redis whose spec cannot be carried out: what it has.
pub(crate) fn as_it_was(
    spec: &RedisSpec,
    names: &Names<'_>,
    observed: &Observed<'_>,
    record: &Record,
) -> Policy {
    let pods = observed.stateful_set.as_ref().map_or(0, |set| set.spec.replicas);
    Policy {
        replicas: u8::try_from(pods.saturating_sub(1)).unwrap_or_default(),
        wanted: record.effective,
        switchover: None,
        hibernated: record.hibernated,
        pause_before_primary: true,
        ..policy(spec, names)
    }
}

/// Half the replicas, rounded up; with fewer than two a primary would stop with one.
fn min_replicas(spec: &RedisSpec, replicas: u8) -> u8 {
    let derived = if replicas < 2 { 0 } else { replicas.div_ceil(2) };
    let asked = spec.replication.min_replicas_to_write.map(|asked| u8::try_from(asked).unwrap_or_default());
    asked.unwrap_or(derived).min(replicas)
}

fn seconds(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

fn milliseconds(seconds: i32) -> Millis {
    Millis::try_from(seconds).unwrap_or_default().saturating_mul(1000)
}

/// What the objects say. Nobody has been asked yet.
pub(crate) fn facts(
    observation: &Observation,
    observed: &Observed<'_>,
    names: &Names<'_>,
    annotations: &std::collections::BTreeMap<Text<'_>, Text<'_>>,
    primary: Option<&Incarnation>,
    carried: &Carried,
) -> Facts {
    let revision = observed.stateful_set.as_ref().and_then(|set| set.update_revision());
    let departed = observed.departed.iter();
    let ended = observed.pods.values().chain(departed).flat_map(Pod::ended);
    let vouched = annotations.get(FENCED_ANNOTATION).map_or("", Text::as_str);
    let selected = observed.service.as_ref().and_then(|service| service.selects());
    Facts {
        now: observation.now_ms,
        pods: observed.pods.iter().filter_map(|(ordinal, it)| Some((*ordinal, pod(it, revision)?))).collect(),
        claims: claims(observed),
        service: facts::Service {
            selects: selected.and_then(|pod| names.ordinal_of_pod(pod)),
            endpoint: match observed.endpoints.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
        },
        ended: ended.filter_map(run_id).collect(),
        vouched: vouched.split(',').filter_map(|one| uid(one.trim())).collect(),
        accept_loss: annotations.get(ACCEPT_LOSS_ANNOTATION).and_then(|id| id.trim().parse().ok()),
        silent_ms: primary.map_or(0, |who| carried.silent_ms(who, observation)),
        ..Facts::default()
    }
}

/// With a volume the claim outlives the pod and says so; else the pod is all there is.
fn claims(observed: &Observed<'_>) -> std::collections::BTreeMap<Ordinal, u32> {
    let pods = observed.pods.iter().map(|(ordinal, pod)| (*ordinal, pod.metadata.epoch()));
    let claims = observed.claims.iter().map(|(ordinal, claim)| (*ordinal, claim.metadata.epoch()));
    pods.chain(claims).filter_map(|(ordinal, epoch)| Some((ordinal, epoch?))).collect()
}

fn pod(pod: &Pod<'_>, revision: Option<&str>) -> Option<facts::Pod> {
    Some(facts::Pod {
        uid: uid(&pod.metadata.uid)?,
        address: address(pod),
        terminating: pod.is_terminating(),
        ready_once: pod.is_started(),
        updated: revision.is_none_or(|revision| pod.revision() == Some(revision)),
        priority: PRIORITY,
    })
}

/// `replica-priority` as Redis has it by default; `spec.config` may not change it.
const PRIORITY: u32 = 100;

pub(crate) fn address(pod: &Pod<'_>) -> Option<IpAddr> {
    pod.status.pod_ip.parse().ok()
}
