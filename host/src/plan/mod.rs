//! From what a component decided to the writes that follow: pure.
//!
//! The planner never changes anything, and what applies a plan decides nothing.
//! Either a whole plan comes out, in which single objects may be blocked (another
//! controller has them, or they are on their way out), or the decision is refused
//! as a whole, because the component broke a rule.

mod fields;
mod inject;
mod intent;
mod order;
mod restarts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::{ChildKind, GroupVersionKind, Intent, ObjectKey, Outcome, Owner};

use fields::Field;
pub use intent::Refusal;

/// What says who controls an object: its owner reference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerReference {
    /// The controller's kind.
    pub kind: GroupVersionKind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What the planner knows of an object that carries the owner label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
    /// Who controls it.
    pub controller: Option<ControllerReference>,
    /// The operlet that ensured it, by its annotation.
    pub applied_by: Option<String>,
    /// Whether it is on its way out.
    pub deleting: bool,
    /// A hash of what it holds, less status and what every write changes.
    pub fingerprint: Fingerprint,
}

/// A hash of an object's content.
pub type Fingerprint = [u8; 32];

/// What the last write of an object was, and what it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The hash of what was written.
    pub intent: Fingerprint,
    /// The hash of the object after the write.
    pub result: Fingerprint,
}

/// The state that a write relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no object of this name.
    Absent,
    /// The object is the one with this uid.
    Same {
        /// The uid.
        uid: String,
    },
    /// The object is the one with this uid, at this version.
    Unchanged {
        /// The uid.
        uid: String,
        /// The version.
        resource_version: String,
    },
}

/// No object was ever written at this version, so an apply that names it makes
/// a new object and meets a conflict where there is one already. (Server-side
/// apply has no other way to say "only if absent".)
const VERSION_OF_NOTHING: &str = "1";

impl Precondition {
    /// The fields of an apply, as JSON, with what makes the API server refuse it
    /// unless this holds.
    #[must_use]
    pub fn within(&self, body: &str) -> String {
        let Some(mut fields) = Field::parse(body) else { return body.to_owned() };
        let mut set = |name, value: &str| fields.set(&["metadata"], name, Value::from(value));
        match self {
            Self::Absent => set("resourceVersion", VERSION_OF_NOTHING),
            Self::Same { uid } => set("uid", uid),
            Self::Unchanged { uid, resource_version } => {
                set("uid", uid);
                set("resourceVersion", resource_version);
            }
        }
        fields.json()
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Server-side apply, forced.
    Apply {
        /// Which object.
        key: ObjectKey,
        /// The fields, as JSON.
        body: String,
        /// The hash of what they are made from.
        intent: Fingerprint,
        /// What must hold.
        precondition: Precondition,
    },
    /// POST; that it exists already means that the view was stale.
    Create {
        /// Which object.
        key: ObjectKey,
        /// The object, as JSON.
        body: String,
    },
    /// Delete, with the uid as precondition.
    Delete {
        /// Which object.
        key: ObjectKey,
        /// Its uid.
        uid: String,
        /// A pod that its controller makes again: a restart, which the budget does
        /// not count.
        restart: bool,
    },
}

impl Write {
    /// The object that is written.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Apply { key, .. } | Self::Create { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// Why an object is left as it is though the component wants otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Another controller has it.
    #[error("{key} is controlled by {kind} {name}; rename one of the two, or remove that controller")]
    Foreign {
        /// The object.
        key: ObjectKey,
        /// The kind of its controller.
        kind: String,
        /// The name of its controller.
        name: String,
    },
    /// It exists and was not made for this resource.
    #[error("{key} exists and was not made for this resource; rename or delete it, or rename the resource")]
    Unmarked {
        /// The object.
        key: ObjectKey,
    },
    /// It is on its way out; its end wakes the resource.
    #[error("{key} is being deleted; waiting until it is gone")]
    Leaving {
        /// The object.
        key: ObjectKey,
    },
    /// Another pod of the resource is on its way out; its end wakes the resource.
    #[error("{key} is not restarted while {other} is on its way out: one restart at a time")]
    RestartUnderWay {
        /// The pod.
        key: ObjectKey,
        /// The other one.
        other: ObjectKey,
    },
}

/// How many objects may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In one reconcile.
    pub per_reconcile: usize,
    /// In an hour, of all resources of the operlet.
    pub per_hour: usize,
    /// What is left of it.
    pub left_this_hour: usize,
}

