//! Breadth first through all states; the first trace found is a shortest one.

use std::collections::VecDeque;
use std::fmt::Write;

use crate::actions::Action;
use crate::fingerprint::{Prints, fingerprint};
use crate::scenario::Scenario;
use crate::world::{Life, World};

/// What came of a search.
pub struct Outcome {
    pub states: usize,
    /// The most that happened in a trace.
    pub depth: u8,
    /// Whether there was nothing more to see.
    pub complete: bool,
    /// States that were healed and driven to rest.
    pub healed: usize,
    pub violation: Option<Violation>,
}

/// A broken invariant and how it came to that.
pub struct Violation {
    pub what: String,
    pub trace: Vec<Action>,
}

/// How a state was first reached.
#[derive(Clone, Copy)]
struct Reached {
    from: u32,
    by: Action,
    depth: u8,
}

/// Bounds of a search.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub states: usize,
    /// One state in so many is healed and driven to rest; 0 is none.
    pub heal_every: usize,
}

/// Explores a scenario.
pub fn explore(scenario: &Scenario, start: World, bounds: Bounds) -> Outcome {
    let mut seen = Prints::default();
    let mut reached = vec![Reached { from: 0, by: Action::Tick, depth: 0 }];
    seen.insert(fingerprint(&start));
    let mut frontier = VecDeque::from([(0_u32, start)]);
    let mut actions = Vec::new();
    let mut healed = 0;
    let mut complete = true;
    let mut violation = None;
    'all: while let Some((number, world)) = frontier.pop_front() {
        if bounds.heal_every > 0 && (number as usize).is_multiple_of(bounds.heal_every) {
            healed += 1;
            if let Err(what) = world.comes_to_rest(scenario) {
                violation = Some(Violation { what, trace: trace(&reached, number, None) });
                break;
            }
        }
        let level = reached[number as usize].depth;
        world.actions(scenario, &mut actions);
        for action in &actions {
            let next = match world.after(*action, scenario) {
                Ok(next) => next,
                Err(what) => {
                    violation = Some(Violation { what, trace: trace(&reached, number, Some(*action)) });
                    break 'all;
                }
            };
            if reached.len() >= bounds.states {
                complete = false;
                continue;
            }
            if seen.insert(fingerprint(&next)) {
                let id = u32::try_from(reached.len()).expect("bounded");
                reached.push(Reached { from: number, by: *action, depth: level + 1 });
                frontier.push_back((id, next));
            }
        }
    }
    let depth = reached.last().map_or(0, |last| last.depth);
    Outcome { states: reached.len(), depth, complete: complete && violation.is_none(), healed, violation }
}

fn trace(reached: &[Reached], mut number: u32, last: Option<Action>) -> Vec<Action> {
    let mut trace: Vec<Action> = last.into_iter().collect();
    while number != 0 {
        let it = reached[number as usize];
        trace.push(it.by);
        number = it.from;
    }
    trace.reverse();
    trace
}

/// The trace in words, with what the operator did.
pub fn tell(scenario: &Scenario, start: &World, violation: &Violation) -> String {
    let mut world = start.clone();
    let mut text = format!("{}: {}\n", scenario.name, violation.what);
    for action in &violation.trace {
        let step = match action {
            Action::Step | Action::StepLate(_) | Action::Prove(_) => {
                world.next_step(scenario).map(|step| crate::words::step(&step)).unwrap_or_default()
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "  {action:?} {step}");
        match world.after(*action, scenario) {
            Ok(next) => {
                if next.record.value != world.record.value {
                    let _ = writeln!(text, "      {}", crate::words::record(&next.record.value));
                }
                world = next;
            }
            Err(what) => {
                let _ = writeln!(text, "  => {what}");
            }
        }
    }
    let _ = writeln!(text, "{}", words(&world));
    text
}

/// A state in words.
fn words(world: &World) -> String {
    let mut text = format!(
        "  side {:b} dark {:b} confirmed {:b} service {:?} {}\n",
        world.side,
        world.dark,
        world.confirmed,
        world.service,
        crate::words::record(&world.record.value)
    );
    for slot in world.slots() {
        let it = world.at(slot);
        let life = if it.exists { it.life } else { Life::Down };
        let _ = writeln!(
            text,
            "  {slot}.{} {life:?} {:?} link {:?} down {:?} id {:?} offset {} data {:b} good {:b} min {} users {:x} late {:?} exists {} terminating {}",
            it.run,
            it.follows,
            it.link,
            it.down,
            it.lineage,
            it.offset,
            it.data,
            it.good,
            it.min,
            it.users,
            it.late,
            it.exists,
            it.terminating
        );
    }
    text
}
