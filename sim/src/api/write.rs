//! Creates, updates and patches objects.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    error::{Cause, Refusal},
    manage::Writer,
    names,
    registry::Resource,
    shape,
    state::State,
    store::{Place, Stored},
};
use crate::fields::Managers;

/// How somebody writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writing {
    /// The name that fields are managed under.
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    /// Whether an apply takes fields from others.
    pub(crate) force: bool,
    /// `status` or `scale`, or nothing for the object itself.
    pub(crate) subresource: &'static str,
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) stored: Arc<Stored>,
    pub(crate) created: bool,
}

/// The subresource in which the system says what it has come to.
pub(crate) const STATUS: &str = "status";

/// What holds a claim as long as a pod uses it.
pub(crate) const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";

/// What holds a definition until its resources are gone.
pub(crate) const DEFINITION_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Who manages what was there before anything was applied.
const BEFORE: &str = "before-first-apply";

/// What `metadata` keeps whatever somebody writes there.
const KEPT: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

impl State {
    /// Creates an object.
    pub(crate) fn create(
        &mut self,
        resource: &Arc<Resource>,
        namespace: Option<&str>,
        mut object: Value,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        is_of(resource, &object)?;
        if object.pointer("/metadata/resourceVersion").is_some_and(|version| version != "") {
            return Err(Refusal::untyped(
                "resourceVersion should not be set on objects to be created".to_owned(),
            ));
        }
        let managers = given_managers(&object).unwrap_or_default();
        let place = self.admit_new(resource, namespace, &mut object)?;
        let now = self.now();
        let writer = Writer { resource, name: &writing.manager, subresource: "", now: &now };
        let nothing = shape::zero(&resource.schema, resource.root);
        let managers = writer.updated(&nothing, &object, &managers);
        self.insert(resource, place, object, managers, writing)
    }

