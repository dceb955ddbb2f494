//! The operator: it drives the shipped protocol, one step at a time, so that the
//! world can change between any two of them.

use std::collections::{BTreeMap, BTreeSet};

use operlet_redis::protocol::facts::{Answer, Facts, Link as Seen, Pod, Proof, Service};
use operlet_redis::protocol::policy::{Mode, Policy, Request};
use operlet_redis::protocol::record::{Effective, Phase, Record};
use operlet_redis::protocol::step::{Act, Order, Selection, Settlement, Step};
use operlet_redis::protocol::{record::Incarnation, step};

use crate::scenario::Scenario;
use crate::world::{
    Down, Life, Link, MAX_LAG_S, NOW, Operator, Shared, World, address, pod_at, repl_id, run_id, uid,
};

/// How long "long enough" is, in seconds.
const LONG_S: u32 = 100;

impl World {
    pub fn policy(&self, scenario: &Scenario) -> Policy {
        Policy {
            mode: if scenario.available { Mode::Available } else { Mode::Safe },
            replicas: self.want.replicas,
            wanted: Effective { min_replicas: self.want.min, max_lag_s: MAX_LAG_S },
            detect_ms: 3000,
            fence_timeout_ms: 5000,
            recovery_timeout_ms: 15_000,
            switchover_timeout_ms: 10_000,
            switchover: self
                .want
                .switchover
                .map(|(id, pod)| Request { id: u64::from(id), target: Some(pod) }),
            storage: scenario.storage,
            persistent: true,
            paused: false,
            hibernated: self.want.hibernated,
            pause_before_primary: false,
        }
    }

    /// What the objects say now.
    fn objects(&self, scenario: &Scenario) -> Facts {
        let existing = || self.slots().filter(|slot| self.at(*slot).exists);
        let pod = |slot: u8| {
            let it = self.at(slot);
            let pod = Pod {
                uid: uid(slot, it.uid),
                address: Some(address(slot, it.uid)),
                terminating: it.terminating,
                ready_once: it.ready,
                updated: it.updated,
                priority: if (scenario.never >> slot) & 1 == 1 { 0 } else { 100 },
            };
            (slot, pod)
        };
        let shown = self.slots().filter(|slot| self.at(*slot).ended != 0 && self.is_reached(*slot));
        Facts {
            now: NOW,
            pods: existing().map(pod).collect(),
            claims: self.slots().map(|slot| (slot, u32::from(self.claims[usize::from(slot)]))).collect(),
            service: Service { selects: self.service, endpoint: self.service },
            ended: shown.map(|slot| run_id(slot, self.at(slot).ended)).collect(),
            vouched: self
                .slots()
                .map(|slot| (slot, self.vouched[usize::from(slot)]))
                .filter(|(_, count)| *count > 0)
                .map(|(slot, count)| uid(slot, count))
                .collect(),
            silent_ms: if scenario.early { 0 } else { 60_000 },
            refusing: existing()
                .filter(|slot| self.at(*slot).life == Life::Down && self.is_reached(*slot))
                .collect(),
            going_ms: 60_000,
            ..Facts::default()
        }
    }

    /// What a process answers, if it does.
    fn answer(&self, slot: u8) -> Option<Answer> {
        let it = self.at(slot);
        if !it.is_up() || !self.is_reached(slot) {
            return None;
        }
        let online = |replica: u8| {
            let linked = self.peer(replica) == Some(slot) && self.at(replica).life != Life::Down;
            let good = linked && self.streams(replica) == Some(slot);
            linked.then_some((run_id(replica, self.at(replica).run), good))
        };
        Some(Answer {
            run: run_id(slot, it.run),
            role: self.role(slot),
            link: match (it.link, it.down) {
                (Link::Up(_), _) => {
                    Seen::Up { io_age_s: if self.streams(slot).is_some() { 0 } else { LONG_S } }
                }
                (_, Down::Never) => Seen::Down { since_s: None },
                (_, Down::Recent) => Seen::Down { since_s: Some(0) },
                (_, Down::Long) => Seen::Down { since_s: Some(LONG_S) },
            },
            replid: repl_id(it.lineage),
            replid2: repl_id(it.second),
            offset: u64::from(it.offset),
            loading: it.booting || matches!(it.link, Link::Loading(_)),
            data: if it.booting { 0 } else { u64::from(it.data.count_ones()) },
            members: self.slots().filter_map(online).collect(),
            users: crate::redis::runs(it.users),
            min_replicas: it.min,
            max_lag_s: MAX_LAG_S,
        })
    }

    /// What the operator does next; none if it is about to look.
    pub fn next_step(&self, scenario: &Scenario) -> Option<Step> {
        match &self.operator {
            Operator::Thinking(facts) => Some(step(&self.policy(scenario), &facts.value, &self.record.value)),
            Operator::Idle | Operator::Looking(..) => None,
        }
    }

