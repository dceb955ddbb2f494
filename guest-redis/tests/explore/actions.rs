//! Everything that can happen in a state.

use operlet_redis::protocol::step::Step;

use crate::scenario::{Edit, Scenario};
use crate::world::{Budget, Life, Operator, World};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The operator looks.
    Look,
    /// It looks, and dies after so many checkpoints.
    LookAndDie(u8),
    /// The operator does its next step.
    Step,
    /// It does, and one of its acts is late.
    StepLate(u8),
    /// It has a proof of acks, from these.
    Prove(u8),
    OperatorDies,
    Sync(u8),
    FullSync(u8),
    Vouch(u8),
    Loaded(u8),
    Replicate(u8),
    Write(u8),
    Ping(u8),
    Tick,
    CountGood(u8),
    Start(u8),
    Thaw(u8),
    /// The liveness probe kills a frozen process.
    Kill(u8),
    Depart(u8),
    Recreate(u8),
    Heal,
    LateArrives(u8),
    Crash(u8),
    Lose(u8),
    Blackout(u8),
    Freeze(u8),
    /// The node loses the others.
    CutPeers(u8),
    /// The operator loses the node.
    CutOperator(u8),
    /// Both.
    CutAll(u8),
    /// The node and the operator lose all others.
    CutRest(u8),
    /// The first node loses the others, the operator the second.
    CutOdd(u8, u8),
    /// The process dies, and its disk lacks its last second.
    Tail(u8),
    Delete(u8),
    EditResource,
}

/// Takes one from a kind of fault and from all of them.
fn spend(budget: &Budget, kind: impl Fn(&mut Budget) -> &mut u8) -> Option<Budget> {
    let mut rest = *budget;
    rest.faults = rest.faults.checked_sub(1)?;
    let left = kind(&mut rest);
    *left = left.checked_sub(1)?;
    Some(rest)
}

impl World {
    /// What can happen here.
    pub fn actions(&self, scenario: &Scenario, actions: &mut Vec<Action>) {
        actions.clear();
        self.operator_actions(scenario, actions);
        for slot in self.slots() {
            self.own_actions(slot, actions);
            self.faults(slot, scenario, actions);
        }
        actions.push(Action::Tick);
        if self.side != 0 || self.dark != 0 {
            actions.push(Action::Heal);
        }
        if scenario.edit != Edit::Nothing && self.budget.edits > 0 {
            actions.push(Action::EditResource);
        }
    }

    fn operator_actions(&self, scenario: &Scenario, actions: &mut Vec<Action>) {
        match self.next_step(scenario) {
            None | Some(Step::Look) => {
                actions.push(Action::Look);
                if self.budget.die > 0 && !scenario.torn {
                    let mut ahead = self.clone();
                    ahead.look(scenario);
                    let checkpoints = ahead.go_on(scenario, u8::MAX).unwrap_or(1);
                    actions.extend((1..checkpoints).map(Action::LookAndDie));
                }
            }
            Some(Step::Act(acts)) => {
                actions.push(Action::Step);
                if self.budget.late > 0 && self.budget.faults > 0 {
                    let late = (0_u8..).zip(&acts);
                    let late = late.filter(|(_, act)| self.accepts_act(act));
                    actions.extend(late.map(|(number, _)| Action::StepLate(number)));
                }
            }
            Some(Step::Prove { on, acks }) => {
                actions.extend(self.proofs(&on, acks).into_iter().map(Action::Prove));
            }
            Some(Step::Checkpoint(_) | Step::Settle(_)) => actions.push(Action::Step),
        }
        if !matches!(self.operator, Operator::Idle) && self.budget.die > 0 {
            actions.push(Action::OperatorDies);
        }
    }

    /// What a pod does of itself.
    fn own_actions(&self, slot: u8, actions: &mut Vec<Action>) {
        let it = self.at(slot);
        if self.can_sync(slot) {
            actions.push(Action::Sync(slot));
            if self.budget.full > 0 && self.budget.faults > 0 {
                actions.push(Action::FullSync(slot));
            }
        }
        if self.budget.vouch > 0 && it.life == Life::Down && self.vouched[usize::from(slot)] != it.uid {
            actions.push(Action::Vouch(slot));
        }
        if self.loads(slot) {
            actions.push(Action::Loaded(slot));
        }
        if let Some(peer) = self.streams(slot)
            && self.at(peer).offset != it.offset
        {
            actions.push(Action::Replicate(slot));
        }
        if it.accepts() && !it.paused {
            if self.budget.writes > 0 {
                actions.push(Action::Write(slot));
            }
            if self.budget.pings > 0 {
                actions.push(Action::Ping(slot));
            }
        }
        if it.is_up() && it.stale {
            actions.push(Action::CountGood(slot));
        }
        if it.is_up() && it.late.is_some() {
            actions.push(Action::LateArrives(slot));
        }
        match it.life {
            Life::Down if it.exists && !it.terminating => actions.push(Action::Start(slot)),
            Life::Frozen => actions.extend([Action::Thaw(slot), Action::Kill(slot)]),
            _ => {}
        }
        if it.exists && it.terminating {
            actions.push(Action::Depart(slot));
        }
        let held = self.want.replicas + 1;
        if !it.exists && slot < held && !(self.record.value.hibernated && self.want.hibernated) {
            actions.push(Action::Recreate(slot));
        }
    }