    /// What is to be created, in the shape in which it will be kept, and where.
    fn admit_new(
        &mut self,
        resource: &Arc<Resource>,
        namespace: Option<&str>,
        object: &mut Value,
    ) -> Result<Place, Refusal> {
        if resource.namespaced {
            let namespace = namespace.ok_or_else(Refusal::method_not_allowed)?;
            let given = object.pointer("/metadata/namespace").and_then(Value::as_str);
            if given.is_some_and(|given| given != namespace) {
                let problem =
                    "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::bad_request(problem));
            }
            self.namespace_takes(resource, namespace, object)?;
        }
        let name = self.name_of(resource, object)?;
        let (uid, now) = (self.uid(), self.now());
        let metadata = metadata(object)?;
        let numbered = metadata.remove("generation").filter(|_| !resource.rules.has_generation);
        for kept in KEPT.iter().chain(&["managedFields", "resourceVersion"]) {
            metadata.remove(*kept);
        }
        metadata.extend(numbered.map(|generation| ("generation".to_owned(), generation)));
        metadata.insert("name".to_owned(), name.clone().into());
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), now.into());
        if let Some(namespace) = namespace.filter(|_| resource.namespaced) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        if resource.rules.has_generation {
            metadata.insert("generation".to_owned(), 1.into());
        }
        if resource.has_status {
            object.as_object_mut().and_then(|object| object.remove("status"));
        }
        if resource.custom.is_none()
            && let Some(problem) = shape::mistyped(&resource.schema, resource.root, object)
        {
            let (kind, version) = (&resource.kind, &resource.version);
            let problem = format!("{kind} in version {version:?} cannot be handled as a {kind}: {problem}");
            return Err(Refusal::bad_request(problem));
        }
        bring_in_shape(resource, object);
        Ok(Self::place(resource, namespace, &name))
    }

    fn namespace_takes(&self, resource: &Resource, namespace: &str, object: &Value) -> Result<(), Refusal> {
        let spaces = self.registry.get("", "v1", "namespaces");
        let Some(spaces) = spaces else { return Ok(()) };
        let Some(found) = self.store.get(&Self::place(spaces, None, namespace)) else {
            return Err(Refusal::not_found(spaces, namespace));
        };
        if found.value.pointer("/metadata/deletionTimestamp").is_some() {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            return Err(Refusal::namespace_ends(resource, name, namespace));
        }
        Ok(())
    }

    fn name_of(&mut self, resource: &Resource, object: &Value) -> Result<String, Refusal> {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (text("/metadata/name"), text("/metadata/generateName")) {
            (Some(name), _) => Ok(name.to_owned()),
            (None, Some(prefix)) => Ok(format!("{prefix}{}", self.suffix())),
            (None, None) => {
                let cause = Cause::required("metadata.name", "name or generateName is required");
                Err(Refusal::invalid(resource, "", &[cause]))
            }
        }
    }

    /// Puts a new object in.
    fn insert(
        &mut self,
        resource: &Arc<Resource>,
        place: Place,
        mut object: Value,
        managers: Managers,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        if resource.group.is_empty() && resource.kind == "Service" {
            self.give_address(&mut object);
        }
        if resource.group.is_empty() && resource.kind == "PersistentVolumeClaim" {
            hold(&mut object, CLAIM_FINALIZER)?;
        }
        if let Some(prepare) = resource.rules.prepare {
            prepare(&mut object);
        }
        let causes = problems(resource, &object, None);
        if !causes.is_empty() {
            return Err(Refusal::invalid(resource, &place.name, &causes));
        }
        if self.store.get(&place).is_some() {
            return Err(Refusal::already_exists(resource, &place.name));
        }
        if resource.plural == "customresourcedefinitions" {
            establish(&mut object, &self.now());
            hold(&mut object, DEFINITION_FINALIZER)?;
        }
        resource.name_version(&mut object, &resource.stored_as);
        self.keep(place, object, managers, writing, true)
    }

    /// Services have an address of their own, unless they say that they want none.
    fn give_address(&mut self, service: &mut Value) {
        let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/spec/type") == "ExternalName" {
            return;
        }
        let given = text("/spec/clusterIP").to_owned();
        let address = if given.is_empty() { self.cluster_address() } else { given };
        if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("clusterIP".to_owned(), json!(address));
            spec.insert("clusterIPs".to_owned(), json!([address]));
            spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
            spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
        }
    }

    /// Writes an object as a whole.
    pub(crate) fn update(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        object: Value,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        is_of(resource, &object)?;
        let given = object.pointer("/metadata/name").and_then(Value::as_str);
        if given.is_some_and(|given| given != place.name) {
            let problem = format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                given.unwrap_or_default(),
                place.name
            );
            return Err(Refusal::bad_request(problem));
        }
        let old = self.existing(resource, place)?;
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        if version.is_empty() && (resource.custom.is_some() || resource.rules.is_versioned) {
            return Err(Refusal::unversioned(resource, &place.name));
        }
        self.replace(resource, place, &old, object, writing)
    }

    /// Changes an object by what is done to it as it is now, who manages it included.
    pub(crate) fn patch(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        let old = self.existing(resource, place)?;
        let object = old.full();
        self.changed(resource, place, &old, object, change, writing)
    }

    /// As [`State::patch`], by who does not care who manages it.
    pub(crate) fn amend(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        let old = self.existing(resource, place)?;
        let object = old.value.clone();
        self.changed(resource, place, &old, object, change, writing)
    }

    fn changed(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        old: &Arc<Stored>,
        mut object: Value,
        change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        change(&mut object)?;
        same_object(resource, place, old, &object)?;
        self.replace(resource, place, old, object, writing)
    }

    pub(crate) fn existing(&self, resource: &Resource, place: &Place) -> Result<Arc<Stored>, Refusal> {
        self.store.get(place).cloned().ok_or_else(|| Refusal::not_found(resource, &place.name))
    }

    fn replace(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        old: &Arc<Stored>,
        mut object: Value,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        is_current(resource, place, old, &object)?;
        let managers = match given_managers(&object) {
            Some(given) if writing.subresource.is_empty() => given,
            _ => old.managers.clone(),
        };
        carry_over(resource, old, &mut object, writing.subresource)?;
        bring_in_shape(resource, &mut object);
        let now = self.now();
        let writer = Writer { resource, name: &writing.manager, subresource: writing.subresource, now: &now };
        // Who manages what is kept from the beginning, or from the first apply.
        let managers = if managers.is_empty() {
            managers
        } else {
            // Nobody manages the version, which differs.
            writer.updated(&old.value, &object, &managers)
        };
        self.finish(resource, place, old, object, managers, writing)
    }

    /// Applies a configuration: the object has what it says, and what it said before
    /// and does not say now goes.
    pub(crate) fn apply(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        mut config: Value,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        is_of(resource, &config)?;
        if config.pointer("/metadata/managedFields").is_some() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let given = config.pointer("/metadata/name").and_then(Value::as_str).unwrap_or(&place.name);
        if given != place.name {
            let problem = format!(
                "failed to create typed patch object: the name of the object ({given}) does not match the name on the URL ({})",
                place.name
            );
            return Err(Refusal::bad_request(problem));
        }
        let (schema, root) = (&resource.schema, resource.root);
        crate::typed::check(schema, root, &config).map_err(|error| {
            let namespace = config.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            let kind = &resource.kind;
            let (name, group, version) = (&place.name, &resource.group, &resource.version);
            Refusal::untyped(format!(
                "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={kind}): {error}"
            ))
        })?;
        let old = self.store.get(place).cloned();
        let wanted = config.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        if let Some(old) = &old {
            same_object(resource, place, old, &config)?;
            is_current(resource, place, old, &config)?;
        } else if !wanted.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {wanted}, and no existing object was found"
            );
            return Err(Refusal::conflict(resource, &place.name, &why));
        } else if !writing.subresource.is_empty() {
            return Err(Refusal::not_found(resource, &place.name));
        }
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        let now = self.now();
        let writer = Writer { resource, name: &writing.manager, subresource: writing.subresource, now: &now };
        let Some(old) = old else {
            let mut empty = shape::zero(schema, root);
            if let Some(empty) = empty.as_object_mut() {
                empty.insert("apiVersion".to_owned(), resource.api_version().into());
                empty.insert("kind".to_owned(), resource.kind.clone().into());
            }
            let (mut object, managers) =
                writer.applied(&empty, &config, &Managers::default(), writing.force)?;
            metadata(&mut object)?.insert("name".to_owned(), place.name.clone().into());
            let namespace = Some(place.namespace.as_str()).filter(|namespace| !namespace.is_empty());
            let place = self.admit_new(resource, namespace, &mut object)?;
            return self.insert(resource, place, object, managers, writing);
        };
        let live = live(resource, &old);
        let mut managers = old.managers.clone();
        if managers.is_empty() {
            // What nobody is known to manage is that of whoever was there before.
            let before = Writer { name: BEFORE, ..writer };
            managers = before.updated(&shape::zero(schema, root), &live, &managers);
        }
        let (mut object, managers) = writer.applied(&live, &config, &managers, writing.force)?;
        carry_over(resource, &old, &mut object, writing.subresource)?;
        self.finish(resource, place, &old, object, managers, writing)
    }

    /// Keeps what an object has become, if it is as it may be and differs at all.
    fn finish(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        old: &Arc<Stored>,
        mut object: Value,
        managers: Managers,
        writing: &Writing,
    ) -> Result<Written, Refusal> {
        if let Some(keep) = resource.rules.keep {
            keep(&mut object, &old.value);
        }
        bring_in_shape(resource, &mut object);
        resource.name_version(&mut object, &resource.stored_as);
        if resource.rules.has_generation
            && writing.subresource != STATUS
            && wants_other(resource, &old.value, &object)
        {
            let generation =
                old.value.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
            metadata(&mut object)?.insert("generation".to_owned(), (generation + 1).into());
        }
        let causes = problems(resource, &object, Some(&old.value));
        if !causes.is_empty() {
            return Err(Refusal::invalid(resource, &place.name, &causes));
        }
        if is_same_but(&object, &old.value, &[], "resourceVersion") && managers == old.managers {
            return Ok(Written { stored: Arc::clone(old), created: false });
        }
        let ends = object.pointer("/metadata/deletionTimestamp").is_some()
            && !has_finalizers(&object)
            && object.pointer("/metadata/deletionGracePeriodSeconds").is_none_or(|grace| *grace == 0);
        if ends && !writing.dry_run {
            let stored = Arc::new(Stored::new(object, managers, old.version));
            self.end(place);
            return Ok(Written { stored, created: false });
        }
        self.keep(place.clone(), object, managers, writing, false)
    }

    fn keep(
        &mut self,
        place: Place,
        object: Value,
        managers: Managers,
        writing: &Writing,
        created: bool,
    ) -> Result<Written, Refusal> {
        if writing.dry_run {
            let version = self.store.get(&place).map_or(0, |old| old.version);
            let stored = Arc::new(Stored::new(object, managers, version));
            return Ok(Written { stored, created });
        }
        let change = self.store.put(place, object, managers);
        self.announce(&change);
        Ok(Written { stored: change.now, created })
    }
}

