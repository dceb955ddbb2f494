//! Gathers what a component is shown of a resource.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::{
    runtime::{Live, Memory, Runtime},
    store::Stored,
};
use crate::{
    model::{ObjectKey, ObjectsOfKind, Observation, Owner},
    plan::{Existing, Fingerprint, is_earlier_self},
};

/// What is known of a resource at the start of a reconcile; nothing of it changes
/// until the end.
pub(super) struct Observed {
    pub(super) resource: Arc<Stored>,
    pub(super) owner: Owner,
    /// Everything with the owner label, for the planner.
    pub(super) existing: BTreeMap<ObjectKey, Existing>,
    pub(super) observation: Observation,
    /// The hash of what the decision depends on, chance and time aside.
    pub(super) input: Fingerprint,
    /// The same without the resource's own status, which a failure changes.
    pub(super) cause: Fingerprint,
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
    let mut owned = runtime.store.owned_by(&Owner::label_value(&owner.key));
    owned.retain(|stored| stored.key.namespace == owner.key.namespace || owner.key.namespace.is_none());
    let existing = owned.iter().map(|stored| (ObjectKey::clone(&stored.key), stored.existing())).collect();
    let shown = shown(&owned, &owner);
    let manifest = &live.manifest;
    let kinds = manifest.children.iter().map(|child| &child.resource).chain(&manifest.observed_only);
    let observed: Vec<ObjectsOfKind> = kinds
        .map(|resource| ObjectsOfKind {
            kind: resource.kind.clone(),
            objects: shown
                .iter()
                .filter(|stored| *stored.key.kind == resource.kind)
                .map(|stored| Arc::clone(&stored.json))
                .collect(),
        })
        .collect();
    let mut hash = Sha256::new();
    hash.update(live.digest.to_string());
    hash.update(live.settings.as_bytes());
    for stored in &owned {
        hash.update(stored.json.as_bytes());
    }
    let cause = hash.clone().chain_update(resource.content).finalize().into();
    let input = hash.chain_update(resource.json.as_bytes()).finalize().into();
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observation = Observation {
        resource: Arc::clone(&resource.json),
        deleting: false,
        observed,
        departed: Vec::new(),
        answers: Vec::new(),
        round: 0,
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        entropy,
        carry: carried(memory, live, &owner),
        probes: Vec::new(),
        settings: Arc::clone(&live.settings),
    };
    Ok(Observed { resource, owner, existing, observation, input, cause })
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
