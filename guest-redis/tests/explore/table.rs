//! The scenarios, in one table.

use operlet_redis::protocol::record::Record;

use crate::scenario::{Edit, NOTHING, Scenario, Start};
use crate::world::{Follows, Operator, Process, SLOTS, Shared, Want, World};

/// Two replicas, one of which must have a write.
const THREE: Scenario = NOTHING;

/// Three replicas, two of which must have a write.
const FOUR: Scenario = NOTHING.pods(4).min(2);

/// One replica, no bound.
const PAIR: Scenario = NOTHING.pods(2).min(0);

/// No replica.
const LONE: Scenario = NOTHING.pods(1).min(0);

/// A few faults of every kind.
const ALL: Scenario = THREE.any();

/// Every interleaving of a few faults, as deep as the bound on states allows. Each is
/// also explored with eager replicas, which goes deeper and sees less on the way.
pub const WIDE: &[Scenario] = &[
    ALL.named("bootstrap").start(Start::Fresh).faults(2),
    PAIR.any().named("bootstrap-pair").start(Start::Fresh).faults(2),
    LONE.any().named("bootstrap-lone").start(Start::Fresh).faults(3),
    THREE.named("crash").faults(2).crash(2).die(1).writes(1),
    THREE.named("crash-lose").faults(2).crash(1).lose(2).writes(1),
    THREE.named("crash-three").faults(3).crash(3).lose(1).writes(1),
    THREE.named("blackout").faults(2).blackout(2).writes(1),
    THREE.named("freeze").faults(2).freeze(1).crash(1).writes(2),
    THREE.named("freeze-two").faults(2).freeze(2).writes(1),
    THREE.named("cut").faults(2).cut(1).crash(1).writes(2),
    THREE.named("cut-lose").faults(2).cut(1).lose(1).writes(1),
    THREE.named("cut-two").faults(2).cut(2).writes(1),
    THREE.named("cut-odd").odd().faults(3).freeze(1).crash(1).cut(1),
    THREE.named("late").faults(2).late(1).crash(1).writes(1).die(1),
    THREE.named("late-cut").faults(2).late(1).cut(1).writes(1).die(1),
    THREE.named("late-freeze").faults(2).late(1).freeze(1).writes(1).die(1),
    THREE.named("delete").faults(2).delete(2).writes(1),
    THREE.named("delete-crash").faults(2).delete(1).crash(1).writes(1),
    THREE.named("memory-only").memory_only().faults(2).lose(2).delete(1).writes(1),
    THREE.named("disk-tail").tail_matters().faults(2).tail(1).crash(1).cut(1).blackout(1).writes(1),
    THREE.named("torn").torn().faults(2).crash(1).cut(1).writes(1),
    THREE.named("early").early().faults(2).crash(2).cut(1).writes(1),
    PAIR.named("early-pair").early().faults(2).crash(2).cut(1).writes(1),
    ALL.named("mixed").faults(2),
    ALL.named("mixed-three").faults(3).die(0),
    PAIR.any().named("pair").faults(3).writes(2),
    PAIR.any().named("pair-strict").min(1).faults(3).writes(2),
    LONE.any().named("lone").faults(3).writes(2),
    FOUR.named("four").faults(2).crash(2).lose(1).cut(1).writes(1),
    FOUR.named("four-loose").min(1).faults(2).crash(2).cut(1).writes(1),
    THREE.named("raise").edit(Edit::Min(2), 2).faults(1).crash(1).cut(1).freeze(1).writes(1),
    THREE.named("lower").min(2).edit(Edit::Min(1), 2).faults(1).crash(1).cut(1).freeze(1).writes(1),
    ALL.named("switchover").edit(Edit::Switchover(1), 2).faults(1).pings(1),
    THREE.named("roll").outdated().faults(1).crash(1).lose(1).cut(1).writes(1),
    PAIR.named("roll-pair").outdated().faults(1).crash(1).lose(1).cut(1).writes(1),
    THREE.named("scale-down").edit(Edit::Replicas(1, 0), 2).faults(1).crash(1).cut(1).lose(1).writes(1),
    THREE.named("scale-to-one").edit(Edit::Replicas(0, 0), 2).faults(1).crash(1).cut(1).lose(1).writes(1),
    THREE.named("scale-up").edit(Edit::Replicas(3, 1), 1).faults(1).crash(1).cut(1).lose(1).writes(1),
    THREE.named("hibernate").edit(Edit::Hibernate, 2).faults(1).crash(1).cut(1).lose(1).writes(1),
    ALL.named("available").available().faults(2),
    ALL.named("available-late").available().faults(3).late(2).die(0),
    THREE.named("available-tail").available().tail_matters().faults(3).tail(1).lose(1).crash(2).writes(1),
    PAIR.any().named("available-pair").available().faults(3),
    ALL.named("late-two").faults(3).late(2).die(0),
    ALL.named("never").never(0b010).faults(2),
    THREE.named("rdb").rdb().faults(2).crash(2).lose(1).cut(1).writes(2),
    THREE.named("rdb-tail").rdb().tail_matters().faults(3).tail(1).crash(2).cut(1).writes(1),
    THREE.named("full").faults(3).full(1).cut(2).writes(1),
    ALL.named("vouch").vouch(1).faults(2),
    THREE.named("forgotten").start(Start::Forgotten).faults(2).crash(1).cut(1).lose(1).writes(1),
    THREE
        .named("tail-switch")
        .tail_matters()
        .edit(Edit::Switchover(1), 1)
        .faults(3)
        .tail(1)
        .crash(2)
        .cut(1)
        .writes(1),
    THREE.named("tail-fresh").tail_matters().start(Start::Fresh).faults(3).tail(1).cut(1).crash(1).writes(2),
    THREE.named("scale-late").edit(Edit::Replicas(1, 0), 2).faults(3).late(2).cut(1).writes(1),
    THREE.named("raise-late").edit(Edit::Min(2), 2).faults(3).late(2).crash(1).cut(1).writes(1),
    THREE.named("lower-late").edit(Edit::Min(0), 2).faults(3).late(2).crash(1).cut(1).writes(1),
];

