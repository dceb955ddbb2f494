//! Makes the writes of a plan. It decides nothing: it says what came of each.

use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
    core::Status,
};
use serde_json::value::RawValue;

use super::{
    informer::api_for,
    memory::Memory,
    observe::Observed,
    runtime::{Live, Runtime},
    store::{Given, Stored},
};
use crate::{
    model::{OWNER_LABEL, ObjectKey, Owner},
    plan::{Applied, Blocked, Fingerprint, Plan, Precondition, Withheld, Write},
};

/// A write that the API server refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {key}: {message}")]
pub(super) struct WriteError {
    verb: &'static str,
    key: ObjectKey,
    message: String,
    /// Whether it is for want of a right.
    pub(super) forbidden: bool,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Something was not as it was observed: observe again.
    pub(super) stale: bool,
    /// The namespace is on its way out: there is nothing more to do.
    pub(super) terminating: bool,
    /// Objects that were left as they are.
    pub(super) blocked: Vec<Blocked>,
    /// Why nothing was deleted, though something should be.
    pub(super) withheld: Option<Withheld>,
    /// Writes that were refused.
    pub(super) errors: Vec<WriteError>,
    /// Writes that changed something.
    pub(super) changed: usize,
    /// Objects that somebody else had changed since they were written just so.
    pub(super) undone: Vec<ObjectKey>,
}

/// Executes a plan, write by write. One that fails does not keep others from
/// being made, but nothing is deleted after a failure.
pub(super) async fn apply(
    runtime: &Runtime,
    live: &Live,
    observed: &Observed,
    plan: Plan,
    memory: &mut Memory,
) -> Report {
    let owner = &observed.owner;
    let mut report = Report { blocked: plan.blocked.clone(), withheld: plan.withheld, ..Report::default() };
    runtime.metrics.applies_avoided(u64::try_from(plan.unchanged).unwrap_or(u64::MAX));
    // Deletes come last: what goes wrong before costs nothing of the budget.
    let (deletions, mut may_delete) = (plan.deletions(), None);
    for write in plan.writes {
        let failed = report.stale || !report.errors.is_empty();
        if report.terminating || failed && matches!(write, Write::Delete { .. }) {
            continue;
        }
        if let Write::Delete { key, restart: false, .. } = &write {
            let allowed = match may_delete {
                Some(allowed) => allowed,
                None => record_deletions(runtime, live, observed, deletions, key, &mut report).await,
            };
            may_delete = Some(allowed);
            if !allowed {
                continue;
            }
        }
        let Some(kind) = live.resource_kind(&write.key().kind) else { continue };
        if let Write::Apply { key, intent, .. } = &write
            && memory.applied.get(key).is_some_and(|applied| applied.intent == *intent)
        {
            report.undone.push(key.clone());
        }
        let changes = Changes { runtime, observed, memory: &mut *memory };
        let api = api_for(&runtime.client, kind, write.key().namespace.as_deref());
        match write {
            Write::Apply { key, body, intent, precondition } => {
                let absent = precondition == Precondition::Absent;
                match patch(&api, &runtime.field_manager(), &key, &body, &precondition).await {
                    Ok(object) => changes.written(&key, object, Some(intent), &mut report),
                    Err(kube::Error::Api(status)) if absent && status.is_conflict() => {
                        let Some(uid) = occupied(&api, &key, owner, &mut report).await else { continue };
                        let own = Precondition::Same { uid };
                        match patch(&api, &runtime.field_manager(), &key, &body, &own).await {
                            Ok(object) => changes.written(&key, object, Some(intent), &mut report),
                            Err(error) => failure("apply", key, error, &mut report),
                        }
                    }
                    Err(error) => failure("apply", key, error, &mut report),
                }
            }
            Write::Create { key, body } => match create(&api, &runtime.field_manager(), &body).await {
                Ok(object) => changes.written(&key, object, None, &mut report),
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    if occupied(&api, &key, owner, &mut report).await.is_some() {
                        report.stale = true;
                    }
                }
                Err(error) => failure("create", key, error, &mut report),
            },
            Write::Delete { key, uid, restart } => {
                let kind = if restart { "restart" } else { "deletion" };
                match delete(&api, &key, &uid).await {
                    Ok(left) => {
                        tracing::info!(object = %key, kind, "deleted");
                        runtime.metrics.deletions_made(1);
                        changes.deleted(&key, &uid, left, &mut report);
                    }
                    Err(error) => failure("delete", key, error, &mut report),
                }
            }
        }
    }
    if let Some(withheld) = report.withheld {
        runtime.metrics.deletions_withheld(u64::try_from(withheld.count()).unwrap_or(u64::MAX));
    }
    report
}

async fn patch(
    api: &Api<Given>,
    manager: &str,
    key: &ObjectKey,
    body: &str,
    precondition: &Precondition,
) -> Result<Given, kube::Error> {
    let body = precondition.within(body);
    let body: &RawValue = serde_json::from_str(&body).map_err(kube::Error::SerdeError)?;
    api.patch(&key.name, &PatchParams::apply(manager).force(), &Patch::Apply(body)).await
}

