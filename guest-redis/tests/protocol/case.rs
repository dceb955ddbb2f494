//! Policy, facts and record of a Redis at rest, and changes to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use operlet_redis::protocol::facts::{Answer, Facts, Link, Pod, Proof, Role, Service, Upstream};
use operlet_redis::protocol::policy::{Mode, Policy};
use operlet_redis::protocol::record::{
    Cause, Doubtful, Effective, Epoch, Failover, Follower, Incarnation, Phase, Primary, Record, ReplId,
    RunId, Target, Uid,
};
use operlet_redis::protocol::step;

use crate::words;

pub const NOW: u64 = 10_000_000;

/// The replication id of the reign on record.
pub const CURRENT: ReplId = ReplId([7; 20]);

/// Another one.
pub const OTHER: ReplId = ReplId([8; 20]);

/// What a decision rests on.
#[derive(Debug, Clone)]
pub struct Case {
    pub policy: Policy,
    pub facts: Facts,
    pub record: Record,
}

pub fn uid(pod: u8) -> Uid {
    Uid([pod + 1; 16])
}

pub fn run(pod: u8, count: u8) -> RunId {
    let mut bytes = [0; 20];
    (bytes[0], bytes[1]) = (pod, count);
    RunId(bytes)
}

pub fn who(pod: u8) -> Incarnation {
    Incarnation { pod, uid: uid(pod), run: run(pod, 1) }
}

pub fn address(pod: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, pod))
}

/// A process that just booted.
pub fn booted(pod: u8) -> Answer {
    Answer {
        run: run(pod, 1),
        role: Role::Replica(Upstream::Dead(1)),
        link: Link::Down { since_s: None },
        replid: OTHER,
        replid2: ReplId([0; 20]),
        offset: 0,
        loading: false,
        data: 0,
        members: BTreeMap::new(),
        users: BTreeSet::new(),
        min_replicas: 0,
        max_lag_s: 5,
    }
}

impl Case {
    /// So many pods that have just started, and nothing on record.
    pub fn fresh(pods: u8, min: u8) -> Self {
        let pod = |pod: u8| Pod {
            uid: uid(pod),
            address: Some(address(pod)),
            terminating: false,
            ready_once: true,
            updated: true,
            priority: 100,
        };
        Self {
            policy: Policy {
                mode: Mode::Safe,
                replicas: pods - 1,
                wanted: Effective { min_replicas: min, max_lag_s: 5 },
                detect_ms: 3000,
                fence_timeout_ms: 0,
                recovery_timeout_ms: 300_000,
                switchover_timeout_ms: 10_000,
                switchover: None,
                storage: true,
                persistent: true,
                paused: false,
                hibernated: false,
                pause_before_primary: false,
            },
            facts: Facts {
                now: NOW,
                pods: (0..pods).map(|it| (it, pod(it))).collect(),
                silent_ms: 60_000,
                going_ms: 60_000,
                answers: Some((0..pods).map(|it| (it, booted(it))).collect()),
                ..Facts::default()
            },
            record: Record::default(),
        }
    }

    /// The first pod is the primary, the others follow it, everything is as it should.
    pub fn at_rest(pods: u8, min: u8) -> Self {
        let mut case = Self::fresh(pods, min);
        let replicas = 1..pods;
        case.record = Record {
            epoch: 2,
            primary: Some(Primary { who: who(0), replid: CURRENT, began: 10, carried: true, dead: None }),
            followers: replicas.clone().map(|pod| (who(pod), Follower::default())).collect(),
            effective: case.policy.wanted,
            proven: min,
            ..Record::default()
        };
        for pod in replicas.clone() {
            let answer = case.answer(pod);
            answer.role = Role::Replica(Upstream::Address(address(0)));
            answer.link = Link::Up { io_age_s: 0 };
            (answer.replid, answer.offset, answer.data) = (CURRENT, 50, 3);
        }
        let primary = case.answer(0);
        primary.role = Role::Primary;
        (primary.replid, primary.offset, primary.data, primary.min_replicas) = (CURRENT, 50, 3, min);
        primary.users = replicas.clone().map(|pod| run(pod, 1)).collect();
        primary.members = replicas.map(|pod| (run(pod, 1), true)).collect();
        case.facts.service = Service { selects: Some(0), endpoint: Some(0) };
        case.facts.claims = BTreeMap::from([(0, 2)]);
        case
    }

    /// Epoch 3, in which the first pod is silent, the Service closed and all replicas
    /// are at the dead address for so long.
    pub fn fencing(pods: u8, min: u8, since_s: u32) -> Self {
        let mut case = Self::at_rest(pods, min).phase(Phase::Fence, Cause::Lost);
        case.facts.service.selects = None;
        case.silence(0);
        for pod in 1..pods {
            case.recruit(pod, 3, since_s);
            let told = Some(NOW - u64::from(since_s) * 1000);
            case.record.followers.insert(who(pod), Follower { dead: None, told });
        }
        case
    }

    pub fn recruit(&mut self, pod: u8, epoch: Epoch, since_s: u32) {
        let answer = self.answer(pod);
        answer.role = Role::Replica(Upstream::Dead(epoch));
        answer.link = Link::Down { since_s: Some(since_s) };
    }

    /// With a change of primary under way, in epoch 3.
    pub fn phase(mut self, phase: Phase, cause: Cause) -> Self {
        self.record.epoch = 3;
        self.record.failover = Some(Failover {
            id: 3,
            phase,
            cause,
            from: Some(who(0)),
            to: None,
            doubtful: Doubtful::new(),
            claim: None,
            started_at: NOW - 1000,
            request: None,
        });
        self
    }

    pub fn target(&mut self, pod: u8) {
        let target = Target { who: who(pod), replid: CURRENT, offset: 50 };
        self.record.failover.as_mut().unwrap().to = Some(target);
    }

    pub fn answer(&mut self, pod: u8) -> &mut Answer {
        self.facts.answers.as_mut().unwrap().get_mut(&pod).unwrap()
    }

    pub fn silence(&mut self, pod: u8) {
        self.facts.answers.as_mut().unwrap().remove(&pod);
    }

    /// Its container restarted: another run id, at the boot address.
    pub fn restart(&mut self, pod: u8, data: u64) {
        let answer = Answer { run: run(pod, 2), data, ..booted(pod) };
        self.facts.answers.as_mut().unwrap().insert(pod, answer);
        if let Some(pod) = self.facts.pods.get_mut(&pod) {
            pod.ready_once = false;
        }
    }

    pub fn die(&mut self, pod: u8) {
        if let Some(primary) = self.record.primary.as_mut().filter(|primary| primary.who == who(pod)) {
            primary.dead = Some(NOW - 60_000);
        }
        if let Some(follower) = self.record.followers.get_mut(&who(pod)) {
            follower.dead = Some(NOW - 60_000);
        }
    }

    pub fn proof(&mut self, acks: u8) {
        self.facts.proof = Some(Proof { run: run(0, 1), acks });
    }

    pub fn step(&self) -> step::Step {
        operlet_redis::protocol::step(&self.policy, &self.facts, &self.record)
    }

    /// The step, in words.
    pub fn says(&self) -> String {
        words::step(&self.step())
    }
}