/// Small enough to be explored to the last state.
pub const WHOLE: &[Scenario] = &[
    THREE
        .eager()
        .named("whole-bootstrap")
        .start(Start::Fresh)
        .faults(1)
        .crash(1)
        .lose(1)
        .cut(1)
        .late(1)
        .writes(1),
    THREE.eager().named("whole-restored").start(Start::Restored).faults(1).crash(1).lose(1).cut(1),
    THREE.eager().named("whole-stranded").start(Start::Stranded).faults(2).crash(2).cut(1),
    THREE.eager().named("whole-skeleton").start(Start::Skeleton).faults(2).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-crash").faults(2).crash(2).writes(1),
    THREE.eager().named("whole-lose").faults(2).crash(1).lose(1).writes(1),
    THREE.eager().named("whole-tail").tail_matters().faults(2).tail(1).crash(1).writes(1),
    PAIR.named("whole-tail-pair").tail_matters().faults(2).tail(1).cut(1).crash(1).writes(1),
    THREE
        .eager()
        .named("whole-tail-switch")
        .tail_matters()
        .edit(Edit::Switchover(1), 1)
        .faults(2)
        .tail(1)
        .crash(1)
        .writes(1),
    THREE.eager().named("whole-tail-delete").tail_matters().faults(3).tail(1).delete(1).crash(1).writes(1),
    THREE
        .eager()
        .named("whole-tail-fresh")
        .tail_matters()
        .start(Start::Fresh)
        .faults(2)
        .tail(1)
        .cut(1)
        .writes(2),
    THREE.eager().named("whole-never").never(0b100).faults(2).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-rdb").rdb().faults(2).crash(2).writes(1),
    THREE.eager().named("whole-rdb-tail").rdb().tail_matters().faults(2).tail(1).crash(1).writes(1),
    THREE.named("whole-full").faults(3).full(1).cut(2),
    PAIR.named("whole-available-pair").available().faults(2).lose(1).crash(1),
    PAIR.named("whole-vouch").faults(3).vouch(1).crash(2).cut(1).writes(1),
    THREE.eager().named("whole-forgotten").start(Start::Forgotten).faults(2).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-scale-late").edit(Edit::Replicas(1, 0), 2).faults(2).late(1).cut(1).writes(1),
    THREE.eager().named("whole-raise-late").edit(Edit::Min(2), 2).faults(2).late(1).crash(1).writes(1),
    THREE.eager().named("whole-lower-late").edit(Edit::Min(0), 2).faults(2).late(1).cut(1),
    PAIR.min(1).named("whole-tail-cut").tail_matters().faults(2).tail(1).cut(1).writes(1),
    PAIR.min(1).eager().named("whole-pair-late-users").faults(3).late(1).delete(1).cut(1).writes(1),
    THREE.eager().named("whole-blackout").faults(2).blackout(2).writes(1),
    THREE.eager().named("whole-cut").faults(1).cut(1).writes(1),
    THREE.eager().named("whole-cut-two").faults(2).cut(2).writes(1),
    THREE.eager().named("whole-cut-crash").faults(2).cut(1).crash(1).writes(1),
    THREE.eager().named("whole-freeze").faults(1).freeze(1).writes(1),
    THREE.eager().named("whole-late").faults(2).late(1).cut(1).writes(1).die(1),
    THREE.eager().named("whole-late-freeze").faults(2).late(1).freeze(1).writes(1),
    THREE.eager().named("whole-late-crash").faults(2).late(1).crash(1).writes(1),
    THREE.eager().named("whole-torn").torn().faults(1).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-memory-only").memory_only().faults(2).lose(1).delete(1).writes(1),
    FOUR.eager().named("whole-four").faults(1).crash(1).cut(1).writes(1),
    FOUR.eager().named("whole-four-crash").faults(2).crash(2),
    LONE.any().named("whole-lone").faults(2),
    THREE
        .eager()
        .named("whole-pings")
        .edit(Edit::Switchover(1), 1)
        .faults(1)
        .crash(1)
        .freeze(1)
        .pings(1)
        .writes(1),
    THREE.eager().named("whole-scale-up").edit(Edit::Replicas(3, 1), 1).faults(1).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-delete").faults(1).delete(1).writes(1),
    PAIR.eager().named("whole-pair").faults(2).crash(1).cut(1).writes(1),
    PAIR.eager().named("whole-pair-late").faults(2).late(1).cut(1).crash(1).writes(1),
    PAIR.eager().named("whole-pair-freeze").faults(2).freeze(1).cut(1).crash(1).writes(1),
    PAIR.eager()
        .named("whole-pair-switch")
        .edit(Edit::Switchover(1), 1)
        .faults(2)
        .cut(1)
        .freeze(1)
        .late(1)
        .writes(1),
    THREE.eager().named("whole-raise").edit(Edit::Min(2), 1).faults(1).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-lower").min(2).edit(Edit::Min(1), 1).faults(1).crash(1).cut(1).writes(1),
    THREE
        .eager()
        .named("whole-switchover")
        .edit(Edit::Switchover(1), 1)
        .faults(1)
        .crash(1)
        .cut(1)
        .late(1)
        .writes(1),
    THREE.eager().named("whole-roll").outdated().faults(1).crash(1).writes(1),
    THREE.eager().named("whole-scale-down").edit(Edit::Replicas(1, 0), 2).faults(1).crash(1).cut(1).writes(1),
    THREE.eager().named("whole-hibernate").edit(Edit::Hibernate, 2).faults(1).crash(1),
];