/// Refuses what is of another kind or version than the path says.
fn is_of(resource: &Resource, object: &Value) -> Result<(), Refusal> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (resource.api_version(), resource.kind.as_str());
    if !object.is_object() {
        return Err(Refusal::bad_request("the object provided is unrecognized: it is no JSON object"));
    }
    if !["", version.as_str()].contains(&text("apiVersion")) {
        let given = text("apiVersion");
        let problem = format!(
            "the API version in the data ({given}) does not match the expected API version ({version})"
        );
        return Err(Refusal::bad_request(problem));
    }
    if !["", kind].contains(&text("kind")) {
        let given = text("kind");
        let problem = format!("the kind in the data ({given}) does not match the expected kind ({kind})");
        return Err(Refusal::bad_request(problem));
    }
    Ok(())
}

/// Refuses what is about another object of this name.
fn same_object(resource: &Resource, place: &Place, old: &Stored, object: &Value) -> Result<(), Refusal> {
    let Some(uid) = object.pointer("/metadata/uid").filter(|uid| **uid != old.text("/metadata/uid")) else {
        return Ok(());
    };
    let cause = Cause::invalid("metadata.uid", uid, "field is immutable");
    Err(Refusal::invalid(resource, &place.name, &[cause]))
}

/// Refuses what was made from an older version of the object, or from another one of
/// its name.
fn is_current(resource: &Resource, place: &Place, old: &Stored, object: &Value) -> Result<(), Refusal> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let version = text("/metadata/resourceVersion");
    if !version.is_empty() && version != old.version.to_string() {
        return Err(Refusal::modified(resource, &place.name));
    }
    let (uid, is) = (text("/metadata/uid"), old.text("/metadata/uid"));
    if !uid.is_empty() && uid != is {
        let Place { group, plural, namespace, name } = place;
        let group = if group.is_empty() { String::new() } else { format!("{group}/") };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{group}{plural}/{namespace}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {is}"
        );
        return Err(Refusal::conflict(resource, name, &why));
    }
    Ok(())
}