async fn create(api: &Api<Given>, manager: &str, body: &str) -> Result<Given, kube::Error> {
    let object = serde_json::from_str(body).map_err(kube::Error::SerdeError)?;
    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    api.create(&params, &object).await
}

/// Deletes an object; what is left of it while it is on its way out.
async fn delete(api: &Api<Given>, key: &ObjectKey, uid: &str) -> Result<Option<Given>, kube::Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api.delete(&key.name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        // Some kinds are answered with the object as it was, though it is gone.
        other => other.map(|left| left.left().filter(|left| left.meta().deletion_timestamp.is_some())),
    }
}

/// Puts the deletes of a plan on record; if that cannot be done, none is made.
async fn record_deletions(
    runtime: &Runtime,
    live: &Live,
    observed: &Observed,
    count: usize,
    first: &ObjectKey,
    report: &mut Report,
) -> bool {
    if observed.observation.deleting {
        return true;
    }
    let limit = live.terms.deletions_per_hour;
    match runtime.deletions.record(count, limit).await {
        Ok(true) => return true,
        Ok(false) => {
            let left = limit.saturating_sub(runtime.deletions.within_an_hour());
            report.withheld = Some(Withheld::PerHour { count, left, limit });
        }
        Err(error) => {
            let message = format!(
                "it could not be put on record in the Operlet's status first: {}",
                super::informer::describe(&error)
            );
            let key = first.clone();
            report.errors.push(WriteError { verb: "delete", key, message, forbidden: false });
        }
    }
    false
}

/// Takes the answers to writes in, so that the next observation shows them.
struct Changes<'a> {
    runtime: &'a Runtime,
    observed: &'a Observed,
    memory: &'a mut Memory,
}

impl Changes<'_> {
    fn written(self, key: &ObjectKey, object: Given, intent: Option<Fingerprint>, report: &mut Report) {
        let stored = Stored::new(&key.kind, object);
        if let Some(intent) = intent {
            self.memory.applied.insert(key.clone(), Applied { intent, result: stored.content });
        }
        let version = stored.resource_version();
        let before = self.observed.existing.get(key).map(|existing| existing.resource_version.as_str());
        let changed = before != Some(version);
        self.memory.own_versions.insert(key.clone(), version.to_owned());
        report.changed += usize::from(changed);
        tracing::debug!(object = %key, changed, "written");
        self.runtime.metrics.applies_made(1);
        self.runtime.store.put_own(stored);
    }

    fn deleted(self, key: &ObjectKey, uid: &str, left: Option<Given>, report: &mut Report) {
        self.memory.applied.remove(key);
        self.memory.own_versions.remove(key);
        report.changed += 1;
        match left {
            Some(left) => {
                self.runtime.store.put_own(Stored::new(&key.kind, left));
            }
            None => self.runtime.store.removed_by_us(key, uid),
        }
    }
}

/// There is an object where none was expected: the view was stale, or it is
/// somebody else's, or it is the resource's own and somebody took its label off.
/// Then its uid is returned: it can be applied all the same.
async fn occupied(api: &Api<Given>, key: &ObjectKey, owner: &Owner, report: &mut Report) -> Option<String> {
    let found = match api.get_metadata_opt(&key.name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            report.stale = true;
            return None;
        }
        Err(error) => {
            failure("get", key.clone(), error, report);
            return None;
        }
    };
    let controller = found.owner_references().iter().find(|reference| reference.controller == Some(true));
    let marked =
        found.labels().get(OWNER_LABEL).is_some_and(|label| *label == Owner::label_value(&owner.key));
    match controller {
        Some(other) if other.uid != owner.uid => {
            let (kind, name) = (other.kind.clone(), other.name.clone());
            report.blocked.push(Blocked::Foreign { key: key.clone(), kind, name });
            None
        }
        _ if marked => {
            report.stale = true;
            None
        }
        Some(_) => found.uid(),
        None => {
            report.blocked.push(Blocked::Unmarked { key: key.clone() });
            None
        }
    }
}

fn failure(verb: &'static str, key: ObjectKey, error: kube::Error, report: &mut Report) {
    let kube::Error::Api(status) = &error else {
        let message = super::informer::describe(&error);
        report.errors.push(WriteError { verb, key, message, forbidden: false });
        return;
    };
    if namespace_terminating(status) {
        report.terminating = true;
    } else if status.is_conflict() || uid_mismatch(status) {
        report.stale = true;
    } else {
        let (message, forbidden) = (status.message.clone(), status.is_forbidden());
        report.errors.push(WriteError { verb, key, message, forbidden });
    }
}

fn namespace_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// A changed uid is answered as an invalid change of an immutable field.
pub(super) fn uid_mismatch(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.is_invalid() && causes.into_iter().any(|cause| cause.field == "metadata.uid")
}
