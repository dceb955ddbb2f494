//! The scenarios, in one table.

use operlet_redis::protocol::record::Record;

use crate::scenario::{Edit, Scenario, Start};
use crate::world::{Budget, Operator, Process, SLOTS, Shared, Want, World};

const NONE: Budget = Budget {
    faults: 0,
    crash: 0,
    lose: 0,
    tail: 0,
    blackout: 0,
    freeze: 0,
    cut: 0,
    late: 0,
    delete: 0,
    die: 0,
    writes: 0,
    pings: 0,
    edits: 0,
};

const PLAIN: Scenario = Scenario {
    name: "",
    pods: 3,
    min: 1,
    storage: true,
    available: false,
    torn: false,
    eager: false,
    start: Start::Established,
    tail: false,
    odd: false,
    outdated: false,
    edit: Edit::Nothing,
    budget: NONE,
    default_states: 400_000,
    full_states: 3_000_000,
};

/// Four pods, two of which must have a write.
const FOUR: Scenario = Scenario { pods: 4, min: 2, ..PLAIN };

/// One replica, no bound.
const PAIR: Scenario = Scenario { pods: 2, min: 0, ..PLAIN };

const LONE: Scenario = Scenario { pods: 1, min: 0, ..PLAIN };

/// A few of every kind.
const ALL: Budget = Budget {
    crash: 2,
    lose: 1,
    blackout: 1,
    freeze: 1,
    cut: 1,
    late: 1,
    delete: 1,
    die: 1,
    writes: 1,
    ..NONE
};

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "bootstrap", start: Start::Fresh, budget: Budget { faults: 2, ..ALL }, ..PLAIN },
    Scenario { name: "bootstrap-pair", start: Start::Fresh, budget: Budget { faults: 2, ..ALL }, ..PAIR },
    Scenario { name: "bootstrap-lone", start: Start::Fresh, budget: Budget { faults: 3, ..ALL }, ..LONE },
    Scenario { name: "crash", budget: Budget { faults: 2, crash: 2, die: 1, writes: 1, ..NONE }, ..PLAIN },
    Scenario {
        name: "crash-lose",
        budget: Budget { faults: 2, crash: 1, lose: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "crash-three",
        budget: Budget { faults: 3, crash: 3, lose: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario { name: "blackout", budget: Budget { faults: 2, blackout: 2, writes: 1, ..NONE }, ..PLAIN },
    Scenario {
        name: "freeze",
        budget: Budget { faults: 2, freeze: 1, crash: 1, writes: 2, ..NONE },
        ..PLAIN
    },
    Scenario { name: "freeze-two", budget: Budget { faults: 2, freeze: 2, writes: 1, ..NONE }, ..PLAIN },
    Scenario { name: "cut", budget: Budget { faults: 2, cut: 1, crash: 1, writes: 2, ..NONE }, ..PLAIN },
    Scenario { name: "cut-lose", budget: Budget { faults: 2, cut: 1, lose: 1, writes: 1, ..NONE }, ..PLAIN },
    Scenario { name: "cut-two", budget: Budget { faults: 2, cut: 2, writes: 1, ..NONE }, ..PLAIN },
    Scenario {
        name: "late",
        budget: Budget { faults: 2, late: 1, crash: 1, writes: 1, die: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "late-cut",
        budget: Budget { faults: 2, late: 1, cut: 1, writes: 1, die: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "late-freeze",
        budget: Budget { faults: 2, late: 1, freeze: 1, writes: 1, die: 1, ..NONE },
        ..PLAIN
    },
    Scenario { name: "delete", budget: Budget { faults: 2, delete: 2, writes: 1, ..NONE }, ..PLAIN },
    Scenario {
        name: "delete-crash",
        budget: Budget { faults: 2, delete: 1, crash: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "memory-only",
        storage: false,
        budget: Budget { faults: 2, lose: 2, delete: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "torn",
        torn: true,
        budget: Budget { faults: 2, crash: 1, cut: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario { name: "mixed", budget: Budget { faults: 2, die: 1, ..ALL }, ..PLAIN },
    Scenario { name: "mixed-three", budget: Budget { faults: 3, die: 0, ..ALL }, ..PLAIN },
    Scenario { name: "pair", budget: Budget { faults: 3, writes: 2, ..ALL }, ..PAIR },
    Scenario { name: "pair-strict", min: 1, budget: Budget { faults: 3, writes: 2, ..ALL }, ..PAIR },
    Scenario { name: "lone", budget: Budget { faults: 3, writes: 2, ..ALL }, ..LONE },
    Scenario {
        name: "four",
        budget: Budget { faults: 2, crash: 2, lose: 1, cut: 1, writes: 1, ..NONE },
        ..FOUR
    },
    Scenario {
        name: "four-loose",
        min: 1,
        budget: Budget { faults: 2, crash: 2, cut: 1, writes: 1, ..NONE },
        ..FOUR
    },
    Scenario {
        name: "raise",
        edit: Edit::Min(2),
        budget: Budget { faults: 1, crash: 1, cut: 1, freeze: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lower",
        min: 2,
        edit: Edit::Min(1),
        budget: Budget { faults: 1, crash: 1, cut: 1, freeze: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "switchover",
        edit: Edit::Switchover(1),
        budget: Budget {
            faults: 1,
            crash: 1,
            lose: 1,
            cut: 1,
            freeze: 1,
            late: 1,
            die: 1,
            writes: 1,
            pings: 1,
            edits: 2,
            ..NONE
        },
        ..PLAIN
    },
    Scenario {
        name: "roll",
        outdated: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "roll-pair",
        outdated: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "scale-down",
        edit: Edit::Replicas(1, 0),
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "scale-to-one",
        edit: Edit::Replicas(0, 0),
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "scale-up",
        edit: Edit::Replicas(3, 1),
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "hibernate",
        edit: Edit::Hibernate,
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario { name: "available", available: true, budget: Budget { faults: 2, ..ALL }, ..PLAIN },
    Scenario {
        name: "lean-bootstrap",
        start: Start::Fresh,
        eager: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, late: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-restored",
        start: Start::Restored,
        eager: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-stranded",
        start: Start::Stranded,
        eager: true,
        budget: Budget { faults: 2, crash: 2, cut: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-crash",
        eager: true,
        budget: Budget { faults: 2, crash: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-lose",
        eager: true,
        budget: Budget { faults: 2, crash: 1, lose: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-tail",
        tail: true,
        eager: true,
        budget: Budget { faults: 2, crash: 1, tail: 1, cut: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-tail-pair",
        tail: true,
        budget: Budget { faults: 2, tail: 1, cut: 1, crash: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "lean-tail-blackout",
        tail: true,
        budget: Budget { faults: 2, tail: 1, blackout: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-blackout",
        eager: true,
        budget: Budget { faults: 2, blackout: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-cut",
        eager: true,
        budget: Budget { faults: 1, cut: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-cut-two",
        eager: true,
        budget: Budget { faults: 2, cut: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-cut-crash",
        eager: true,
        budget: Budget { faults: 2, cut: 1, crash: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-freeze",
        eager: true,
        budget: Budget { faults: 1, freeze: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-odd",
        eager: true,
        odd: true,
        budget: Budget { faults: 3, freeze: 1, crash: 1, cut: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-late",
        eager: true,
        budget: Budget { faults: 2, late: 1, cut: 1, writes: 1, die: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-late-freeze",
        eager: true,
        budget: Budget { faults: 2, late: 1, freeze: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-late-crash",
        eager: true,
        budget: Budget { faults: 2, late: 1, crash: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-delete",
        eager: true,
        budget: Budget { faults: 1, delete: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-pair",
        eager: true,
        budget: Budget { faults: 2, crash: 1, cut: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "lean-pair-late",
        eager: true,
        budget: Budget { faults: 2, late: 1, cut: 1, crash: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "lean-pair-freeze",
        eager: true,
        budget: Budget { faults: 2, freeze: 1, cut: 1, crash: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "lean-raise",
        edit: Edit::Min(2),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, writes: 1, edits: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-lower",
        min: 2,
        edit: Edit::Min(1),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, writes: 1, edits: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-switchover",
        edit: Edit::Switchover(1),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, late: 1, writes: 1, edits: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-roll",
        outdated: true,
        eager: true,
        budget: Budget { faults: 1, crash: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-scale-down",
        edit: Edit::Replicas(1, 0),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lean-hibernate",
        edit: Edit::Hibernate,
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "bootstrap/eager",
        start: Start::Fresh,
        eager: true,
        budget: Budget { faults: 2, ..ALL },
        ..PLAIN
    },
    Scenario {
        name: "bootstrap-pair/eager",
        start: Start::Fresh,
        eager: true,
        budget: Budget { faults: 2, ..ALL },
        ..PAIR
    },
    Scenario {
        name: "crash/eager",
        eager: true,
        budget: Budget { faults: 2, crash: 2, die: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "crash-lose/eager",
        eager: true,
        budget: Budget { faults: 2, crash: 1, lose: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "crash-three/eager",
        eager: true,
        budget: Budget { faults: 3, crash: 3, lose: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "blackout/eager",
        eager: true,
        budget: Budget { faults: 2, blackout: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "freeze/eager",
        eager: true,
        budget: Budget { faults: 2, freeze: 1, crash: 1, writes: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "freeze-two/eager",
        eager: true,
        budget: Budget { faults: 2, freeze: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "cut/eager",
        eager: true,
        budget: Budget { faults: 2, cut: 1, crash: 1, writes: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "cut-lose/eager",
        eager: true,
        budget: Budget { faults: 2, cut: 1, lose: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "cut-two/eager",
        eager: true,
        budget: Budget { faults: 2, cut: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "late-freeze/eager",
        eager: true,
        budget: Budget { faults: 2, late: 1, freeze: 1, writes: 1, die: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "delete/eager",
        eager: true,
        budget: Budget { faults: 2, delete: 2, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "delete-crash/eager",
        eager: true,
        budget: Budget { faults: 2, delete: 1, crash: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "memory-only/eager",
        storage: false,
        eager: true,
        budget: Budget { faults: 2, lose: 2, delete: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario { name: "mixed/eager", eager: true, budget: Budget { faults: 2, die: 1, ..ALL }, ..PLAIN },
    Scenario { name: "mixed-three/eager", eager: true, budget: Budget { faults: 3, die: 0, ..ALL }, ..PLAIN },
    Scenario { name: "pair/eager", eager: true, budget: Budget { faults: 3, writes: 2, ..ALL }, ..PAIR },
    Scenario {
        name: "pair-strict/eager",
        min: 1,
        eager: true,
        budget: Budget { faults: 3, writes: 2, ..ALL },
        ..PAIR
    },
    Scenario {
        name: "four/eager",
        eager: true,
        budget: Budget { faults: 2, crash: 2, lose: 1, cut: 1, writes: 1, ..NONE },
        ..FOUR
    },
    Scenario {
        name: "four-loose/eager",
        min: 1,
        eager: true,
        budget: Budget { faults: 2, crash: 2, cut: 1, writes: 1, ..NONE },
        ..FOUR
    },
    Scenario {
        name: "raise/eager",
        edit: Edit::Min(2),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, freeze: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "lower/eager",
        min: 2,
        edit: Edit::Min(1),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, freeze: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "switchover/eager",
        edit: Edit::Switchover(1),
        eager: true,
        budget: Budget {
            faults: 1,
            crash: 1,
            lose: 1,
            cut: 1,
            freeze: 1,
            late: 1,
            die: 1,
            writes: 1,
            pings: 1,
            edits: 2,
            ..NONE
        },
        ..PLAIN
    },
    Scenario {
        name: "roll/eager",
        outdated: true,
        eager: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, writes: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "roll-pair/eager",
        outdated: true,
        eager: true,
        budget: Budget { faults: 1, crash: 1, lose: 1, cut: 1, writes: 1, ..NONE },
        ..PAIR
    },
    Scenario {
        name: "scale-down/eager",
        edit: Edit::Replicas(1, 0),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "scale-to-one/eager",
        edit: Edit::Replicas(0, 0),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "scale-up/eager",
        edit: Edit::Replicas(3, 1),
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 1, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "hibernate/eager",
        edit: Edit::Hibernate,
        eager: true,
        budget: Budget { faults: 1, crash: 1, cut: 1, lose: 1, writes: 1, edits: 2, ..NONE },
        ..PLAIN
    },
    Scenario {
        name: "available/eager",
        available: true,
        eager: true,
        budget: Budget { faults: 2, ..ALL },
        ..PLAIN
    },
];

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
        world.start(slot);
        world.at_mut(slot).ended = 0;
    }
    world.record = Shared::new(Record::default());
    world.service = None;
    world.promised = None;
    if scenario.start == Start::Stranded {
        world.claims = [0; SLOTS];
    }
}
