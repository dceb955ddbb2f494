//! The store beside a model of an API server, in random order of what arrives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{
    tests::{kind, object},
    *,
};

/// Names that objects may have; few, so that they meet.
const NAMES: usize = 3;

/// What comes last, so that the watch is past everything else.
const HEARTBEAT: &str = "heartbeat";

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody creates the object or changes it.
    Write(usize),
    /// Somebody deletes it.
    Delete(usize),
    /// Somebody takes its label off, or puts it back.
    Label(usize),
    /// This host writes it; the answer is on its way.
    OwnWrite(usize),
    /// This host deletes it; the answer is on its way.
    OwnDelete(usize),
    /// One of the answers that are on their way arrives.
    Answer(usize),
    /// The watch brings the next event, or the list its next object or its end.
    Arrive,
    /// The watch breaks; a list begins.
    Relist,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES;
    prop_oneof![
        3 => name.clone().prop_map(Step::Write),
        2 => name.clone().prop_map(Step::Delete),
        1 => name.clone().prop_map(Step::Label),
        3 => name.clone().prop_map(Step::OwnWrite),
        2 => name.prop_map(Step::OwnDelete),
        4 => (0usize..8).prop_map(Step::Answer),
        8 => Just(Step::Arrive),
        1 => Just(Step::Relist),
    ]
}

#[derive(Clone, Debug)]
struct Object {
    uid: String,
    version: u64,
    labelled: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Applied(String, String, u64),
    Deleted(String, String, u64),
}

impl Event {
    fn uid(&self) -> &str {
        let (Self::Applied(_, uid, _) | Self::Deleted(_, uid, _)) = self;
        uid
    }

    fn state(&self) -> Stored {
        let (Self::Applied(name, uid, version) | Self::Deleted(name, uid, version)) = self;
        object(name, uid, *version)
    }
}

#[derive(Debug)]
enum Answer {
    Written(String, String, u64),
    Removed(String, String),
}

/// The API server, what is on its way from it, and the store.
#[derive(Default)]
struct World {
    version: u64,
    uids: u64,
    objects: BTreeMap<String, Object>,
    events: VecDeque<Event>,
    listing: Option<VecDeque<Event>>,
    answers: VecDeque<Answer>,
    store: Store,
    /// Uids that the server has deleted.
    dead: BTreeSet<String>,
    /// Those that the store knows to be dead: by the last event, by the answer to a
    /// deletion, or because a list ended their stay.
    buried: BTreeSet<String>,
    /// The newest version of each uid that was ever in the view.
    seen: BTreeMap<String, u64>,
    /// How often each uid departed.
    told: BTreeMap<String, usize>,
    /// How often each uid went out of the watch's sight.
    left: BTreeMap<String, usize>,
}

impl World {
    fn write(&mut self, name: &str) -> Object {
        self.version += 1;
        if !self.objects.contains_key(name) {
            self.uids += 1;
            let uid = format!("{name}-{}", self.uids);
            self.objects.insert(name.to_owned(), Object { uid, version: 0, labelled: true });
        }
        let object = self.objects.get_mut(name).unwrap();
        object.version = self.version;
        if object.labelled {
            self.events.push_back(Event::Applied(name.to_owned(), object.uid.clone(), object.version));
        }
        object.clone()
    }

    fn delete(&mut self, name: &str) -> Option<Object> {
        let object = self.objects.remove(name)?;
        self.version += 1;
        self.dead.insert(object.uid.clone());
        if object.labelled {
            self.leaves(name, &object.uid);
        }
        Some(object)
    }

    fn leaves(&mut self, name: &str, uid: &str) {
        *self.left.entry(uid.to_owned()).or_default() += 1;
        self.events.push_back(Event::Deleted(name.to_owned(), uid.to_owned(), self.version));
    }

    fn label(&mut self, name: &str) {
        let Some(object) = self.objects.get_mut(name) else { return };
        self.version += 1;
        object.labelled = !object.labelled;
        object.version = self.version;
        let (uid, labelled) = (object.uid.clone(), object.labelled);
        if labelled {
            self.events.push_back(Event::Applied(name.to_owned(), uid, self.version));
        } else {
            self.leaves(name, &uid);
        }
    }

    fn arrive(&mut self) {
        match self.listing.as_mut().map(VecDeque::pop_front) {
            Some(Some(one)) => self.store.listed(one.state()),
            Some(None) => self.list_ends(),
            None => match self.events.pop_front() {
                Some(event @ Event::Applied(..)) => drop(self.store.watched(event.state())),
                Some(event @ Event::Deleted(..)) => {
                    self.store.deleted(event.state());
                    self.buried.extend(self.is_past(event.uid()).then(|| event.uid().to_owned()));
                }
                None => {}
            },
        }
    }