/// All scenarios.
pub fn scenarios() -> Vec<Scenario> {
    let twins = WIDE.iter().map(|scenario| scenario.eager());
    WHOLE.iter().chain(WIDE).copied().chain(twins).collect()
}

/// The state a scenario begins with.
pub fn start(scenario: &Scenario) -> World {
    let mut processes = std::array::from_fn(|slot| Process::fresh(slot as u8));
    for process in processes.iter_mut().skip(usize::from(scenario.pods)) {
        process.exists = false;
        process.life = crate::world::Life::Down;
    }
    let count = match scenario.edit {
        Edit::Replicas(replicas, _) => scenario.pods.max(replicas + 1),
        _ => scenario.pods,
    };
    let fresh = World {
        processes,
        count,
        side: 0,
        dark: 0,
        written: 0,
        confirmed: 0,
        service: None,
        claims: [0; SLOTS],
        vouched: [0; SLOTS],
        want: Want { replicas: scenario.pods - 1, min: scenario.min, switchover: None, hibernated: false },
        budget: scenario.budget,
        record: Shared::new(Record::default()),
        operator: Operator::Idle,
        promised: None,
    };
    if scenario.start == Start::Fresh {
        return fresh;
    }
    let (mut world, report) =
        fresh.at_rest(scenario).unwrap_or_else(|what| panic!("{}: {what}", scenario.name));
    assert_eq!(report, None, "{}", scenario.name);
    for process in &mut world.processes {
        process.updated = !scenario.outdated;
    }
    // A write that everybody has, so that empty means lost.
    world.write(0);
    for slot in world.slots() {
        world.replicate(slot);
    }
    world.confirm();
    if scenario.start == Start::Skeleton {
        for process in &mut world.processes {
            process.named = matches!(process.follows, Follows::Pod(..));
        }
        world.record = Shared::new(Record::default());
        world.claims = [0; SLOTS];
        world.promised = None;
    }
    if scenario.start == Start::Forgotten {
        world.want.switchover = Some((100, 1));
        world = world.at_rest(scenario).unwrap_or_else(|what| panic!("{}: {what}", scenario.name)).0;
        world.record = Shared::new(Record::default());
        world.promised = None;
    }
    if matches!(scenario.start, Start::Restored | Start::Stranded) {
        lose_record(&mut world, scenario);
    }
    world
}

/// Everything restarts, and the status is gone.
fn lose_record(world: &mut World, scenario: &Scenario) {
    world.write(0);
    world.replicate(1);
    world.confirm();
    for slot in world.slots() {
        world.crash(slot, slot != 0 || scenario.start == Start::Restored, false);
        world.start(slot, scenario);
        world.at_mut(slot).booting = false;
        world.at_mut(slot).ended = 0;
    }
    world.record = Shared::new(Record::default());
    world.service = None;
    world.promised = None;
    if scenario.start == Start::Stranded {
        world.claims = [0; SLOTS];
    }
}