/// Who manages what, if somebody who writes says so. An empty list forgets it all.
fn given_managers(object: &Value) -> Option<Managers> {
    let given = object.pointer("/metadata/managedFields")?;
    let entries = given.as_array()?;
    let reset = entries.is_empty() || entries.iter().all(|entry| *entry == json!({}));
    let read = Managers::from_json(given).filter(|managers| !managers.is_empty());
    if reset { Some(Managers::default()) } else { read }
}

/// Keeps what this way of writing cannot change.
fn carry_over(
    resource: &Resource,
    old: &Stored,
    object: &mut Value,
    subresource: &str,
) -> Result<(), Refusal> {
    if subresource == STATUS {
        let status = object.get_mut("status").map(Value::take);
        let custom = resource.custom.is_some();
        let mut whole = old.value.clone();
        if let Some(whole) = whole.as_object_mut() {
            match status {
                Some(status) => drop(whole.insert("status".to_owned(), status)),
                None => drop(whole.remove("status")),
            }
            if let Some(metadata) = object.get_mut("metadata").filter(|_| !custom) {
                whole.insert("metadata".to_owned(), metadata.take());
            }
        }
        *object = whole;
    } else if resource.has_status
        && let Some(object) = object.as_object_mut()
    {
        match old.value.get("status") {
            Some(status) => drop(object.insert("status".to_owned(), status.clone())),
            None => drop(object.remove("status")),
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), resource.api_version().into());
        object.insert("kind".to_owned(), resource.kind.clone().into());
    }
    let metadata = metadata(object)?;
    metadata.remove("managedFields");
    for kept in KEPT.iter().chain(&["name", "namespace"]) {
        match old.value.pointer(&format!("/metadata/{kept}")) {
            Some(value) => drop(metadata.insert((*kept).to_owned(), value.clone())),
            None => drop(metadata.remove(*kept)),
        }
    }
    Ok(())
}