    /// Asks every pod, or with torn looks one after the other.
    pub fn look(&mut self, scenario: &Scenario) {
        let (mut facts, from) = match &self.operator {
            Operator::Idle => (self.objects(scenario), 0),
            Operator::Looking(facts, from) => (facts.value.clone(), *from),
            Operator::Thinking(facts) => (facts.value.clone(), 0),
        };
        let mut answers = match from {
            0 => BTreeMap::new(),
            _ => facts.answers.take().unwrap_or_default(),
        };
        let to = if scenario.torn { from + 1 } else { self.count };
        for slot in from..to {
            // An exchange reaches the pod that was observed or none.
            let same = facts.pods.get(&slot).is_some_and(|pod| pod.uid == uid(slot, self.at(slot).uid));
            if let Some(answer) = self.answer(slot).filter(|_| same) {
                answers.insert(slot, answer);
            }
        }
        facts.answers = Some(answers);
        facts.proof = None;
        let facts = Shared::new(facts);
        self.operator =
            if to >= self.count { Operator::Thinking(facts) } else { Operator::Looking(facts, to) };
    }

    /// A status is written. An error is a broken invariant.
    pub fn checkpoint(&mut self, record: Record) -> Result<(), String> {
        if record.epoch < self.record.value.epoch {
            return Err(format!("I3: epoch {} follows {}", record.epoch, self.record.value.epoch));
        }
        if let Some(failover) = &record.failover
            && failover.phase == Phase::Promote
            && let Some(target) = &failover.to
        {
            if let Some((epoch, before)) = self.promised
                && epoch == record.epoch
                && before != target.who
            {
                return Err(format!("I3: epoch {epoch} has two targets"));
            }
            let decided = self.promised.replace((record.epoch, target.who));
            if decided != self.promised {
                self.nobody_has_more(&target.who)?;
            }
        }
        self.put(record);
        Ok(())
    }

    /// I6: who is empty is not chosen while another that answers has data.
    fn nobody_has_more(&self, target: &Incarnation) -> Result<(), String> {
        let Operator::Thinking(facts) = &self.operator else { return Ok(()) };
        let answers = facts.value.answers.iter().flatten();
        let full = answers.filter(|(slot, answer)| {
            let it = self.at(**slot);
            it.data & self.confirmed != 0 && run_id(**slot, it.run) == answer.run
        });
        let full: Vec<u8> = full.map(|(slot, _)| *slot).collect();
        match self.is_alive(target) && self.at(target.pod).data == 0 && !full.is_empty() {
            true => Err(format!("I6: {}, which is empty, is chosen while {full:?} have data", target.pod)),
            false => Ok(()),
        }
    }

    /// Acts are sent side by side; one may be late: it passes its expectations now
    /// and is obeyed later, or never.
    pub fn send(&mut self, acts: &[Act], late: Option<usize>) -> Result<(), String> {
        let Operator::Thinking(facts) = &self.operator else { return Ok(()) };
        let mut facts = facts.value.clone();
        for (number, act) in acts.iter().enumerate() {
            self.check_act(act)?;
            if Some(number) != late {
                if self.arrive(act) {
                    facts.done.insert(act.tried());
                }
            } else if self.accepts_act(act) {
                self.at_mut(act.on.pod).late = Some(Self::on_its_way(&act.order));
            }
            facts.tried.insert(act.tried());
        }
        facts.answers = None;
        facts.proof = None;
        self.operator = Operator::Thinking(Shared::new(facts));
        Ok(())
    }

