//! What Redis does: replication, writes, and what it makes of an order. The numbers
//! are those of the facts in the specification.

use std::collections::BTreeSet;

use operlet_redis::protocol::facts::{Role, Upstream};
use operlet_redis::protocol::record::{Effective, RunId};
use operlet_redis::protocol::rules::{Rule, is_out};
use operlet_redis::protocol::step::{Act, Order};

use crate::scenario::Scenario;
use crate::world::{
    Down, Follows, Late, Life, Lineage, Link, MAX_LAG_S, World, address, pod_at, run_id, user, user_of,
};

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
            && !it.booting
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
    /// takes a new id and forgets its second one before.
    pub fn sync(&mut self, replica: u8, full: bool) {
        let Follows::Pod(slot, _) = self.at(replica).follows else { return };
        if !self.at(slot).backlog {
            let it = self.at_mut(slot);
            it.backlog = true;
            it.shifts = it.shifts.saturating_add(1);
            it.lineage = Lineage { slot, run: it.run, shift: it.shifts };
            it.second = Lineage::default();
            it.second_offset = 0;
        }
        let primary = *self.at(slot);
        let it = self.at_mut(replica);
        it.backlog = true;
        let same = it.lineage == primary.lineage && it.offset <= primary.offset;
        let before = it.lineage == primary.second && it.offset <= primary.second_offset;
        if (same || before) && !full {
            it.link = Link::Up(primary.run);
            it.down = Down::Never;
            it.ready = true;
            if it.lineage != primary.lineage {
                it.second = it.lineage;
                it.second_offset = it.offset;
                it.lineage = primary.lineage;
            }
        } else {
            // How long its link is down it goes on counting from the last one.
            it.link = Link::Transfer(primary.run);
        }
        // A first sync counts as good at the primary as well.
        self.at_mut(slot).good |= 1 << replica;
    }

    /// The file is complete: the old data goes when loading begins. An error is a
    /// broken invariant.
    fn transferred(&mut self, replica: u8, scenario: &Scenario) -> Result<(), String> {
        let peer = self.peer(replica).filter(|peer| self.talk(replica, *peer) && self.at(*peer).is_up());
        let Some(peer) = peer else {
            self.unlink(replica);
            return Ok(());
        };
        let (primary, confirmed) = (*self.at(peer), self.confirmed);
        let lossy = self.record.value.lossy.is_some();
        let it = self.at_mut(replica);
        // What was only ever on a lost primary may be lost; nothing else.
        let held = if scenario.tail { it.solid } else { it.data } & confirmed;
        let lost =
            if scenario.available { primary.data == 0 && held != 0 } else { held & !primary.data != 0 };
        // Available may give up what does not answer in time, and says so.
        if lost && !lossy {
            return Err(format!(
                "I6: {replica} holds confirmed writes and loses them by a resync from {peer}"
            ));
        }
        it.link = Link::Loading(primary.run);
        (it.data, it.solid, it.offset) = (primary.data, primary.data, primary.offset);
        it.lineage = primary.lineage;
        (it.second, it.second_offset) = (Lineage::default(), 0);
        Ok(())
    }

    /// Something is loaded: first its own disk, later a full sync.
    pub fn loaded(&mut self, replica: u8, scenario: &Scenario) -> Result<(), String> {
        match self.at(replica).link {
            _ if self.at(replica).booting => self.at_mut(replica).booting = false,
            Link::Transfer(_) => self.transferred(replica, scenario)?,
            Link::Loading(_) => self.is_loaded(replica),
            Link::None | Link::Up(_) => {}
        }
        Ok(())
    }

    /// Whether there is something to be loaded.
    pub fn loads(&self, slot: u8) -> bool {
        let it = self.at(slot);
        it.is_up() && (it.booting || matches!(it.link, Link::Transfer(_) | Link::Loading(_)))
    }

    fn is_loaded(&mut self, replica: u8) {
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
        match it.link {
            Link::Up(_) => (it.link, it.down) = (Link::None, Down::Recent),
            Link::Transfer(_) => it.link = Link::None,
            Link::None | Link::Loading(_) => {}
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
    /// Returns whether it was.
    pub fn arrive(&mut self, act: &Act) -> bool {
        self.accepts_act(act) && self.obey(act.on.pod, &act.order)
    }

    /// Whether run id, role and upstream are as the act expects.
    pub fn accepts_act(&self, act: &Act) -> bool {
        let it = self.at(act.on.pod);
        let run = it.is_up() && self.is_reached(act.on.pod) && self.incarnation(act.on.pod).uid == act.on.uid;
        let run = run && (it.run == act.on.run.0[1] || is_out(Rule::ActRun));
        let role = self.role(act.on.pod) == act.expect || is_out(Rule::ActRole);
        run && role
    }

    /// An order as it is on its way.
    pub fn on_its_way(order: &Order) -> Late {
        let bits = |runs: &BTreeSet<RunId>| runs.iter().fold(0, |bits, run| bits | user_of(run));
        match order {
            Order::ToDead(epoch) => Late::ToDead(*epoch),
            Order::Promote(effective) => Late::Promote(effective.min_replicas),
            Order::Attach(address) => {
                let (slot, uid) = pod_at(*address);
                Late::Attach(slot, uid)
            }
            Order::Users { set, drop } => Late::Users(bits(set), bits(drop)),
            Order::Configure(effective) => Late::Configure(effective.min_replicas),
            Order::Pause(_) => Late::Pause,
            Order::Unpause => Late::Unpause,
            Order::KickClients => Late::KickClients,
        }
    }

    /// The role of a process as it would say.
    pub fn role(&self, slot: u8) -> Role {
        match self.at(slot).follows {
            Follows::Nobody => Role::Primary,
            Follows::Dead(epoch) => Role::Replica(Upstream::Dead(epoch)),
            Follows::Pod(..) if self.at(slot).named => Role::Replica(Upstream::Other),
            Follows::Pod(slot, uid) => Role::Replica(Upstream::Address(address(slot, uid))),
        }
    }

    /// A process obeys, or says that it does not.
    pub fn obey(&mut self, slot: u8, order: &Order) -> bool {
        // REPLICAOF is refused while loading.
        let loading = matches!(self.at(slot).link, Link::Loading(_)) || self.at(slot).booting;
        if loading && matches!(order, Order::ToDead(_) | Order::Promote(_) | Order::Attach(_)) {
            return false;
        }
        if order.ends_older() {
            self.at_mut(slot).late = None;
        }
        if let Some(effective) = order.settings() {
            self.at_mut(slot).min = effective.min_replicas;
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
            Order::Promote(_) => self.become_master(slot),
            Order::Users { set, drop } => {
                let bits = |runs: &BTreeSet<RunId>| runs.iter().fold(0, |bits, run| bits | user_of(run));
                let it = self.at_mut(slot);
                it.users = (it.users | bits(set)) & !bits(drop);
            }
            Order::Pause(_) => self.at_mut(slot).paused = true,
            Order::Unpause => self.at_mut(slot).paused = false,
            Order::Configure(_) | Order::KickClients => {}
        }
        self.break_links();
        true
    }

    /// Told to follow the address it follows already, it goes on as it is.
    fn follow(&mut self, slot: u8, follows: Follows, unpause: bool) {
        if self.at(slot).follows != follows || self.at(slot).named {
            self.unlink(slot);
        }
        let it = self.at_mut(slot);
        it.named = false;
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
        it.named = false;
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
        let effective = |min_replicas| Effective { min_replicas, max_lag_s: MAX_LAG_S };
        let order = match late {
            Late::ToDead(epoch) => Order::ToDead(epoch),
            Late::Promote(min) => Order::Promote(effective(min)),
            Late::Attach(to, uid) => Order::Attach(address(to, uid)),
            Late::Users(set, drop) => Order::Users { set: runs(set), drop: runs(drop) },
            Late::Configure(min) => Order::Configure(effective(min)),
            Late::Pause => Order::Pause(0),
            Late::Unpause => Order::Unpause,
            Late::KickClients => Order::KickClients,
        };
        self.obey(slot, &order);
    }
}

/// The replicas that these users are for.
pub fn runs(users: u32) -> BTreeSet<RunId> {
    let all = (0..crate::world::SLOTS as u8).flat_map(|slot| (1..8).map(move |run| (slot, run)));
    all.filter(|(slot, run)| users & user(*slot, *run) != 0).map(|(slot, run)| run_id(slot, run)).collect()
}