    fn faults(&self, slot: u8, scenario: &Scenario, actions: &mut Vec<Action>) {
        let (it, budget) = (self.at(slot), &self.budget);
        if budget.faults == 0 || !it.exists {
            return;
        }
        if it.life == Life::Up {
            let kinds = [
                (budget.crash, Action::Crash(slot)),
                (budget.lose, Action::Lose(slot)),
                (budget.tail, Action::Tail(slot)),
                (budget.blackout, Action::Blackout(slot)),
                (budget.freeze, Action::Freeze(slot)),
            ];
            actions.extend(kinds.iter().filter(|(left, _)| *left > 0).map(|(_, action)| *action));
        }
        if budget.cut > 0 && self.side == 0 && self.dark == 0 {
            actions.extend([Action::CutPeers(slot), Action::CutOperator(slot), Action::CutAll(slot)]);
            actions.push(Action::CutRest(slot));
            if scenario.odd {
                let others = self.slots().filter(|other| *other != slot);
                actions.extend(others.map(|other| Action::CutOdd(slot, other)));
            }
        }
        if budget.delete > 0 && !it.terminating {
            actions.push(Action::Delete(slot));
        }
    }

    /// The state after it. An error is a broken invariant.
    pub fn after(&self, action: Action, scenario: &Scenario) -> Result<Self, String> {
        let mut next = self.clone();
        let paid = |kind: fn(&mut Budget) -> &mut u8| spend(&self.budget, kind).unwrap_or(self.budget);
        match action {
            Action::Look => {
                next.look(scenario);
                next.go_on(scenario, u8::MAX)?;
            }
            Action::LookAndDie(checkpoints) => {
                next.look(scenario);
                next.go_on(scenario, checkpoints)?;
                next.budget.die -= 1;
                next.operator = Operator::Idle;
            }
            Action::Step => {
                next.do_step(scenario, None)?;
                next.go_on(scenario, u8::MAX)?;
            }
            Action::StepLate(number) => {
                next.budget = paid(|budget| &mut budget.late);
                next.do_step(scenario, Some(usize::from(number)))?;
            }
            Action::Prove(those) => {
                if let Some(Step::Prove { on, acks }) = self.next_step(scenario) {
                    next.prove(&on, acks, those);
                    next.go_on(scenario, u8::MAX)?;
                }
            }
            Action::OperatorDies => {
                next.budget.die -= 1;
                next.operator = Operator::Idle;
            }
            Action::Sync(slot) => next.sync(slot, false),
            Action::FullSync(slot) => {
                next.budget = paid(|budget| &mut budget.full);
                next.sync(slot, true);
            }
            Action::Vouch(slot) => {
                next.budget.vouch -= 1;
                next.vouched[usize::from(slot)] = next.at(slot).uid;
            }
            Action::Loaded(slot) => next.loaded(slot, scenario)?,
            Action::Replicate(slot) => next.replicate(slot),
            Action::Write(slot) => {
                next.budget.writes -= 1;
                next.write(slot);
            }
            Action::Ping(slot) => {
                next.budget.pings -= 1;
                next.at_mut(slot).offset += 1;
            }
            Action::Tick => next.tick(),
            Action::CountGood(slot) => next.count_good(slot),
            Action::Start(slot) => next.start(slot, scenario),
            Action::Thaw(slot) => next.thaw(slot),
            Action::Kill(slot) => next.crash(slot, true, true),
            Action::Depart(slot) => next.depart(slot),
            Action::Recreate(slot) => next.recreate(slot, scenario),
            Action::Heal => next.heal(),
            Action::LateArrives(slot) => next.obey_late(slot),
            Action::Crash(slot) => {
                next.budget = paid(|budget| &mut budget.crash);
                next.crash(slot, true, true);
            }
            Action::Lose(slot) => {
                next.budget = paid(|budget| &mut budget.lose);
                next.crash(slot, false, true);
            }
            Action::Blackout(slot) => {
                next.budget = paid(|budget| &mut budget.blackout);
                next.crash(slot, true, false);
            }
            Action::Freeze(slot) => {
                next.budget = paid(|budget| &mut budget.freeze);
                next.freeze(slot);
            }
            Action::CutPeers(slot) => {
                next.budget = paid(|budget| &mut budget.cut);
                next.side = 1 << slot;
            }
            Action::CutOperator(slot) => {
                next.budget = paid(|budget| &mut budget.cut);
                next.dark = 1 << slot;
            }
            Action::CutAll(slot) => {
                next.budget = paid(|budget| &mut budget.cut);
                next.side = 1 << slot;
                next.dark = 1 << slot;
            }
            Action::CutRest(slot) => {
                next.budget = paid(|budget| &mut budget.cut);
                next.side = 1 << slot;
                next.dark = !(1 << slot) & ((1 << self.count) - 1);
            }
            Action::CutOdd(slot, other) => {
                next.budget = paid(|budget| &mut budget.cut);
                next.side = 1 << slot;
                next.dark = 1 << other;
            }
            Action::Tail(slot) => {
                next.budget = paid(|budget| &mut budget.tail);
                next.crash(slot, true, true);
                let it = next.at_mut(slot);
                let lost = (it.data & !1).count_ones();
                it.offset -= u8::try_from(lost).unwrap_or_default().min(it.offset);
                it.data &= 1;
            }
            Action::Delete(slot) => {
                next.budget = paid(|budget| &mut budget.delete);
                next.at_mut(slot).terminating = true;
            }
            Action::EditResource => {
                next.budget.edits -= 1;
                next.edit(scenario);
            }
        }
        next.confirm();
        if scenario.eager {
            next.hurry(scenario)?;
        }
        next.check(scenario)?;
        Ok(next)
    }

