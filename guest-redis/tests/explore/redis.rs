//! What Redis does: replication, writes, and what it makes of an order. The numbers
//! are those of the facts in the specification.

use operlet_redis::protocol::facts::{Role, Upstream};
use operlet_redis::protocol::record::RunId;
use operlet_redis::protocol::rules::{Rule, is_out};
use operlet_redis::protocol::step::{Act, Order};

use crate::world::{Down, Follows, Late, Life, Lineage, Link, World, address, pod_at, user, user_of};

impl World {
    /// A client writes.
    pub fn write(&mut self, slot: u8) {
        let write = self.written;
        self.written += 1;
        let it = self.at_mut(slot);
        it.data |= 1 << write;
        it.solid |= 1 << write;
        it.offset += 1;
    }

    /// Whether a replica could link to what it follows: the address leads to a
    /// master that has its user (facts 2 and 12).
    pub fn can_sync(&self, replica: u8) -> bool {
        let it = self.at(replica);
        let Follows::Pod(slot, uid) = it.follows else { return false };
        let peer = self.at(slot);
        it.is_up()
            && it.link == Link::None
            && slot != replica
            && peer.is_up()
            && peer.uid == uid
            && peer.is_master()
            && peer.users & user(replica, it.run) != 0
            && self.talk(replica, slot)
    }

    /// A replica links: by partial resync where its history is the primary's, else by
    /// a full one. A primary that never had a replica, nor was one that was linked,
    /// takes a new id and forgets its second one before. An error is a broken
    /// invariant.
    pub fn sync(&mut self, replica: u8) -> Result<(), String> {
        let Follows::Pod(slot, _) = self.at(replica).follows else { return Ok(()) };
        if !self.at(slot).backlog {
            let it = self.at_mut(slot);
            it.backlog = true;
            it.shifts = it.shifts.saturating_add(1);
            it.lineage = Lineage { slot, run: it.run, shift: it.shifts };
            it.second = Lineage::default();
            it.second_offset = 0;
        }
        let primary = *self.at(slot);
        let confirmed = self.confirmed;
        let it = self.at_mut(replica);
        it.backlog = true;
        let same = it.lineage == primary.lineage && it.offset <= primary.offset;
        let before = it.lineage == primary.second && it.offset <= primary.second_offset;
        if same || before {
            it.link = Link::Up(primary.run);
            it.down = Down::Never;
            it.ready = true;
        } else {
            // What was only ever on a lost primary may be lost; nothing else.
            if it.data & confirmed != 0 && primary.data == 0 {
                return Err(format!("I6: {replica} holds data and is emptied by a resync from {slot}"));
            }
            // The old data goes when loading begins; the file is complete by then.
            it.link = Link::Loading(primary.run);
            it.data = primary.data;
            it.solid = primary.data;
            it.offset = primary.offset;
        }
        if it.lineage != primary.lineage {
            it.second = it.lineage;
            it.second_offset = it.offset;
            it.lineage = primary.lineage;
        }
        // A first sync counts as good at the primary as well.
        self.at_mut(slot).good |= 1 << replica;
        Ok(())
    }

    /// A full sync is loaded.
    pub fn loaded(&mut self, replica: u8) {
        let peer = self.peer(replica).filter(|peer| self.talk(replica, *peer));
        let it = self.at_mut(replica);
        let Link::Loading(run) = it.link else { return };
        it.ready = true;
        it.down = Down::Never;
        it.link = Link::Up(run);
        if peer.is_none() {
            self.unlink(replica);
        }
    }

    /// The primary a replica could get bytes from now.
    pub fn streams(&self, replica: u8) -> Option<u8> {
        let peer = self.peer(replica)?;
        let up = matches!(self.at(replica).link, Link::Up(_)) && self.at(replica).is_up();
        (up && self.at(peer).is_up() && self.talk(replica, peer)).then_some(peer)
    }

    /// A replica takes all that its primary has.
    pub fn replicate(&mut self, replica: u8) {
        let Some(peer) = self.streams(replica) else { return };
        let (data, offset) = (self.at(peer).data, self.at(peer).offset);
        let it = self.at_mut(replica);
        it.data = data;
        it.solid = data;
        it.offset = offset;
    }

    /// Writes that Q replicas have acknowledged are confirmed at once: sooner than in
    /// life, which only makes the promise harder to keep.
    pub fn confirm(&mut self) {
        let on_record = self.record.value.effective.min_replicas.max(1);
        let current = self.record.value.primary.as_ref().map(|primary| primary.who);
        for primary in self.slots() {
            let it = *self.at(primary);
            if !it.is_up() || !it.is_master() || it.data & !self.confirmed == 0 {
                continue;
            }
            // A lower W is a promise of the primary on record, not of one before.
            let own = if current == Some(self.incarnation(primary)) { 1 } else { it.min };
            let quorum = u32::from(on_record.max(own));
            for write in 0..self.written {
                let bit = 1 << write;
                if it.data & bit == 0 {
                    continue;
                }
                let has = |replica: &u8| {
                    self.streams(*replica) == Some(primary) && self.at(*replica).data & bit != 0
                };
                let acks = self.slots().filter(has).count();
                if u32::try_from(acks).unwrap_or(u32::MAX) >= quorum {
                    self.confirmed |= bit;
                }
            }
        }
    }

