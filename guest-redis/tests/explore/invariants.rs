//! What must hold in every state.

use operlet_redis::protocol::record::Phase;

use crate::scenario::{Scenario, Start};
use crate::world::World;

impl World {
    /// I4 and I13. The others are checked where something is done.
    pub fn check(&self, scenario: &Scenario) -> Result<(), String> {
        if scenario.available {
            return Ok(());
        }
        self.at_most_one_accepts()?;
        self.confirmed_writes_survive(scenario)
    }

    /// I4, but for what a primary that was frozen may answer until its timer runs.
    fn at_most_one_accepts(&self) -> Result<(), String> {
        let accepting = self.slots().filter(|slot| {
            let it = self.at(*slot);
            it.accepts() && !(it.stale && it.min > 0)
        });
        let accepting: Vec<u8> = accepting.collect();
        if accepting.len() > 1 {
            return Err(format!("I4: {accepting:?} accept writes"));
        }
        Ok(())
    }

    /// I13: the primary on record holds every confirmed write that anybody holds. What
    /// nobody holds any more is beyond any quorum.
    fn confirmed_writes_survive(&self, scenario: &Scenario) -> Result<(), String> {
        let record = &self.record.value;
        let Some(primary) = record.primary.as_ref().map(|primary| primary.who) else { return Ok(()) };
        if matches!(record.phase(), Some(Phase::Fence | Phase::Promote)) || !self.is_alive(&primary) {
            return Ok(());
        }
        let it = self.at(primary.pod);
        // Where disks keep all, nothing that was confirmed is beyond anything.
        let given = &scenario.budget;
        let durable =
            scenario.storage && given.lose == 0 && given.tail == 0 && scenario.start != Start::Stranded;
        // A pod that was scaled away holds nothing any more, whatever is on its claim.
        // Where disks may lack their last second, only memory is sure.
        let sure = |slot: u8| if scenario.tail { self.at(slot).solid } else { self.at(slot).data };
        let held = (0..=self.want.replicas).fold(0, |held, slot| held | sure(slot));
        let lost = self.confirmed & !it.data & if durable { u8::MAX } else { held };
        if it.is_master() && lost != 0 {
            return Err(format!("I13: the primary {} lacks confirmed writes {lost:b}", primary.pod));
        }
        Ok(())
    }
}
