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
pub(crate) fn policy(spec: &RedisSpec, names: &Names<'_>, record: &Record) -> Policy {
    let replicas = u8::try_from(spec.replicas).unwrap_or_default();
    Policy { mode: mode(spec, replicas, record), ..wanted(spec, replicas, names) }
}

fn mode(spec: &RedisSpec, replicas: u8, record: &Record) -> Mode {
    match spec.failover.mode {
        Some(FailoverMode::Safe) => Mode::Safe,
        Some(FailoverMode::Available) => Mode::Available,
        // Else a person would have to vouch after every drained node. One that has replicas
        // yet has more to lose.
        None if replicas == 0 && record.followers.is_empty() && record.former.is_empty() => Mode::Available,
        None => Mode::Safe,
    }
}

fn wanted(spec: &RedisSpec, replicas: u8, names: &Names<'_>) -> Policy {
    let asked = spec.switchover.as_ref().map(|asked| Request {
        id: request(&asked.request_id),
        target: asked.target.as_deref().and_then(|pod| names.ordinal_of_pod(pod)),
    });
    Policy {
        mode: Mode::Safe,
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
    let set = observed.stateful_set.as_ref().map_or(0, |set| set.spec.replicas);
    let there = observed.pods.keys().next_back().map_or(0, |highest| i32::from(*highest) + 1);
    let replicas = u8::try_from(set.max(there).saturating_sub(1)).unwrap_or_default();
    Policy {
        mode: mode(spec, replicas, record),
        wanted: record.effective,
        switchover: None,
        hibernated: record.hibernated,
        pause_before_primary: true,
        ..wanted(spec, replicas, names)
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

/// With a shorter grace period than this a pod that goes lets nobody wait.
const HURRY_S: i64 = 10;

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
        going_ms: primary.and_then(|who| observed.pods.get(&who.pod)).map_or(0, |pod| {
            let hurries = pod.metadata.deletion_grace_period_seconds.is_some_and(|grace| grace < HURRY_S);
            let since = carried.going_ms(&pod.metadata.uid, observation.now_ms);
            if hurries { Millis::MAX } else { since }
        }),
        ..Facts::default()
    }
}

/// With a volume the claim outlives the pod and says so; else the pod is all there is.
fn claims(observed: &Observed<'_>) -> std::collections::BTreeMap<Ordinal, u32> {
    let pods = observed.pods.iter().map(|(ordinal, pod)| (*ordinal, pod.metadata.epoch()));
    // One that is being deleted is as good as none.
    let claims = observed.claims.iter().filter(|(_, claim)| claim.metadata.deletion_timestamp.is_none());
    let claims = claims.map(|(ordinal, claim)| (*ordinal, claim.metadata.epoch()));
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

#[cfg(test)]
mod tests {
    use operlet_sdk::{Kind, ObjectsOfKind, Operator as _, kinds, testing};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        RedisOperlet,
        protocol::record::{RunId, Uid},
        recorded::uuid,
    };

    fn policy_of(spec: Value) -> Policy {
        policy(&serde_json::from_value(spec).unwrap(), &Names::new("sample", "shop"), &Record::default())
    }

    #[test]
    fn the_bound_on_writes_follows_from_the_replicas() {
        let bounds = |mode: &str| -> Vec<u8> {
            let spec = |replicas| json!({"replicas": replicas, "failover": {"mode": mode}});
            (0..=8).map(|replicas| policy_of(spec(replicas)).wanted.min_replicas).collect()
        };
        assert_eq!(bounds("Safe"), [0, 0, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(bounds("Available"), bounds("Safe"));
        let given = |replicas, wanted| {
            let spec = json!({"replicas": replicas, "replication": {"minReplicasToWrite": wanted}});
            policy_of(spec).wanted.min_replicas
        };
        assert_eq!([given(4, 0), given(4, 1), given(4, 4)], [0, 1, 4]);
        assert_eq!(given(2, 3), 2, "more than there are would stop all writes");
    }

    #[test]
    fn what_the_spec_leaves_open_is_safe_where_there_are_replicas() {
        assert_eq!(policy_of(json!({"replicas": 0})).mode, Mode::Available);
        assert_eq!(policy_of(json!({"replicas": 1})).mode, Mode::Safe);
        assert_eq!(policy_of(json!({"replicas": 0, "failover": {"mode": "Safe"}})).mode, Mode::Safe);
        let policy = policy_of(json!({}));
        assert_eq!((policy.mode, policy.replicas, policy.wanted.max_lag_s), (Mode::Safe, 2, 5));
        assert_eq!((policy.detect_ms, policy.fence_timeout_ms), (3000, 0));
        assert_eq!((policy.recovery_timeout_ms, policy.switchover_timeout_ms), (300_000, 10_000));
        assert!(!policy.storage && !policy.hibernated && !policy.paused && !policy.pause_before_primary);
        assert_eq!(policy.switchover, None);
    }

    #[test]
    fn what_the_spec_says_is_what_is_asked_for() {
        let policy = policy_of(json!({
            "replicas": 3,
            "hibernated": true,
            "storage": {"size": "1Gi"},
            "replication": {"maxLagSeconds": 9},
            "failover": {"mode": "Available", "detectSeconds": 7, "fenceTimeoutSeconds": 11, "recoveryTimeoutSeconds": 13},
            "update": {"strategy": "PauseBeforePrimary", "switchoverTimeoutSeconds": 17},
            "switchover": {"target": "sample-2", "requestID": "one"},
        }));
        assert_eq!((policy.mode, policy.wanted.max_lag_s, policy.detect_ms), (Mode::Available, 9, 7000));
        assert_eq!((policy.fence_timeout_ms, policy.recovery_timeout_ms), (11_000, 13_000));
        assert_eq!(policy.switchover_timeout_ms, 17_000);
        assert!(policy.storage && policy.persistent && policy.hibernated && policy.pause_before_primary);
        assert_eq!(policy.switchover, Some(Request { id: request("one"), target: Some(2) }));
        let in_memory = json!({"storage": {"size": "1Gi"}, "persistence": {"mode": "None"}});
        assert!(!policy_of(in_memory).persistent, "a volume that nothing is written to keeps nothing");
    }

    fn uid_of(digit: u8) -> Uid {
        Uid([digit; 16])
    }

    fn uuid_of(digit: u8) -> String {
        uuid(&uid_of(digit))
    }

    fn run_of(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    /// A pod whose container runs and is past its startup probe.
    fn pod_of(ordinal: u8) -> Value {
        json!({
            "metadata": {
                "name": format!("sample-{ordinal}"),
                "uid": uuid_of(ordinal),
                "labels": {"controller-revision-hash": "new"},
            },
            "status": {
                "podIP": format!("10.0.0.{ordinal}"),
                "containerStatuses": [
                    {"name": "redis", "started": true, "state": {"running": {}}},
                ],
            },
        })
    }

    fn observation(objects: &[(&Kind, Vec<Value>)]) -> Observation {
        let observation = testing::observation(&()).with_kinds_of(&RedisOperlet::describe());
        objects.iter().fold(observation, |so_far, (kind, objects)| so_far.with_observed(kind, objects))
    }

    fn facts_of(observation: &Observation, annotations: Value) -> Facts {
        let names = Names::new("sample", "shop");
        let observed = Observed::read(observation, &names).unwrap();
        let annotations = annotations.to_string();
        let annotations = serde_json::from_str(&annotations).unwrap();
        facts(observation, &observed, &names, &annotations, None, &Carried::default())
    }

    #[test]
    fn a_pod_with_little_time_left_lets_nobody_wait() {
        let going_ms = |grace: i64| {
            let mut going = pod_of(0);
            going["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
            going["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            let observation = observation(&[(&kinds::POD, vec![going])]);
            let names = Names::new("sample", "shop");
            let observed = Observed::read(&observation, &names).unwrap();
            let primary = Incarnation { pod: 0, uid: Uid::default(), run: RunId::default() };
            let nothing = std::collections::BTreeMap::new();
            let carried = Carried::default();
            facts(&observation, &observed, &names, &nothing, Some(&primary), &carried).going_ms
        };
        assert_eq!([9, 10, 60].map(going_ms), [Millis::MAX, 0, 0]);
    }

    #[test]
    fn a_pod_is_what_its_object_says() {
        let mut going = pod_of(1);
        going["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
        going["metadata"]["labels"]["controller-revision-hash"] = json!("old");
        let mut booting = pod_of(2);
        booting["status"]["containerStatuses"][0]["started"] = json!(false);
        let mut waiting = pod_of(3);
        waiting["status"]["containerStatuses"][0]["state"] =
            json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let mut scheduled = pod_of(4);
        scheduled["status"] = json!({});
        let mut nameless = pod_of(5);
        nameless["metadata"]["uid"] = json!("5");
        let other = json!({"metadata": {"name": "other-0", "uid": uuid_of(9)}});
        let set = json!({
            "metadata": {"name": "sample", "generation": 2}, "spec": {},
            "status": {"observedGeneration": 2, "updateRevision": "new"},
        });
        let pods = vec![pod_of(0), going, booting, waiting, scheduled, nameless, other];
        let observation = observation(&[(&kinds::POD, pods), (&kinds::STATEFUL_SET, vec![set])]);
        let facts = facts_of(&observation, json!({}));
        let pods: Vec<_> = facts
            .pods
            .iter()
            .map(|(pod, it)| (*pod, it.address.is_some(), it.terminating, it.ready_once, it.updated))
            .collect();
        let expected = [
            (0, true, false, true, true),
            (1, true, true, true, false),
            (2, true, false, false, true),
            (3, true, false, false, true),
            (4, false, false, false, true),
        ];
        assert_eq!(pods, expected);
    }

    #[test]
    fn while_the_revision_is_not_known_no_pod_is_outdated() {
        let set = json!({
            "metadata": {"name": "sample", "generation": 3}, "spec": {},
            "status": {"observedGeneration": 2, "updateRevision": "newer"},
        });
        let observation = observation(&[(&kinds::POD, vec![pod_of(0)]), (&kinds::STATEFUL_SET, vec![set])]);
        assert!(facts_of(&observation, json!({})).pods[&0].updated);
    }

    #[test]
    fn run_ids_of_the_dead_come_from_termination_messages_alone() {
        let ended =
            |name: &str, message: &str| json!({"name": name, "state": {"terminated": {"message": message}}});
        let mut here = pod_of(0);
        here["status"]["containerStatuses"] = json!([
            {"name": "redis", "state": {"running": {}}, "lastState": {"terminated": {"message": run_of('1')}}},
            ended("sidecar", &run_of('2')),
        ]);
        let mut failed = pod_of(1);
        failed["status"]["containerStatuses"] = json!([ended("redis", &run_of('3'))]);
        let mut unknown = pod_of(2);
        unknown["status"]["containerStatuses"] = json!([
            {"name": "redis", "state": {"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}}},
        ]);
        let mut told_otherwise = pod_of(3);
        told_otherwise["status"]["containerStatuses"] = json!([ended("redis", "out of memory")]);
        let mut gone = pod_of(4);
        gone["status"]["containerStatuses"] = json!([ended("redis", &run_of('4'))]);
        let mut observation = observation(&[(&kinds::POD, vec![here, failed, unknown, told_otherwise])]);
        observation.departed =
            vec![ObjectsOfKind { kind: (&kinds::POD).into(), objects: vec![gone.to_string()] }];
        let facts = facts_of(&observation, json!({}));
        let expected = [0x11, 0x33, 0x44].map(|byte| RunId([byte; 20]));
        assert_eq!(facts.ended, expected.into());
    }

    #[test]
    fn a_person_vouches_for_uids_and_accepts_loss_for_one_failover() {
        let observation = observation(&[]);
        let (one, two) = (uuid_of(1), uuid_of(2));
        let vouched = |text: &str| facts_of(&observation, json!({"redis.operlet.dev/fenced": text})).vouched;
        assert_eq!(vouched(""), [].into());
        assert_eq!(vouched(&one), [uid_of(1)].into());
        assert_eq!(vouched(&format!(" {one} ,{two}")), [1, 2].map(uid_of).into());
        assert_eq!(vouched("sample-0, true"), [].into(), "a name may be another pod by then");
        let accepts =
            |text: &str| facts_of(&observation, json!({"redis.operlet.dev/accept-loss": text})).accept_loss;
        assert_eq!(
            [accepts("7"), accepts(" 7 "), accepts("true"), accepts("")],
            [Some(7), Some(7), None, None]
        );
    }

    #[test]
    fn epochs_come_from_claims_and_without_them_from_pods() {
        let marked = |name: &str, epoch: &str| {
            json!({
                "metadata": {"name": name, "annotations": {"redis.operlet.dev/epoch": epoch}},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
            })
        };
        let mut pod = pod_of(0);
        pod["metadata"]["annotations"] = json!({"redis.operlet.dev/epoch": "4"});
        let claims =
            vec![marked("data-sample-1", "7"), marked("data-sample-2", "x"), marked("data-other-0", "9")];
        let observation = observation(&[(&kinds::POD, vec![pod]), (&kinds::PERSISTENT_VOLUME_CLAIM, claims)]);
        assert_eq!(facts_of(&observation, json!({})).claims, [(0, 4), (1, 7)].into());
    }

    #[test]
    fn the_service_leads_where_its_selector_and_its_endpoints_say() {
        let service = |pod: &str| {
            json!({
                "metadata": {"name": "sample", "uid": "u", "resourceVersion": "1"},
                "spec": {"selector": {"statefulset.kubernetes.io/pod-name": pod}},
            })
        };
        let slice = |service: &str, pods: &[&str]| {
            let endpoints: Vec<Value> = pods.iter().map(|pod| json!({"targetRef": {"name": pod}})).collect();
            json!({"metadata": {"name": "x", "labels": {"kubernetes.io/service-name": service}}, "endpoints": endpoints})
        };
        let leads = |selected: &str, slices: Vec<Value>| {
            let objects = [(&kinds::SERVICE, vec![service(selected)]), (&kinds::ENDPOINT_SLICE, slices)];
            let service = facts_of(&observation(&objects), json!({})).service;
            (service.selects, service.endpoint)
        };
        assert_eq!(leads("sample-1", vec![slice("sample", &["sample-1"])]), (Some(1), Some(1)));
        assert_eq!(leads("none", vec![slice("sample", &["sample-1"])]), (None, Some(1)), "nodes know later");
        assert_eq!(leads("none", vec![]), (None, None));
        let of_others = slice("sample-headless", &["sample-0", "sample-1"]);
        assert_eq!(leads("sample-2", vec![of_others]), (Some(2), None));
        let both = vec![slice("sample", &["sample-0"]), slice("sample", &["sample-1"])];
        assert_eq!(leads("sample-1", both), (Some(1), None), "it is on its way");
    }
}