    /// What touches nothing that the world looks at is done at once: a checkpoint or
    /// the Service's selection now or later makes the same state. What is said to
    /// processes, deleted, or changes what a confirmation is, is a step of its own.
    /// Returns how many checkpoints there were.
    fn go_on(&mut self, scenario: &Scenario, checkpoints: u8) -> Result<u8, String> {
        let mut made = 0;
        loop {
            match self.next_step(scenario) {
                Some(Step::Checkpoint(record)) if record.effective == self.record.value.effective => {
                    self.checkpoint(*record)?;
                    made += 1;
                    if made == checkpoints {
                        return Ok(made);
                    }
                }
                Some(Step::Settle(settlement))
                    if settlement.delete.is_none()
                        && self.slots().all(|slot| {
                            settlement.pods.is_none_or(|pods| slot < pods) || !self.at(slot).exists
                        }) =>
                {
                    self.settle(&settlement)?;
                    return Ok(made);
                }
                _ => return Ok(made),
            }
        }
    }

    /// Replicas link and load at once: fewer states, so that longer traces are seen.
    fn hurry(&mut self, scenario: &Scenario) -> Result<(), String> {
        for slot in self.slots() {
            if self.at(slot).booting {
                self.loaded(slot, scenario)?;
            }
            // Where a full sync matters its stages do.
            if scenario.budget.full > 0 {
                continue;
            }
            if self.can_sync(slot) {
                self.sync(slot, false);
                self.replicate(slot);
            }
            while self.loads(slot) {
                self.loaded(slot, scenario)?;
            }
        }
        self.confirm();
        Ok(())
    }

    fn do_step(&mut self, scenario: &Scenario, late: Option<usize>) -> Result<(), String> {
        match self.next_step(scenario) {
            None | Some(Step::Look | Step::Prove { .. }) => Ok(()),
            Some(Step::Checkpoint(record)) => self.checkpoint(*record),
            Some(Step::Act(acts)) => self.send(&acts, late),
            Some(Step::Settle(settlement)) => self.settle(&settlement),
        }
    }

    /// The resource is changed, and the second time back.
    fn edit(&mut self, scenario: &Scenario) {
        let want = &mut self.want;
        match scenario.edit {
            Edit::Nothing => {}
            Edit::Min(min) => want.min = if want.min == min { scenario.min } else { min },
            Edit::Switchover(pod) => want.switchover = Some((self.budget.edits + 1, pod)),
            Edit::Replicas(replicas, min) => {
                let first = want.replicas != replicas;
                want.replicas = if first { replicas } else { scenario.pods - 1 };
                want.min = if first { min } else { scenario.min };
            }
            Edit::Hibernate => want.hibernated = !want.hibernated,
        }
        self.operator = Operator::Idle;
    }
}