    fn list_ends(&mut self) {
        let before = self.store.owned_by("o");
        self.listing = None;
        self.store.list_ends(&kind());
        let after = self.store.owned_by("o");
        let gone = before.iter().map(|one| one.uid());
        let gone = gone.filter(|uid| self.is_past(uid) && !after.iter().any(|one| one.uid() == *uid));
        self.buried.extend(gone.map(str::to_owned).collect::<Vec<_>>());
    }

    /// Whether it is dead and the watch brings no more of it.
    fn is_past(&self, uid: &str) -> bool {
        self.dead.contains(uid) && !self.events.iter().any(|event| event.uid() == uid)
    }

    fn relist(&mut self) {
        self.store.list_begins(&kind());
        self.events.clear();
        let labelled = self.objects.iter().filter(|(_, object)| object.labelled);
        self.listing = Some(
            labelled
                .map(|(name, object)| Event::Applied(name.clone(), object.uid.clone(), object.version))
                .collect(),
        );
    }

    fn answer(&mut self, which: usize) {
        let which = which.min(self.answers.len().saturating_sub(1));
        match self.answers.remove(which) {
            Some(Answer::Written(name, uid, version)) => {
                self.store.put(object(&name, &uid, version));
            }
            Some(Answer::Removed(name, uid)) => {
                let key = ObjectKey::clone(&object(&name, &uid, 0).key);
                self.store.removed_by_us(&key, &uid);
                self.buried.insert(uid);
            }
            None => {}
        }
    }

    fn take(&mut self, step: Step) {
        let name = |number: usize| format!("object-{number}");
        match step {
            Step::Write(number) => drop(self.write(&name(number))),
            Step::Delete(number) => drop(self.delete(&name(number))),
            Step::Label(number) => self.label(&name(number)),
            Step::OwnWrite(number) => {
                let Object { uid, version, labelled } = self.write(&name(number));
                // What has no owner label is not what this host wrote.
                if labelled {
                    self.answers.push_back(Answer::Written(name(number), uid, version));
                }
            }
            Step::OwnDelete(number) => {
                let deleted = self.delete(&name(number));
                self.answers.extend(deleted.map(|object| Answer::Removed(name(number), object.uid)));
            }
            Step::Answer(which) => self.answer(which),
            Step::Arrive => self.arrive(),
            Step::Relist => self.relist(),
        }
        self.check();
    }

    fn check(&mut self) {
        let view: BTreeMap<_, _> =
            self.store.owned_by("o").iter().map(|one| (one.uid().to_owned(), one.version)).collect();
        for (uid, version) in &view {
            let before = self.seen.insert(uid.clone(), *version);
            assert!(before.is_none_or(|before| before <= *version), "{uid} went back");
            assert!(!self.buried.contains(uid), "{uid} rose from the dead");
        }
        let (departed, last) = self.store.departed("o");
        for one in departed {
            *self.told.entry(one.uid().to_owned()).or_default() += 1;
            assert!(!view.contains_key(one.uid()), "{} departed and is there", one.uid());
        }
        self.store.settle_departed("o", last);
    }

    /// Everything arrives that is on its way.
    fn catch_up(&mut self) {
        while !self.answers.is_empty() {
            self.take(Step::Answer(0));
        }
        self.write(HEARTBEAT);
        while self.listing.is_some() || !self.events.is_empty() {
            self.take(Step::Arrive);
        }
        let labelled = self.objects.values().filter(|object| object.labelled);
        let there: BTreeMap<_, _> = labelled.map(|object| (object.uid.as_str(), object.version)).collect();
        let view = self.store.owned_by("o");
        let view: BTreeMap<_, _> = view.iter().map(|one| (one.uid(), one.version)).collect();
        assert_eq!(view, there);
        for uid in self.seen.keys().filter(|uid| self.dead.contains(*uid)) {
            assert!(self.told.contains_key(uid), "{uid} departed and nobody was told");
        }
        for (uid, told) in &self.told {
            assert!(
                *told <= self.left.get(uid).copied().unwrap_or_default(),
                "{uid} was told of {told} times"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn whatever_arrives_when_the_view_never_goes_back_and_ends_as_the_server_has_it(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::default();
        world.relist();
        for step in steps {
            world.take(step);
        }
        world.catch_up();
    }
}