/// Deletes that are not made, none of them, because there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// Too many at once.
    #[error(
        "{count} objects would be deleted, and the budget is {limit} in one reconcile \
         (spec.deletionBudget.perReconcile of the Operlet): none is; raise the budget if this is meant"
    )]
    PerReconcile {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Too many within an hour.
    #[error(
        "{count} objects would be deleted, and {left} are left of the operlet's budget of {limit} an hour \
         (spec.deletionBudget.perHour of the Operlet): none is; wait, or raise the budget if this is meant"
    )]
    PerHour {
        /// How many there are.
        count: usize,
        /// How many are left.
        left: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl Blocked {
    /// Whether it passes by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Leaving { .. } | Self::RestartUnderWay { .. })
    }
}

impl Withheld {
    /// How many objects are not deleted.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::PerReconcile { count, .. } | Self::PerHour { count, .. } => count,
        }
    }
}

/// What the planner is told about the resource and its surroundings.
#[derive(Debug)]
pub struct Context<'a> {
    /// The operlet's name.
    pub operlet: &'a str,
    /// The resource.
    pub owner: &'a Owner,
    /// The kinds the component may write.
    pub children: &'a [ChildKind],
    /// Kinds that an earlier component wrote and this one does not know.
    pub retired: &'a [ChildKind],
    /// Everything that carries the resource's owner label.
    pub existing: &'a BTreeMap<ObjectKey, Existing>,
    /// The last writes of this host.
    pub applied: &'a BTreeMap<ObjectKey, Applied>,
    /// How many objects may be deleted; none if it does not matter, because the
    /// resource itself is being deleted and takes them along.
    pub budget: Option<Budget>,
}

/// Writes in the order in which they are made: what others depend on first,
/// deletes last.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The writes.
    pub writes: Vec<Write>,
    /// Objects that are left as they are.
    pub blocked: Vec<Blocked>,
    /// Applies that were left out because nothing changed since the last one.
    pub unchanged: usize,
    /// Why no object is deleted, though some should be.
    pub withheld: Option<Withheld>,
}

impl Plan {
    /// How many objects it deletes, restarts aside.
    #[must_use]
    pub fn deletions(&self) -> usize {
        self.writes.iter().filter(|write| matches!(write, Write::Delete { restart: false, .. })).count()
    }
}

/// Makes the plan for an outcome.
///
/// # Errors
/// A [`Refusal`] if the component broke a rule: then nothing at all is written.
pub fn plan(outcome: &Outcome, context: &Context<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut wanted = BTreeSet::new();
    for intent in &outcome.intents {
        let checked = intent::check(intent, context)?;
        if !wanted.insert(checked.key.clone()) {
            return Err(Refusal::Twice { key: checked.key });
        }
        match intent {
            Intent::Ensure(ensure) => {
                ensure_object(checked, ensure.if_unchanged.as_ref(), context, &mut plan)
            }
            Intent::Create(_) => create_object(checked, context, &mut plan),
            Intent::Amend(amend) => amend_object(checked, &amend.uid, context, &mut plan),
            Intent::Remove(remove) => remove_object(checked.key, &remove.uid, context, &mut plan),
            // To be named is all it takes.
            Intent::Keep(_) => {}
        }
    }
    prune(&wanted, context, &mut plan);
    restarts::one_at_a_time(context, &mut plan);
    withhold(context.budget, &mut plan);
    order::sort(&mut plan.writes);
    Ok(plan)
}