    /// The timer of a master counts its good replicas (fact 10).
    pub fn count_good(&mut self, slot: u8) {
        let mut good = 0;
        for replica in self.slots() {
            let alive = self.peer(replica) == Some(slot)
                && self.talk(replica, slot)
                && self.at(replica).life == Life::Up;
            if alive {
                good |= 1 << replica;
            }
        }
        let it = self.at_mut(slot);
        it.good = good;
        it.stale = false;
    }

    /// A replica's link is gone.
    pub fn unlink(&mut self, replica: u8) {
        let it = self.at_mut(replica);
        if matches!(it.link, Link::Up(_)) {
            it.link = Link::None;
            it.down = Down::Recent;
        }
    }

    /// Links to what is no longer there break, where the other end can say so.
    pub fn break_links(&mut self) {
        for replica in self.slots() {
            let Follows::Pod(slot, _) = self.at(replica).follows else { continue };
            if self.at(replica).link != Link::None && self.peer(replica).is_none() && self.talk(replica, slot)
            {
                self.unlink(replica);
            }
        }
    }

    /// An act arrives. Its expectations are looked at, then it is obeyed.
    pub fn arrive(&mut self, act: &Act) {
        if self.accepts_act(act) {
            self.obey(act.on.pod, &act.order);
        }
    }

    /// Whether run id, role and upstream are as the act expects.
    pub fn accepts_act(&self, act: &Act) -> bool {
        let it = self.at(act.on.pod);
        let run = it.is_up() && self.is_reached(act.on.pod) && self.incarnation(act.on.pod).uid == act.on.uid;
        let run = run && (it.run == act.on.run.0[1] || is_out(Rule::ActRun));
        let role = self.role(act.on.pod) == act.expect || is_out(Rule::ActRole);
        run && role
    }

    /// The role of a process as it would say.
    pub fn role(&self, slot: u8) -> Role {
        match self.at(slot).follows {
            Follows::Nobody => Role::Primary,
            Follows::Dead(epoch) => Role::Replica(Upstream::Dead(epoch)),
            Follows::Pod(slot, uid) => Role::Replica(Upstream::Address(address(slot, uid))),
        }
    }

    /// A process obeys.
    pub fn obey(&mut self, slot: u8, order: &Order) {
        // REPLICAOF is refused while loading.
        let loading = matches!(self.at(slot).link, Link::Loading(_));
        if loading && matches!(order, Order::ToDead(_) | Order::Promote | Order::Attach(_)) {
            return;
        }
        if order.kills_clients() {
            self.at_mut(slot).late = None;
        }
        if order.drops_users() {
            self.at_mut(slot).users = 0;
        }
        match order {
            Order::ToDead(epoch) => self.follow(slot, Follows::Dead(*epoch), true),
            Order::Attach(address) => {
                let (to, uid) = pod_at(*address);
                self.follow(slot, Follows::Pod(to, uid), false);
            }
            Order::Promote => self.become_master(slot),
            Order::Users { set, drop } => {
                let bits = |runs: &std::collections::BTreeSet<RunId>| {
                    runs.iter().fold(0, |bits, run| bits | user_of(run))
                };
                let it = self.at_mut(slot);
                it.users = (it.users | bits(set)) & !bits(drop);
            }
            Order::Configure(effective) => self.at_mut(slot).min = effective.min_replicas,
            Order::Pause(_) => self.at_mut(slot).paused = true,
            Order::Unpause => self.at_mut(slot).paused = false,
            Order::KickClients => {}
        }
        self.break_links();
    }

    /// Told to follow the address it follows already, it goes on as it is.
    fn follow(&mut self, slot: u8, follows: Follows, unpause: bool) {
        if self.at(slot).follows != follows {
            self.unlink(slot);
        }
        let it = self.at_mut(slot);
        if it.is_master() {
            it.down = Down::Never;
            it.good = 0;
            it.stale = false;
        }
        it.follows = follows;
        it.paused &= !unpause;
    }

    fn become_master(&mut self, slot: u8) {
        self.unlink(slot);
        let it = self.at_mut(slot);
        it.paused = false;
        if it.is_master() {
            return;
        }
        it.follows = Follows::Nobody;
        it.second = it.lineage;
        it.second_offset = it.offset;
        it.shifts = it.shifts.saturating_add(1);
        it.lineage = Lineage { slot, run: it.run, shift: it.shifts };
        it.good = 0;
        it.stale = false;
        it.ready = true;
    }

    /// An act that was on its way for long is obeyed, on the connection it came by.
    pub fn obey_late(&mut self, slot: u8) {
        let Some(late) = self.at_mut(slot).late.take() else { return };
        let order = match late {
            Late::ToDead(epoch) => Order::ToDead(epoch),
            Late::Promote => Order::Promote,
            Late::Attach(to, uid) => Order::Attach(address(to, uid)),
        };
        self.obey(slot, &order);
    }
}
