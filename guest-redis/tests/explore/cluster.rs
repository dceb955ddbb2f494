//! What Kubernetes, nodes and the network do, and time.

use operlet_redis::protocol::record::{Followers, Millis, Record};

use crate::scenario::Scenario;
use crate::world::{Down, Follows, Life, Lineage, Link, NOW, Operator, Shared, TICK_S, World};

impl World {
    /// A process dies. What shows it is the termination message of a container that
    /// was Ready once; a blackout shows nothing.
    pub fn crash(&mut self, slot: u8, keeps_data: bool, shows: bool) {
        let it = self.at_mut(slot);
        it.life = Life::Down;
        if shows {
            it.ended = if it.ready { it.run } else { 0 };
        }
        if !keeps_data {
            it.data = 0;
        }
        it.solid = 0;
        it.users = 0;
        it.good = 0;
        it.stale = false;
        it.booting = false;
        it.paused = false;
        it.late = None;
        it.link = Link::None;
        self.break_links();
    }

    /// A container starts again: another run id, a new replication id, and no
    /// primary (facts 1 and 3).
    pub fn start(&mut self, slot: u8, scenario: &Scenario) {
        let it = self.at_mut(slot);
        it.booting = it.data != 0;
        it.run += 1;
        it.life = Life::Up;
        it.ready = false;
        it.follows = Follows::Dead(1);
        it.named = false;
        it.link = Link::None;
        it.down = Down::Never;
        // An RDB file holds the replication id, and the offset that it was made at.
        if !scenario.rdb || it.data == 0 {
            it.lineage = Lineage { slot, run: it.run, shift: 0 };
            it.offset = 0;
        }
        it.second = Lineage::default();
        it.shifts = 0;
        it.backlog = false;
        it.second_offset = 0;
        it.min = 0;
    }

    /// A terminating pod is gone; its last state may still be seen.
    pub fn depart(&mut self, slot: u8) {
        if self.at(slot).life != Life::Down {
            self.crash(slot, true, true);
        }
        let it = self.at_mut(slot);
        it.exists = false;
        it.terminating = false;
        self.break_links();
    }

    /// The StatefulSet makes the pod again; what departed is forgotten.
    pub fn recreate(&mut self, slot: u8, scenario: &Scenario) {
        let storage = scenario.storage;
        let it = self.at_mut(slot);
        it.exists = true;
        it.updated = true;
        it.uid += 1;
        it.ended = 0;
        if !storage {
            it.data = 0;
        }
        if !storage {
            self.claims[usize::from(slot)] = 0;
        }
        self.start(slot, scenario);
    }

    /// A process stops running for a time, its connections open.
    pub fn freeze(&mut self, slot: u8) {
        let it = self.at_mut(slot);
        it.life = Life::Frozen;
        it.stale = it.is_master();
    }

    /// It goes on where it stood: sockets first, timers later (fact 10).
    pub fn thaw(&mut self, slot: u8) {
        self.at_mut(slot).life = Life::Up;
        self.break_links();
    }

    /// The network is whole again.
    pub fn heal(&mut self) {
        self.side = 0;
        self.dark = 0;
        self.break_links();
    }

    /// maxLag and its margin pass: links that are down have been for long, running
    /// masters have counted. A reconcile lives through one of these at most.
    pub fn tick(&mut self) {
        for slot in self.slots() {
            let it = self.at_mut(slot);
            if it.down == Down::Recent {
                it.down = Down::Long;
            }
            if it.is_up() && it.is_master() {
                self.count_good(slot);
            }
        }
        let mut record = self.record.value.clone();
        age(&mut record);
        if record != self.record.value {
            self.record = Shared::new(record);
        }
        self.operator = match &self.operator {
            Operator::Thinking(facts) if facts.value.now == NOW => {
                let mut facts = facts.value.clone();
                facts.now = older(facts.now);
                Operator::Thinking(Shared::new(facts))
            }
            Operator::Looking(facts, slot) if facts.value.now == NOW => {
                let mut facts = facts.value.clone();
                facts.now = older(facts.now);
                Operator::Looking(Shared::new(facts), *slot)
            }
            _ => Operator::Idle,
        };
    }

    /// Puts something else on record.
    pub fn put(&mut self, record: Record) {
        self.record = Shared::new(record);
    }
}

/// Older than three ticks is as old as anything.
fn older(time: Millis) -> Millis {
    let tick = Millis::from(TICK_S) * 1000;
    time.saturating_sub(tick).max(NOW - 3 * tick)
}

fn age(record: &mut Record) {
    let all = |followers: &mut Followers| {
        for follower in followers.values_mut() {
            follower.dead = follower.dead.map(older);
            follower.told = follower.told.map(older);
        }
    };
    all(&mut record.followers);
    all(&mut record.former);
    if let Some(primary) = &mut record.primary {
        primary.dead = primary.dead.map(older);
    }
    if let Some(failed) = &mut record.failed {
        (failed.at, failed.times) = (older(failed.at), failed.times.min(2));
    }
    if let Some(failover) = &mut record.failover {
        failover.started_at = older(failover.started_at);
        for doubt in failover.doubtful.values_mut() {
            doubt.dead = doubt.dead.map(older);
        }
    }
}