    /// I5 and I7, as far as they are about what is sent.
    fn check_act(&self, act: &Act) -> Result<(), String> {
        let record = &self.record.value;
        match &act.order {
            Order::Attach(address) => {
                let (slot, uid_seen) = pod_at(*address);
                let primary = record.primary.as_ref().map(|primary| primary.who);
                let confirmed = primary.is_some_and(|who| who.pod == slot && who.uid == uid(slot, uid_seen));
                if !confirmed {
                    return Err(format!(
                        "I5: {} is told to follow {slot}, which is not the primary",
                        act.on.pod
                    ));
                }
            }
            Order::Promote(_) => {
                let target = record.failover.as_ref().and_then(|failover| failover.to.as_ref());
                if target.map(|target| target.who) != Some(act.on) {
                    return Err(format!("I3: {} is promoted and not on record", act.on.pod));
                }
                let it = self.at(act.on.pod);
                let same = self.incarnation(act.on.pod) == act.on;
                let member = record.followers.contains_key(&act.on)
                    || record.primary.as_ref().is_some_and(|primary| primary.who == act.on);
                let current = record.primary.as_ref().is_none_or(|one| one.replid == repl_id(it.lineage));
                let shifted = record.primary.as_ref().is_some_and(|one| one.replid == repl_id(it.second));
                let claim = record.primary.as_ref().is_none_or(|one| one.who.pod == act.on.pod);
                if !member && !claim && !shifted && record.lossy != Some(record.epoch) {
                    return Err(format!(
                        "I7: {} is promoted, which is no member and not the claim",
                        act.on.pod
                    ));
                }
                let lossy = record.lossy == Some(record.epoch);
                if same && member && !lossy && !current && !shifted && !it.is_master() {
                    return Err(format!(
                        "I7: {} is promoted with another id than the current one",
                        act.on.pod
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A proof of acks: these replicas have all that the primary has.
    pub fn prove(&mut self, on: &Incarnation, asked: u8, those: u8) {
        let Operator::Thinking(facts) = &self.operator else { return };
        let mut facts = facts.value.clone();
        let reached = self.is_alive(on) && self.at(on.pod).is_up() && self.is_reached(on.pod);
        let mut acks = 0;
        if reached && self.at(on.pod).is_master() {
            for replica in self.slots().filter(|slot| (those >> slot) & 1 == 1) {
                self.replicate(replica);
                acks += 1;
            }
        }
        facts.proof = Some(Proof { run: on.run, acks: acks.min(asked) });
        self.operator = Operator::Thinking(Shared::new(facts));
    }

    /// The sets of replicas that may acknowledge a proof: it stops at what was asked
    /// for, so the others may have less.
    pub fn proofs(&self, on: &Incarnation, asked: u8) -> Vec<u8> {
        let live: Vec<u8> = self.slots().filter(|slot| self.streams(*slot) == Some(on.pod)).collect();
        let size = usize::from(asked).min(live.len());
        let all = live.iter().fold(0_u8, |set, slot| set | (1 << slot));
        (0..=all)
            .filter(|set| set & !all == 0 && usize::try_from(set.count_ones()).is_ok_and(|it| it == size))
            .collect()
    }

    /// The end of a reconcile: the Service, the pods, the claim.
    pub fn settle(&mut self, settlement: &Settlement) -> Result<(), String> {
        let Operator::Thinking(facts) = &self.operator else { return Ok(()) };
        // Written if unchanged.
        if facts.value.service.selects == self.service {
            match settlement.service {
                Selection::Keep => {}
                Selection::Close => self.service = None,
                Selection::Select(pod) => self.service = Some(pod),
            }
        }
        if let Some(pod) = self.service
            && settlement.service == Selection::Select(pod)
            && self.record.value.primary.as_ref().map(|primary| primary.who.pod) != Some(pod)
        {
            return Err(format!("I2: the Service selects {pod}, which is not the primary on record"));
        }
        if let Some((pod, epoch)) = settlement.mark
            && self.at(pod).exists
        {
            self.claims[usize::from(pod)] = u8::try_from(epoch).unwrap_or(u8::MAX);
        }
        let uids: BTreeSet<_> = facts.value.pods.iter().map(|(pod, it)| (*pod, it.uid)).collect();
        if let Some(deletion) = settlement.delete
            && self.at(deletion.pod).exists
            && uids.contains(&(deletion.pod, uid(deletion.pod, self.at(deletion.pod).uid)))
        {
            self.check_deletion(deletion.pod)?;
            self.at_mut(deletion.pod).terminating = true;
        }
        for slot in self.slots().filter(|slot| settlement.pods.is_some_and(|pods| *slot >= pods)) {
            let it = self.at_mut(slot);
            it.terminating |= it.exists;
        }
        self.operator = Operator::Idle;
        Ok(())
    }

    /// I8 and I9: never the primary while another could take over, never one of two.
    fn check_deletion(&self, slot: u8) -> Result<(), String> {
        let others = self.slots().filter(|one| *one != slot);
        let primary = self.record.value.primary.as_ref().map(|primary| primary.who.pod);
        if primary == Some(slot) && others.clone().any(|one| self.streams(one) == Some(slot)) {
            return Err(format!("I8: the primary {slot} is deleted while another could take over"));
        }
        // As far as the decision could know.
        let Operator::Thinking(facts) = &self.operator else { return Ok(()) };
        let seen = |one: u8| facts.value.answers.as_ref().and_then(|answers| answers.get(&one));
        let in_sync = others
            .clone()
            .filter_map(seen)
            .any(|answer| matches!(answer.link, Seen::Up { .. }) && !answer.loading);
        if self.want.replicas > 1 && !in_sync {
            return Err(format!("I9: {slot} is deleted and no replica in sync is left"));
        }
        if others.clone().any(|one| self.at(one).terminating) {
            return Err(format!("I9: {slot} is deleted while another goes"));
        }
        Ok(())
    }
}
