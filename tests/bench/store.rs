//! What it costs to hold the objects of 10,000 resources in memory: built in
//! process from those of a real one, with names, namespaces, uids and versions of
//! their own. `cargo xtask bench store`

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and one that cannot go on should stop"
)]

#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/report.rs"]
mod report;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use fixture::Fixture;
use operlet::{
    controller::store::{Store, Stored},
    model::GroupVersionKind,
};
use report::Report;

const RESOURCES: usize = 10_000;

const RESOURCES_PER_NAMESPACE: usize = 20;

const RATIO_MAX: f64 = 1.3;

const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    // Without it this is a test run, which only shows that it works.
    let resources = if std::env::args().any(|argument| argument == "--bench") { RESOURCES } else { 50 };
    let fixture = Fixture::read();
    let templates: Vec<Template> = fixture.objects().map(Template::new).collect();
    println!("{resources} resources of {} objects, {} bytes of JSON", templates.len(), fixture.json_bytes());
    let store = Store::default();
    let before = resident_bytes();
    let mut ingest = Ingest { store: &store, version: 0, took: Duration::ZERO, taken: 0 };

    ingest.list(&templates, resources);
    let filled = resident_bytes() - before;
    let listed_us = ingest.mean_us();
    let json = store.counts().json_bytes as f64;

    // Every object changes once, as it does within hours in any cluster.
    ingest.change(&templates, resources);
    let churned = resident_bytes() - before;
    let watched_us = ingest.mean_us();

    // The watch was away, and everything is listed once more.
    ingest.list(&templates, resources);
    let listed_again = resident_bytes() - before;
    assert_eq!(store.counts().objects, resources * templates.len());

    let mut report = Report::new("store");
    report.figure("mib", "memory for all objects, listed", filled / MIB);
    report.figure(
        "kib_per_resource",
        "memory for a resource and its objects",
        filled / 1024.0 / resources as f64,
    );
    report.figure("json_mib", "their JSON", json / MIB);
    report.bounded("ratio", "memory to JSON", filled / json, RATIO_MAX);
    report.figure("ratio_changed", "the same after each object changed once", churned / json);
    report.figure(
        "ratio_relisted",
        "the same after everything changed and was listed again",
        listed_again / json,
    );
    report.figure("list_us", "time to take in an object from a list, mean", listed_us);
    report.figure("watch_us", "time to take in an object from a watch, mean", watched_us);
    report.figure("objects", "objects", store.counts().objects as f64);
    report.figure("runs", "runs", 1.0);
    report.print();
}

/// The memory of this process that is backed by something.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

/// Takes objects in as the informers do, and counts only the time of that.
struct Ingest<'a> {
    store: &'a Store,
    version: u64,
    took: Duration,
    taken: u32,
}

impl Ingest<'_> {
    fn list(&mut self, templates: &[Template], resources: usize) {
        let kinds: BTreeSet<_> = templates.iter().map(|template| Arc::clone(&template.kind)).collect();
        for kind in kinds {
            self.store.list_begins(&kind);
            for resource in 0..resources {
                for template in templates.iter().filter(|template| template.kind == kind) {
                    self.take(template, resource, |store, stored| store.listed(stored));
                }
            }
            self.store.list_ends(&kind);
        }
    }

    fn change(&mut self, templates: &[Template], resources: usize) {
        for resource in 0..resources {
            for template in templates {
                self.take(template, resource, |store, stored| drop(store.watched(stored)));
            }
        }
    }

    fn take(&mut self, template: &Template, resource: usize, into: impl Fn(&Store, Stored)) {
        self.version += 1;
        let text = template.text(resource, self.version);
        let begin = Instant::now();
        into(self.store, Stored::new(&template.kind, serde_json::from_str(&text).unwrap()));
        self.took += begin.elapsed();
        self.taken += 1;
    }

    /// For an object since the last time.
    fn mean_us(&mut self) -> f64 {
        let mean = self.took.as_secs_f64() * 1e6 / f64::from(std::mem::take(&mut self.taken));
        self.took = Duration::ZERO;
        mean
    }
}

/// The text of an object with what differs from resource to resource cut out.
struct Template {
    kind: Arc<GroupVersionKind>,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Name,
    Namespace,
    Owner,
    Version,
    Uid(String),
}

impl Template {
    fn new(stored: &Stored) -> Self {
        let mut parts = vec![Part::Text(stored.json.to_string())];
        split(&mut parts, "durable", || Part::Name);
        split(&mut parts, "shop", || Part::Namespace);
        split(&mut parts, "24bd0798896bb44cae5b0b6caff5eda5", || Part::Owner);
        split(&mut parts, &stored.existing().resource_version, || Part::Version);
        while let Some(uid) = parts.iter().find_map(Part::uid) {
            split(&mut parts, &uid, || Part::Uid(uid.clone()));
        }
        Self { kind: Arc::clone(&stored.key.kind), parts }
    }

    fn text(&self, resource: usize, version: u64) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Name => write!(text, "redis-{resource:05}").unwrap(),
                Part::Namespace => write!(text, "team-{:03}", resource / RESOURCES_PER_NAMESPACE).unwrap(),
                Part::Owner => write!(text, "{resource:032x}").unwrap(),
                Part::Version => write!(text, "{version}").unwrap(),
                // Another resource has another one, and the resource's is the same in all of its objects.
                Part::Uid(uid) => write!(text, "{resource:08x}{}", uid.get(8..).unwrap()).unwrap(),
            }
        }
        text
    }
}

impl Part {
    /// The first uid in a text.
    fn uid(&self) -> Option<String> {
        let Self::Text(text) = self else { return None };
        let is_uid = |candidate: &str| {
            candidate.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        };
        let candidates = (0..text.len()).filter_map(|start| text.get(start..start + 36));
        candidates.into_iter().find(|candidate| is_uid(candidate)).map(str::to_owned)
    }
}

/// Cuts a text out of the parts wherever it stands.
fn split(parts: &mut Vec<Part>, what: &str, with: impl Fn() -> Part) {
    for part in std::mem::take(parts) {
        let Part::Text(text) = part else {
            parts.push(part);
            continue;
        };
        for (number, piece) in text.split(what).enumerate() {
            if number > 0 {
                parts.push(with());
            }
            parts.push(Part::Text(piece.to_owned()));
        }
    }
}
