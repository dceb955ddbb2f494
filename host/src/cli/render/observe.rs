//! From files to what a component is shown.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{
    cli::{CliError, input},
    model::{GroupVersionKind, Manifest, ObjectKey, ObjectsOfKind, Observation, Owner},
};

/// Where everything comes from.
pub(super) struct Sources {
    pub(super) resource: PathBuf,
    pub(super) observed: Option<PathBuf>,
    pub(super) settings: Option<PathBuf>,
    pub(super) now_ms: u64,
    pub(super) entropy: [u8; 32],
}

/// What a component is shown, and what the user should know about it.
pub(super) struct Scene {
    pub(super) observation: Observation,
    pub(super) owner: Owner,
    pub(super) notes: Vec<String>,
}

impl Sources {
    pub(super) fn read(self, manifest: &Manifest) -> Result<Scene, CliError> {
        let Self { resource: file, observed, settings, now_ms, entropy } = self;
        let mut notes = Vec::new();
        let (resource, owner) = resource(&file, manifest, &mut notes)?;
        let settings = match settings {
            Some(file) => read_settings(&file)?,
            None => Value::Object(Map::new()),
        };
        let observation = Observation {
            deleting: resource.pointer("/metadata/deletionTimestamp").is_some(),
            resource: resource.to_string().into(),
            observed: read_observed(observed.as_deref(), manifest, &mut notes)?,
            departed: Vec::new(),
            answers: Vec::new(),
            round: 0,
            now_ms,
            entropy,
            carry: Vec::new(),
            probes: Vec::new(),
            settings: settings.to_string().into(),
        };
        Ok(Scene { observation, owner, notes })
    }
}

fn content(file: &Path, problem: impl Into<String>) -> CliError {
    CliError::Content { file: file.to_owned(), problem: problem.into() }
}

fn resource(file: &Path, manifest: &Manifest, notes: &mut Vec<String>) -> Result<(Value, Owner), CliError> {
    let mut documents = input::documents(file)?;
    let (Some(mut resource), true) = (documents.pop(), documents.is_empty()) else {
        return Err(content(file, "it must hold exactly one object, the resource to decide about"));
    };
    let primary = &manifest.primary;
    let kind = kind_of(&resource).ok_or_else(|| content(file, "apiVersion and kind must be given"))?;
    if kind != primary.kind {
        let (found, wanted) = (name(&kind), name(&primary.kind));
        return Err(content(file, format!("it is a {found}, but this component reconciles {wanted}")));
    }
    let metadata = resource.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.ok_or_else(|| content(file, "metadata.name must be given"))?;
    metadata.remove("managedFields");
    let Some(object_name) = metadata.get("name").and_then(Value::as_str).map(str::to_owned) else {
        return Err(content(file, "metadata.name must be given"));
    };
    fill_in(metadata, primary.namespaced, notes);
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    let namespace = if primary.namespaced { text("namespace") } else { None };
    let uid = text("uid").unwrap_or_default();
    Ok((resource, Owner { key: ObjectKey { kind: kind.into(), namespace, name: object_name }, uid }))
}

/// What the API server gives every object, as far as components look at it.
fn fill_in(metadata: &mut Map<String, Value>, namespaced: bool, notes: &mut Vec<String>) {
    let namespace = namespaced.then(|| ("namespace", json!("default")));
    let others = [
        ("uid", json!("00000000-0000-0000-0000-000000000000")),
        ("resourceVersion", json!("1")),
        ("generation", json!(1)),
    ];
    let mut filled = Vec::new();
    for (key, value) in namespace.into_iter().chain(others) {
        if !metadata.contains_key(key) {
            filled.push(format!("{key} {}", value.as_str().unwrap_or("1")));
            metadata.insert(key.to_owned(), value);
        }
    }
    if !filled.is_empty() {
        notes.push(format!("filled in the resource's metadata: {}", filled.join(", ")));
    }
}

fn read_settings(file: &Path) -> Result<Value, CliError> {
    let mut documents = input::documents(file)?;
    let (Some(mut document), true) = (documents.pop(), documents.is_empty()) else {
        return Err(content(file, "it must hold exactly one document"));
    };
    let is_operlet = document.get("kind").and_then(Value::as_str) == Some("Operlet");
    let settings = if is_operlet {
        document.pointer_mut("/spec/settings").map_or_else(|| json!({}), Value::take)
    } else {
        document
    };
    if settings.is_object() {
        Ok(settings)
    } else {
        Err(content(file, "settings must be an object: names and values"))
    }
}

/// The objects of every kind that the component is shown, in the manifest's order
/// and by name, as the host does it.
fn read_observed(
    directory: Option<&Path>,
    manifest: &Manifest,
    notes: &mut Vec<String>,
) -> Result<Vec<ObjectsOfKind>, CliError> {
    let children = manifest.children.iter().map(|child| &child.resource);
    let kinds = children.chain(&manifest.observed_only).map(|resource| &resource.kind);
    let mut observed: Vec<(&GroupVersionKind, Vec<(String, Value)>)> =
        kinds.map(|kind| (kind, Vec::new())).collect();
    let files = directory.map(input::yaml_files).transpose()?.unwrap_or_default();
    for file in &files {
        for mut object in input::documents(file)? {
            let kind = kind_of(&object).ok_or_else(|| content(file, "apiVersion and kind must be given"))?;
            let Some((_, objects)) = observed.iter_mut().find(|(known, _)| **known == kind) else {
                let (file, kind) = (file.display(), name(&kind));
                notes.push(format!("left out a {kind} of {file}: the component is shown no such objects"));
                continue;
            };
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            let metadata = metadata.ok_or_else(|| content(file, "metadata.name must be given"))?;
            metadata.remove("managedFields");
            let name = metadata.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| content(file, "metadata.name must be given"))?.to_owned();
            objects.push((name, object));
        }
    }
    let sorted = |(kind, mut objects): (&GroupVersionKind, Vec<(String, Value)>)| {
        objects.sort_by(|(one, _), (other, _)| one.cmp(other));
        let objects = objects.into_iter().map(|(_, object)| object.to_string().into()).collect();
        ObjectsOfKind { kind: kind.clone(), objects }
    };
    Ok(observed.into_iter().map(sorted).collect())
}

fn kind_of(object: &Value) -> Option<GroupVersionKind> {
    let text = |key| object.get(key).and_then(Value::as_str);
    Some(GroupVersionKind::from_type(text("apiVersion")?, text("kind")?))
}

fn name(kind: &GroupVersionKind) -> String {
    format!("{} {}", kind.api_version(), kind.kind)
}