fn ensure_object(
    checked: intent::Checked<'_>,
    if_unchanged: Option<&crate::model::ObservedVersion>,
    context: &Context<'_>,
    plan: &mut Plan,
) {
    let intent::Checked { key, text, mut body } = checked;
    let existing = context.existing.get(&key);
    if let Some(reason) = existing.and_then(|existing| blocked(&key, existing, context)) {
        plan.blocked.push(reason);
        return;
    }
    let precondition = match (if_unchanged, existing) {
        (Some(version), _) => Precondition::Unchanged {
            uid: version.uid.clone(),
            resource_version: version.resource_version.clone(),
        },
        (None, Some(existing)) => Precondition::Same { uid: existing.uid.clone() },
        (None, None) => Precondition::Absent,
    };
    let intent = fingerprint("ensure", text, context);
    let kind = Arc::clone(&key.kind);
    apply(key, intent, precondition, context, plan, || {
        inject::ownership(&mut body, context.owner);
        inject::templates(&mut body, &kind, context.owner);
        inject::applied_by(&mut body, context.operlet);
        body.json()
    });
}

fn create_object(checked: intent::Checked<'_>, context: &Context<'_>, plan: &mut Plan) {
    let intent::Checked { key, text: _, mut body } = checked;
    let Some(existing) = context.existing.get(&key) else {
        inject::ownership(&mut body, context.owner);
        inject::templates(&mut body, &key.kind, context.owner);
        plan.writes.push(Write::Create { key, body: body.json() });
        return;
    };
    if let Some(reason) = blocked(&key, existing, context) {
        plan.blocked.push(reason);
    } else if existing.controller.is_none() {
        // An orphan is adopted, but what it holds is never touched.
        let intent = fingerprint("adopt", "", context);
        let mut body = inject::identity(&key);
        apply(key, intent, Precondition::Same { uid: existing.uid.clone() }, context, plan, || {
            inject::ownership(&mut body, context.owner);
            body.json()
        });
    }
}

fn amend_object(checked: intent::Checked<'_>, uid: &str, context: &Context<'_>, plan: &mut Plan) {
    let intent::Checked { key, text, body } = checked;
    // One that is leaving or has left needs no more: its end is observed as well.
    let existing = context.existing.get(&key).filter(|existing| existing.uid == uid && !existing.deleting);
    match existing.map(|existing| stranger(existing, context)) {
        None => {}
        Some(Some(controller)) => plan.blocked.push(foreign(key, controller)),
        Some(None) => {
            let intent = fingerprint("amend", text, context);
            apply(key, intent, Precondition::Same { uid: uid.to_owned() }, context, plan, || body.json());
        }
    }
}

fn remove_object(key: ObjectKey, uid: &str, context: &Context<'_>, plan: &mut Plan) {
    // Anything else is gone already, which is what was wanted.
    let existing = context.existing.get(&key).filter(|existing| existing.uid == uid && !existing.deleting);
    match existing.map(|existing| stranger(existing, context)) {
        None => {}
        Some(Some(controller)) => plan.blocked.push(foreign(key, controller)),
        Some(None) => {
            let restart = existing.is_some_and(|existing| restarts::is_restart(&key, existing, context));
            plan.writes.push(Write::Delete { key, uid: uid.to_owned(), restart });
        }
    }
}

/// Makes no delete at all if there are more than the budget allows: which of them
/// are meant cannot be told.
fn withhold(budget: Option<Budget>, plan: &mut Plan) {
    let Some(Budget { per_reconcile, per_hour, left_this_hour }) = budget else { return };
    let count = plan.deletions();
    plan.withheld = if count > per_reconcile {
        Some(Withheld::PerReconcile { count, limit: per_reconcile })
    } else if count > left_this_hour {
        Some(Withheld::PerHour { count, left: left_this_hour, limit: per_hour })
    } else {
        return;
    };
    plan.writes.retain(|write| !matches!(write, Write::Delete { restart: false, .. }));
}

