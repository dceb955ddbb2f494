//! Gathers what a component is shown of a resource.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::{
    breaker::Cause,
    memory::Memory,
    runtime::{Live, Runtime},
    store::Stored,
};
use crate::{
    model::{GroupVersionKind, ObjectKey, ObjectsOfKind, Observation, Owner, ResourceKind},
    plan::{Existing, Fingerprint, is_earlier_self},
};

/// What is known of a resource at the start of a reconcile; nothing of it changes
/// until the end, but for the resource itself where a status is put on record.
pub(super) struct Observed {
    pub(super) resource: Arc<Stored>,
    pub(super) owner: Owner,
    /// Everything with the owner label, for the planner.
    pub(super) existing: BTreeMap<ObjectKey, Existing>,
    pub(super) observation: Observation,
    /// The last of what has departed.
    pub(super) departed_up_to: u64,
    /// The hash of the input without what this host wrote itself.
    pub(super) foreign: Fingerprint,
    /// Whether a status was put on record since.
    pub(super) moved: bool,
    owned: Vec<Arc<Stored>>,
    /// The hash of the component, its terms and the probes.
    surroundings: Sha256,
}

impl Observed {
    /// The hash of what a decision depends on, time, chance and reads aside.
    pub(super) fn input(&self) -> Fingerprint {
        let mut hash = self.surroundings.clone();
        for stored in &self.owned {
            hash.update(stored.seen);
        }
        hash.chain_update(self.resource.seen).finalize().into()
    }

    /// The same without the resource's own status, which a failure changes.
    pub(super) fn cause(&self) -> Fingerprint {
        let mut hash = self.surroundings.clone();
        for stored in &self.owned {
            hash.update(stored.seen);
        }
        hash.chain_update(self.resource.content).finalize().into()
    }

    /// What the loop breaker wants to know of it.
    pub(super) fn why(&self) -> Cause {
        Cause { generation: self.resource.generation(), foreign: self.foreign }
    }

    /// The resource is now this: a status was put on record.
    pub(super) fn moves_on(&mut self, resource: Arc<Stored>) {
        self.observation.resource = Arc::clone(&resource.json);
        self.resource = resource;
        self.moved = true;
    }
}

/// The hash of what a decision depends on without what this host wrote itself, as
/// far as that is known at the start of a reconcile.
fn foreign(surroundings: &Sha256, objects: &[&Arc<Stored>], memory: &Memory) -> Fingerprint {
    let mut hash = surroundings.clone();
    for stored in objects {
        let left_at = memory.own_versions.get(&stored.key).map(String::as_str);
        if left_at == Some(stored.resource_version()) {
            hash.update(stored.uid().as_bytes());
        } else {
            hash.update(stored.seen);
        }
    }
    hash.finalize().into()
}

/// Gathers what the component is shown; fails only if the operating system has no
/// random bytes.
pub(super) fn observe(
    runtime: &Runtime,
    live: &Live,
    resource: Arc<Stored>,
    memory: &Memory,
) -> Result<Observed, getrandom::Error> {
    let owner = Owner { key: ObjectKey::clone(&resource.key), uid: resource.uid().to_owned() };
    let label = Owner::label_value(&owner.key);
    let mut owned = runtime.store.owned_by(&label);
    owned.retain(|stored| stored.key.namespace == owner.key.namespace || owner.key.namespace.is_none());
    let existing = owned.iter().map(|stored| (ObjectKey::clone(&stored.key), stored.existing())).collect();
    let shown = shown(&owned, &owner);
    let (departed, departed_up_to) = runtime.store.departed(&label);
    let mut departed = by_kind(live, &self::shown(&departed, &owner));
    departed.retain(|of_kind| !of_kind.objects.is_empty());
    let probes = runtime.probes.reports(&owner.key);
    let mut surroundings = Sha256::new();
    surroundings.update(live.digest.to_string());
    // Settings, and all that is granted: a port more is a reason to look again.
    surroundings.update(format!("{:?}", live.terms));
    for report in &probes {
        // Whatever tells two ends apart.
        surroundings.update(format!("{:?}", (&report.id, &report.end)));
    }
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observation = Observation {
        resource: Arc::clone(&resource.json),
        deleting: resource.deleting(),
        observed: by_kind(live, &shown),
        departed,
        answers: Vec::new(),
        round: 0,
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        entropy,
        carry: carried(memory, live, &owner),
        probes,
        settings: Arc::clone(&live.terms.settings),
    };
    let all: Vec<_> = owned.iter().chain([&resource]).collect();
    let foreign = foreign(&surroundings, &all, memory);
    let moved = false;
    Ok(Observed {
        resource,
        owner,
        existing,
        observation,
        departed_up_to,
        foreign,
        moved,
        owned,
        surroundings,
    })
}

/// Objects by kind, in the manifest's order.
fn by_kind(live: &Live, objects: &[Arc<Stored>]) -> Vec<ObjectsOfKind> {
    let manifest = &live.manifest;
    let kinds = manifest.children.iter().map(|child| &child.resource).chain(&manifest.observed_only);
    let of_kind = |kind: &GroupVersionKind| {
        let objects = objects.iter().filter(|stored| *stored.key.kind == *kind);
        objects.map(|stored| Arc::clone(&stored.json)).collect()
    };
    kinds
        .map(|ResourceKind { kind, .. }| ObjectsOfKind { kind: kind.clone(), objects: of_kind(kind) })
        .collect()
}

/// What this very component handed over for this very resource.
fn carried(memory: &Memory, live: &Live, owner: &Owner) -> Vec<u8> {
    let carry = memory.carry.as_ref();
    let own = carry.filter(|carry| carry.digest == live.digest && carry.uid == owner.uid);
    own.map(|carry| carry.bytes.clone()).unwrap_or_default()
}

/// What a component may see: not what belongs to an earlier resource of the same
/// name, nor what that in turn controls.
fn shown(owned: &[Arc<Stored>], owner: &Owner) -> Vec<Arc<Stored>> {
    let controlled: Vec<_> =
        owned.iter().filter_map(|stored| Some((stored.uid(), stored.controller()?))).collect();
    let mut leaving: Vec<&str> = Vec::new();
    loop {
        let before = leaving.len();
        for (uid, controller) in &controlled {
            let earlier = is_earlier_self(controller, owner) || leaving.contains(&controller.uid.as_str());
            if earlier && !leaving.contains(uid) {
                leaving.push(uid);
            }
        }
        if leaving.len() == before {
            break;
        }
    }
    owned.iter().filter(|stored| !leaving.contains(&stored.uid())).cloned().collect()
}
