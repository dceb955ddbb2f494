//! What is mounted in a pod's containers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{super::text, Tools};
use crate::{
    api::{Place, State},
    world::Volume,
};

/// How long it takes at most until files follow what they are made from.
const REFRESH: Duration = Duration::from_secs(90);

/// The volumes of a pod, by name.
#[derive(Debug, Default)]
pub(super) struct Volumes(BTreeMap<String, Mounted>);

#[derive(Debug)]
struct Mounted {
    volume: Volume,
    source: Source,
    /// The files that were made from objects.
    files: BTreeSet<String>,
    /// What the objects were when that was done.
    versions: Vec<u64>,
    /// When that is done the next time.
    refresh: Option<Duration>,
}

#[derive(Debug)]
enum Source {
    /// Objects that become files.
    Objects(Vec<Part>),
    /// In memory it does not outlive the power.
    Empty {
        in_memory: bool,
    },
    Claim,
}

/// A ConfigMap or a Secret.
#[derive(Debug)]
struct Part {
    place: Place,
    /// Keys, and the files that they become, if not all do.
    items: Option<Vec<(String, String)>>,
    optional: bool,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Volumes {
    /// The volumes of a pod, if all is there that it wants.
    pub(super) fn find(state: &State, pod: &Value, namespace: &str, tools: &mut Tools) -> Option<Self> {
        let mut found = BTreeMap::new();
        for volume in pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten() {
            let mut mounted = match volume.pointer("/persistentVolumeClaim/claimName") {
                Some(claim) => claimed(state, namespace, claim.as_str().unwrap_or_default(), tools)?,
                None => Mounted::new(Volume::default(), source(volume, namespace)),
            };
            if !mounted.write(state) {
                return None;
            }
            found.insert(text(volume, "name").to_owned(), mounted);
        }
        Some(Self(found))
    }

    /// What a container mounts, by path.
    pub(super) fn mounts(&self, container: &Value) -> BTreeMap<String, Volume> {
        let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
        mounts
            .filter_map(|mount| {
                let mounted = self.0.get(text(mount, "name"))?;
                Some((text(mount, "mountPath").to_owned(), mounted.volume.clone()))
            })
            .collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Volume> {
        self.0.get(name).map(|mounted| &mounted.volume)
    }

    /// Takes note of what has changed in the API.
    pub(super) fn look(&mut self, state: &State, tools: &mut Tools) {
        for mounted in self.0.values_mut() {
            if let Source::Objects(parts) = &mounted.source
                && mounted.refresh.is_none()
                && versions(parts, state) != mounted.versions
            {
                let least = Duration::from_secs(1);
                mounted.refresh = Some(tools.now + tools.chance.between(least, REFRESH));
            }
        }
    }

    /// Lets files follow for which it is time.
    pub(super) fn step(&mut self, state: &State, now: Duration) {
        for mounted in self.0.values_mut().filter(|mounted| mounted.refresh.is_some_and(|at| at <= now)) {
            mounted.refresh = None;
            mounted.write(state);
        }
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.0.values().filter_map(|mounted| mounted.refresh).min()
    }

    /// What was not written for good is lost.
    pub(super) fn cut_power(&self) {
        for mounted in self.0.values() {
            match mounted.source {
                Source::Empty { in_memory: true } => mounted.volume.clear(),
                Source::Empty { in_memory: false } | Source::Claim => mounted.volume.cut_power(),
                Source::Objects(_) => {}
            }
        }
    }
}

impl Mounted {
    fn new(volume: Volume, source: Source) -> Self {
        Self { volume, source, files: BTreeSet::new(), versions: Vec::new(), refresh: None }
    }

    /// Writes what the objects say, if all of them are there.
    fn write(&mut self, state: &State) -> bool {
        let Source::Objects(parts) = &self.source else { return true };
        let mut files = Files::new();
        for part in parts {
            match part.read(state) {
                Some(read) => files.extend(read),
                None => return false,
            }
        }
        self.versions = versions(parts, state);
        for name in &self.files {
            if !files.contains_key(name) {
                self.volume.remove(name);
            }
        }
        self.files = files.keys().cloned().collect();
        for (name, bytes) in files {
            self.volume.write(&name, bytes);
        }
        true
    }
}

impl Part {
    fn new(kind: &str, source: &Value, namespace: &str) -> Self {
        let (plural, name) = match kind {
            "secret" if source.get("secretName").is_some() => ("secrets", text(source, "secretName")),
            "secret" => ("secrets", text(source, "name")),
            _ => ("configmaps", text(source, "name")),
        };
        let item = |item: &Value| (text(item, "key").to_owned(), text(item, "path").to_owned());
        Self {
            place: Place {
                group: String::new(),
                plural: plural.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
            items: source
                .get("items")
                .and_then(Value::as_array)
                .map(|items| items.iter().map(item).collect()),
            optional: source.get("optional") == Some(&Value::Bool(true)),
        }
    }

    /// The files that it becomes; nothing if it is not there, or a key is not.
    fn read(&self, state: &State) -> Option<Files> {
        let Some(object) = state.store.get(&self.place) else {
            return self.optional.then(Files::new);
        };
        let entries = |field: &str| {
            let data = object.value.get(field).and_then(Value::as_object).into_iter().flatten();
            data.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        };
        let decoded = |value: String| STANDARD.decode(value).unwrap_or_default();
        let mut all: Files = if self.place.plural == "secrets" {
            entries("data").map(|(key, value)| (key, decoded(value))).collect()
        } else {
            let encoded = entries("binaryData").map(|(key, value)| (key, decoded(value)));
            entries("data").map(|(key, value)| (key, value.into_bytes())).chain(encoded).collect()
        };
        let Some(items) = &self.items else { return Some(all) };
        let mut chosen = Files::new();
        for (key, path) in items {
            match all.remove(key) {
                Some(bytes) => drop(chosen.insert(path.clone(), bytes)),
                None if self.optional => {}
                None => return None,
            }
        }
        Some(chosen)
    }
}

/// What a volume is made from that no claim is for.
fn source(volume: &Value, namespace: &str) -> Source {
    for kind in ["configMap", "secret"] {
        if let Some(source) = volume.get(kind) {
            return Source::Objects(vec![Part::new(kind, source, namespace)]);
        }
    }
    if let Some(sources) = volume.pointer("/projected/sources").and_then(Value::as_array) {
        let part = |source: &Value| {
            let kind = ["configMap", "secret"].into_iter().find(|kind| source.get(kind).is_some())?;
            Some(Part::new(kind, source.get(kind)?, namespace))
        };
        return Source::Objects(sources.iter().filter_map(part).collect());
    }
    let in_memory = volume.pointer("/emptyDir/medium").is_some_and(|medium| medium == "Memory");
    Source::Empty { in_memory }
}

fn claimed(state: &State, namespace: &str, name: &str, tools: &mut Tools) -> Option<Mounted> {
    let mut claims = state.store.list("", "persistentvolumeclaims", Some(namespace));
    let (_, claim) = claims.find(|(place, _)| place.name == name)?;
    if claim.text("/status/phase") != "Bound" {
        return None;
    }
    let volume = tools.claims.entry(claim.text("/metadata/uid").to_owned()).or_default();
    Some(Mounted::new(volume.clone(), Source::Claim))
}

fn versions(parts: &[Part], state: &State) -> Vec<u64> {
    parts.iter().map(|part| state.store.get(&part.place).map_or(0, |object| object.version)).collect()
}