/// The controller at the end of the chain above an object, if it is neither the
/// resource nor anything that belongs to it. A label alone proves nothing.
fn stranger<'a>(existing: &'a Existing, context: &'a Context<'_>) -> Option<&'a ControllerReference> {
    let mut controller = existing.controller.as_ref()?;
    // A chain is short; one that is longer than there are objects is a ring.
    for _ in 0..=context.existing.len() {
        if controller.uid == context.owner.uid {
            return None;
        }
        let above = context.existing.values().find(|object| object.uid == controller.uid);
        match above.and_then(|object| object.controller.as_ref()) {
            Some(next) => controller = next,
            None => break,
        }
    }
    Some(controller)
}

fn foreign(key: ObjectKey, controller: &ControllerReference) -> Blocked {
    Blocked::Foreign { key, kind: controller.kind.kind.clone(), name: controller.name.clone() }
}

/// Plans the apply of an object, unless it is just as it was after the last one.
fn apply(
    key: ObjectKey,
    intent: Fingerprint,
    precondition: Precondition,
    context: &Context<'_>,
    plan: &mut Plan,
    body: impl FnOnce() -> String,
) {
    let unchanged = context.applied.get(&key).is_some_and(|applied| {
        applied.intent == intent
            && context.existing.get(&key).is_some_and(|existing| existing.fingerprint == applied.result)
    });
    if unchanged {
        plan.unchanged += 1;
    } else {
        plan.writes.push(Write::Apply { key, body: body(), intent, precondition });
    }
}

/// Why an object that exists may not be ensured, if so.
fn blocked(key: &ObjectKey, existing: &Existing, context: &Context<'_>) -> Option<Blocked> {
    match &existing.controller {
        Some(controller) if is_earlier_self(controller, context.owner) => {
            Some(Blocked::Leaving { key: key.clone() })
        }
        Some(controller) if controller.uid != context.owner.uid => Some(Blocked::Foreign {
            key: key.clone(),
            kind: controller.kind.kind.clone(),
            name: controller.name.clone(),
        }),
        _ if existing.deleting => Some(Blocked::Leaving { key: key.clone() }),
        _ => None,
    }
}

/// Whether a controller is a resource of the same kind and name that was deleted
/// since: what it controls is on its way out, and is neither adopted nor read.
#[must_use]
pub fn is_earlier_self(controller: &ControllerReference, owner: &Owner) -> bool {
    controller.kind.group == owner.key.kind.group
        && controller.kind.kind == owner.key.kind.kind
        && controller.name == owner.key.name
        && controller.uid != owner.uid
}

/// Deletes what this operlet ensured for this resource and does not want any
/// more. All three marks must agree: a label can be forged, and what a controller
/// made from a template was never ensured.
fn prune(wanted: &BTreeSet<ObjectKey>, context: &Context<'_>, plan: &mut Plan) {
    for (key, existing) in context.existing {
        let ensured = existing.applied_by.as_deref() == Some(context.operlet)
            && existing.controller.as_ref().is_some_and(|controller| controller.uid == context.owner.uid);
        let may_go = (context.children.iter().chain(context.retired))
            .any(|child| child.prune && child.resource.kind == *key.kind)
            // What is stored in a claim is never lost by leaving it out.
            && !intent::is_claim(&key.kind);
        if ensured && may_go && !existing.deleting && !wanted.contains(key) {
            let (key, uid) = (key.clone(), existing.uid.clone());
            plan.writes.push(Write::Delete { key, uid, restart: false });
        }
    }
}

/// The hash of all that the fields of an object are made from.
fn fingerprint(verb: &str, text: &str, context: &Context<'_>) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [verb, context.operlet, &context.owner.uid, text] {
        // With its length, so that no two lists of parts read the same.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