fn bring_in_shape(resource: &Resource, object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), resource.api_version().into());
        object.insert("kind".to_owned(), resource.kind.clone().into());
    }
    shape::prune(&resource.schema, resource.root, object);
    shape::default(&resource.schema, resource.root, object);
    if let Some(default) = resource.rules.default {
        default(object);
    }
}

fn problems(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = names::problems(resource, object, old);
    causes.extend(resource.custom.iter().flat_map(|custom| custom.problems(object, old)));
    if resource.custom.is_none() {
        causes.extend(shape::missing(&resource.schema, resource.root, object));
    }
    if causes.is_empty() {
        causes.extend(resource.rules.check.into_iter().flat_map(|check| check(object, old)));
    }
    causes
}

/// Whether something else is wanted than before.
fn wants_other(resource: &Resource, old: &Value, new: &Value) -> bool {
    let told: &[&str] = if resource.has_status { &["metadata", "status"] } else { &["metadata"] };
    let deleted = |object: &Value| object.pointer("/metadata/deletionTimestamp").is_some();
    !is_same_but(old, new, told, "") || deleted(old) != deleted(new)
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|finalizers| !finalizers.is_empty())
}

/// Whether two objects differ in nothing but these fields, and this one of their
/// metadata.
fn is_same_but(one: &Value, other: &Value, fields: &[&str], of_metadata: &str) -> bool {
    are_same(one, other, fields, |name, one, other| match name {
        "metadata" => are_same(one, other, &[of_metadata], |_, one, other| one == other),
        _ => one == other,
    })
}

/// Whether two objects have the same fields but for these, by what is said of two of
/// a name.
fn are_same(one: &Value, other: &Value, but: &[&str], same: impl Fn(&str, &Value, &Value) -> bool) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let count =
        |of: &Map<String, Value>| of.len() - but.iter().filter(|name| of.contains_key(**name)).count();
    let mut kept = one.iter().filter(|(name, _)| !but.contains(&name.as_str()));
    count(one) == count(other)
        && kept.all(|(name, value)| other.get(name).is_some_and(|known| same(name, value, known)))
}

fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, Refusal> {
    let object = object.as_object_mut().ok_or_else(|| Refusal::bad_request("it is no JSON object"))?;
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    metadata.as_object_mut().ok_or_else(|| Refusal::bad_request("metadata is no JSON object"))
}

/// The object as it is, in the version in which it is written.
fn live<'a>(resource: &Resource, old: &'a Stored) -> Cow<'a, Value> {
    if resource.version == resource.stored_as {
        return Cow::Borrowed(&old.value);
    }
    let mut live = old.value.clone();
    resource.name_version(&mut live, &resource.version);
    Cow::Owned(live)
}

/// Puts a finalizer on.
fn hold(object: &mut Value, finalizer: &str) -> Result<(), Refusal> {
    let finalizers = metadata(object)?.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut().filter(|all| !all.contains(&json!(finalizer))) {
        finalizers.push(json!(finalizer));
    }
    Ok(())
}

/// A definition is in force at once.
fn establish(definition: &mut Value, now: &str) {
    let names = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let stored: Vec<Value> = versions
        .filter(|version| version.get("storage") == Some(&json!(true)))
        .filter_map(|version| version.get("name").cloned())
        .collect();
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now });
    let conditions =
        [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")];
    if let Some(definition) = definition.as_object_mut() {
        let status = json!({ "acceptedNames": names, "storedVersions": stored, "conditions": conditions });
        definition.insert("status".to_owned(), status);
    }
}
