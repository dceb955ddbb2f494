//! Healed, a state comes to rest: a primary that accepts writes behind the Service,
//! or `FailoverBlocked` with a reason that is true (I15).

use operlet_redis::protocol::record::Incarnation;
use operlet_redis::protocol::step::{Report, Selection, Step};

use crate::scenario::Scenario;
use crate::world::{Life, Operator, World, repl_id};

/// Reconciles until rest, at most.
const RECONCILES_MAX: usize = 120;

/// So many reconciles without an effect are rest.
const QUIET: usize = 3;

impl World {
    /// Heals, then lets operator and Redis go on without faults.
    pub fn comes_to_rest(&self, scenario: &Scenario) -> Result<(), String> {
        let (world, report) = self.at_rest(scenario)?;
        world.is_well(report.as_ref())
    }

    /// The state that it comes to.
    pub fn at_rest(&self, scenario: &Scenario) -> Result<(Self, Option<Report>), String> {
        let mut world = self.clone();
        let mut quiet = 0;
        let mut last = String::new();
        for _ in 0..RECONCILES_MAX {
            world.recover(scenario)?;
            let (busy, report, what) = world.reconcile(scenario)?;
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet >= QUIET {
                return Ok((world, report));
            }
            last = what;
        }
        Err(format!("I15: no rest; at last {last}; {}", crate::words::record(&world.record.value)))
    }

    /// All that happens of itself.
    fn recover(&mut self, scenario: &Scenario) -> Result<(), String> {
        self.heal();
        for slot in self.slots() {
            if self.at(slot).life == Life::Frozen {
                self.thaw(slot);
            }
            if self.at(slot).exists && self.at(slot).terminating {
                self.depart(slot);
            }
            if !self.at(slot).exists && slot <= self.want.replicas && !self.want.hibernated {
                self.recreate(slot, scenario);
            }
            if self.at(slot).exists && self.at(slot).life == Life::Down {
                self.start(slot, scenario);
            }
            if self.at(slot).late.is_some() {
                self.obey_late(slot);
            }
        }
        for slot in self.slots() {
            while self.loads(slot) {
                self.loaded(slot, scenario)?;
            }
            if self.can_sync(slot) {
                self.sync(slot, false);
            }
            while self.loads(slot) {
                self.loaded(slot, scenario)?;
            }
            self.replicate(slot);
        }
        self.confirm();
        self.tick();
        self.check(scenario)
    }

    /// One reconcile, with whether it did anything.
    fn reconcile(&mut self, scenario: &Scenario) -> Result<(bool, Option<Report>, String), String> {
        let mut busy = false;
        let mut what = String::new();
        // The host's own bound on rounds.
        for _ in 0..32 {
            let Some(step) = self.next_step(scenario) else {
                self.look(scenario);
                continue;
            };
            if step != Step::Look {
                what = crate::words::step(&step);
            }
            match step {
                Step::Look => self.look(scenario),
                Step::Checkpoint(record) => {
                    busy = true;
                    self.checkpoint(*record)?;
                }
                Step::Act(acts) => {
                    busy = true;
                    self.send(&acts, None)?;
                }
                Step::Prove { on, acks } => {
                    let those = self.proofs(&on, acks);
                    self.prove(&on, acks, those.first().copied().unwrap_or_default());
                }
                Step::Settle(settlement) => {
                    busy |= settlement.service != Selection::Keep || settlement.delete.is_some();
                    self.settle(&settlement)?;
                    self.confirm();
                    self.check(scenario)?;
                    return Ok((busy, settlement.report, what));
                }
            }
            self.confirm();
            self.check(scenario)?;
        }
        self.operator = Operator::Idle;
        Ok((true, None, what))
    }

    /// A writable primary, or a reason that is true.
    fn is_well(&self, report: Option<&Report>) -> Result<(), String> {
        if self.want.hibernated && self.record.value.hibernated {
            return Ok(());
        }
        if let Some(report) = report.filter(|report| report.is_blocked()) {
            return match self.is_true(report) {
                true => Ok(()),
                false => Err(format!("I15: blocked for no good reason: {report:?}")),
            };
        }
        let record = &self.record.value;
        let primary = record.primary.as_ref().map(|primary| primary.who);
        let writable = primary.is_some_and(|who| {
            self.is_alive(&who) && self.at(who.pod).accepts() && self.service == Some(who.pod)
        });
        let whole = (0..=self.want.replicas)
            .filter(|slot| primary.is_none_or(|who| who.pod != *slot))
            .all(|slot| self.streams(slot).is_some());
        match writable && whole && record.failover.is_none() {
            true => Ok(()),
            false => {
                Err(format!("I15: at rest without a primary; {report:?}; {}", crate::words::record(record)))
            }
        }
    }

    /// Whether what is said to be in the way is.
    fn is_true(&self, report: &Report) -> bool {
        let primary = self.record.value.primary.as_ref();
        let lacks = |who: &Incarnation| {
            let it = self.at(who.pod);
            primary.is_none_or(|one| one.replid != repl_id(it.lineage) || u64::from(it.offset) < one.began)
        };
        // One that was not linked in its life does not witness anything.
        let gone = |who: &Incarnation| !self.is_alive(who) || lacks(who) || !self.at(who.pod).ready;
        match report {
            Report::Unfenced { primary, .. } => !self.is_alive(primary),
            Report::TooFew { missing, .. } => {
                // Alive ones must be so without the reign's data.
                !missing.is_empty() && missing.iter().any(gone)
            }
            // The primary's own word would do: it is told.
            Report::NotProvenDead(those) => {
                primary.is_none_or(|primary| !self.is_alive(&primary.who)) && those.iter().all(gone)
            }
            Report::NeverElected(who) => self.is_alive(who),
            Report::ClaimLost(pod) => {
                self.at(*pod).data == 0 && self.slots().any(|slot| self.at(slot).data != 0)
            }
            Report::TargetSilent(who) => gone(who),
            Report::DataUnknown(pods) => pods.iter().any(|pod| self.at(*pod).data != 0),
            _ => false,
        }
    }
}
