//! Keeps `managedFields`: whoever changes a field or declares it manages it.
//!
//! The rules follow the package `merge` of
//! [structured-merge-diff](https://github.com/kubernetes-sigs/structured-merge-diff) and
//! `pkg/util/managedfields` of Kubernetes' apimachinery.

use std::sync::LazyLock;

use serde_json::Value;

use super::{error::Refusal, registry::Resource};
use crate::{
    fields::{Manager, Managers, Operation, Set},
    typed::{self, TypeError},
};

/// The subresource that scales.
pub(crate) const SCALE: &str = "scale";

/// Fields that every object has and nobody manages.
static UNMANAGED: LazyLock<Set> = LazyLock::new(|| {
    Set::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Who writes what part of an object.
pub(crate) struct Writer<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) now: &'a str,
}

impl Writer<'_> {
    fn manager(&self, operation: Operation, fields: Set) -> Manager {
        // Scaling notes no time.
        let time = if self.subresource == SCALE { "" } else { self.now };
        Manager {
            operation,
            time: time.into(),
            name: self.name.into(),
            api_version: self.resource.api_version().into(),
            subresource: self.subresource.into(),
            fields,
        }
    }

    /// The part of a set that this way of writing can change.
    fn writable(&self, set: Set) -> Set {
        match self.subresource {
            "status" if self.resource.custom.is_some() => set.only("status"),
            "status" => set.without("spec"),
            "" if self.resource.has_status => set.without("status"),
            _ => set,
        }
    }

    fn failed(error: &TypeError) -> Refusal {
        Refusal::internal(format!("failed to compare objects: {error}"))
    }

    /// Who manages what after an object was written as a whole. What cannot be told
    /// apart stays as it is: whether it is valid is asked later.
    pub(crate) fn updated(&self, old: &Value, new: &Value, managers: &Managers) -> Managers {
        let (schema, root) = (&self.resource.schema, self.resource.root);
        let Ok(changes) = typed::changes(schema, root, old, new) else { return managers.clone() };
        let (taken, removed) = (self.writable(changes.taken()), self.writable(changes.removed.clone()));
        let mut managers = managers.clone();
        managers.lose(&taken, None);
        managers.lose(&removed, None);
        let mine = taken.difference(&UNMANAGED);
        if !mine.is_empty() {
            let mut entry = self.manager(Operation::Update, mine);
            if let Some(before) = managers.take(&entry) {
                entry.fields = entry.fields.union(&before.fields);
            }
            managers.put(entry);
        }
        managers
    }

    /// The object after a configuration was applied to it, and who manages what then.
    pub(crate) fn applied(
        &self,
        live: &Value,
        config: &Value,
        managers: &Managers,
        force: bool,
    ) -> Result<(Value, Managers), Refusal> {
        let (schema, root) = (&self.resource.schema, self.resource.root);
        let failed = |error: TypeError| Self::failed(&error);
        let fields = typed::fields(schema, root, config).map_err(failed)?;
        let merged = typed::merge(schema, root, live, config).map_err(failed)?;
        let mut entry = self.manager(Operation::Apply, self.writable(fields));
        let mut managers = managers.clone();
        let before = managers.take(&entry);
        let last = before.as_ref().map(|before| before.fields.clone()).unwrap_or_default();
        let new = self.pruned(merged, &managers, &entry.fields, &last).map_err(failed)?;

        let changes = typed::changes(schema, root, live, &new).map_err(failed)?;
        let (taken, removed) = (self.writable(changes.taken()), self.writable(changes.removed.clone()));
        if !force {
            let conflicts: Vec<(String, String)> = managers
                .iter()
                .flat_map(|other| {
                    let fields = other.fields.intersection(&taken).shown();
                    fields.into_iter().map(|field| (shown(other), field))
                })
                .collect();
            if !conflicts.is_empty() {
                return Err(Refusal::managed_by_others(&conflicts));
            }
        }
        managers.lose(&taken, None);
        managers.lose(&removed, None);
        entry.fields = entry.fields.difference(&UNMANAGED);
        // The time is that of the last change of the object.
        if new == *live {
            entry.time = before.map(|before| before.time).unwrap_or_default();
        }
        managers.put(entry);
        Ok((new, managers))
    }

    /// What was declared before, is not now, and nobody else manages, goes.
    fn pruned(&self, merged: Value, others: &Managers, mine: &Set, last: &Set) -> Result<Value, TypeError> {
        if last.is_empty() {
            return Ok(merged);
        }
        let (schema, root) = (&self.resource.schema, self.resource.root);
        let named = |set: &Set| typed::with_named(schema, Some(root), set);
        let all = |value: &Value| Ok(named(&typed::fields(schema, root, value)?));
        let without = |set: &Set| typed::remove(schema, root, &merged, set).unwrap_or_default();

        let last = named(last);
        let pruned = without(&last);
        let owned = others.iter().fold(mine.clone(), |set, other| set.union(&other.fields));
        let merged_fields = all(&merged)?;
        let lost = merged_fields.difference(&all(&pruned)?.union(&named(&owned)));
        let pruned = without(&lost);
        let dangling = merged_fields.difference(&all(&pruned)?).intersection(&last);
        Ok(without(&dangling))
    }
}

/// As messages name a manager.
fn shown(manager: &Manager) -> String {
    let mut shown = format!("{:?}", manager.name);
    if manager.operation == Operation::Update {
        if !manager.subresource.is_empty() {
            shown = format!("{shown} with subresource {:?}", manager.subresource);
        }
        return format!("{shown} using {}", manager.api_version);
    }
    if !manager.subresource.is_empty() {
        return format!("{shown} with subresource {:?}", manager.subresource);
    }
    shown
}
