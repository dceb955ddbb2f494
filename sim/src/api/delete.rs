//! Deletes objects: at once, or when those who asked to be waited for are done.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    error::Refusal,
    registry::Resource,
    state::State,
    store::{Place, Stored},
    write::has_finalizers,
};

/// How somebody deletes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deleting {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Option<String>,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) dry_run: bool,
}

/// What became of an object.
#[derive(Clone, Debug)]
pub(crate) enum Deleted {
    /// It is gone.
    Gone(Arc<Stored>),
    /// It goes when its finalizers are off, or its time is over.
    Going(Arc<Stored>),
}

impl Deleting {
    /// Reads the body of a request over what its query says.
    pub(crate) fn read(mut self, body: &Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        self.uid = text("/preconditions/uid").or(self.uid);
        self.resource_version = text("/preconditions/resourceVersion").or(self.resource_version);
        self.propagation = text("/propagationPolicy").or(self.propagation);
        self.grace_seconds = body.get("gracePeriodSeconds").and_then(Value::as_i64).or(self.grace_seconds);
        self.dry_run |= body.get("dryRun") == Some(&json!(["All"]));
        self
    }
}

impl State {
    /// Deletes an object.
    pub(crate) fn delete(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        deleting: &Deleting,
    ) -> Result<Deleted, Refusal> {
        let old = self.existing(resource, place)?;
        refuse_other(resource, place, &old, deleting)?;
        let mut object = old.value.clone();
        let now = self.now();
        let was_deleted = object.pointer("/metadata/deletionTimestamp").is_some();
        let grace = grace_seconds(resource, &object, deleting);
        let extra = propagation_finalizer(resource, deleting);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if let Some(extra) = extra.filter(|_| !was_deleted) {
                let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
                if let Some(finalizers) = finalizers.as_array_mut().filter(|all| !all.contains(&json!(extra)))
                {
                    finalizers.push(json!(extra));
                }
            }
            let known = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64);
            // A second deletion can only make it shorter.
            let grace = known.filter(|_| was_deleted).map_or(grace, |known| known.min(grace));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
            if !was_deleted {
                metadata.insert("deletionTimestamp".to_owned(), self.later(&now, grace).into());
                if resource.rules.has_generation {
                    let generation = metadata.get("generation").and_then(Value::as_i64).unwrap_or_default();
                    metadata.insert("generation".to_owned(), (generation + 1).into());
                }
            }
        }
        let grace = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        let ends = !has_finalizers(&object) && grace.unwrap_or_default() == 0;
        if deleting.dry_run {
            let going = Arc::new(Stored::new(object, old.managers.clone(), old.version));
            return Ok(if ends { Deleted::Gone(going) } else { Deleted::Going(going) });
        }
        if resource.plural == "namespaces" && resource.group.is_empty() {
            return Ok(self.terminate(place, &old, object));
        }
        if ends {
            return Ok(Deleted::Gone(self.end(place).unwrap_or(old)));
        }
        if object == old.value {
            return Ok(Deleted::Going(old));
        }
        let change = self.store.put(place.clone(), object, old.managers.clone());
        self.announce(&change);
        Ok(Deleted::Going(change.now))
    }

    /// A namespace goes when all in it is gone.
    fn terminate(&mut self, place: &Place, old: &Stored, mut namespace: Value) -> Deleted {
        if let Some(metadata) = namespace.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("deletionGracePeriodSeconds");
        }
        if let Some(namespace) = namespace.as_object_mut() {
            namespace.insert("status".to_owned(), json!({ "phase": "Terminating" }));
        }
        let change = self.store.put(place.clone(), namespace, old.managers.clone());
        self.announce(&change);
        Deleted::Going(change.now)
    }

    /// Takes an object out for good.
    pub(crate) fn end(&mut self, place: &Place) -> Option<Arc<Stored>> {
        let change = self.store.remove(place)?;
        self.announce(&change);
        Some(change.now)
    }

    fn later(&self, now: &str, seconds: i64) -> String {
        let time: Option<jiff::Timestamp> = now.parse().ok();
        let later = time.and_then(|time| time.checked_add(jiff::SignedDuration::from_secs(seconds)).ok());
        later.map_or_else(|| now.to_owned(), |later| later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

fn refuse_other(
    resource: &Resource,
    place: &Place,
    old: &Stored,
    deleting: &Deleting,
) -> Result<(), Refusal> {
    let is = old.text("/metadata/uid");
    if let Some(uid) = deleting.uid.as_deref().filter(|uid| *uid != is) {
        return Err(Refusal::another(resource, &place.name, uid, is));
    }
    let version = old.version.to_string();
    if let Some(wanted) = deleting.resource_version.as_deref().filter(|wanted| *wanted != version) {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {version}"
        );
        return Err(Refusal::conflict(resource, &place.name, &why));
    }
    Ok(())
}

/// How long an object may take to end. A pod that runs nowhere ends at once.
fn grace_seconds(resource: &Resource, object: &Value, deleting: &Deleting) -> i64 {
    let runs = object.pointer("/spec/nodeName").and_then(Value::as_str).is_some_and(|node| !node.is_empty());
    let ended =
        matches!(object.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if !resource.rules.is_graceful || !runs || ended {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    deleting.grace_seconds.or(own).unwrap_or(30).max(0)
}

fn propagation_finalizer(resource: &Resource, deleting: &Deleting) -> Option<&'static str> {
    let given = deleting.propagation.as_deref();
    match given.or(resource.rules.orphans.then_some("Orphan")) {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        _ => None,
    }
}
