//! Gets, lists and watches objects.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    error::Refusal,
    late::Told,
    registry::Resource,
    request::{Options, Target},
    selector::{FieldSelector, LabelSelector},
    state::State,
    store::{Place, Stored},
    watch::{Wanted, bookmark, failed, partial},
};

/// A watch that has begun.
pub(crate) struct Watching {
    /// What is told at once.
    pub(crate) first: Vec<Bytes>,
    /// What comes later, with the version that it brings.
    pub(crate) then: Option<mpsc::Receiver<Told>>,
    pub(crate) api_version: String,
    pub(crate) kind: String,
}

impl State {
    fn wanted(resource: &Resource, target: &Target, options: &Options) -> Result<Wanted, Refusal> {
        let mut fields = options.field_selector.clone();
        if let Some(name) = &target.name {
            fields = format!("metadata.name={name}");
        }
        Ok(Wanted {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespace: target.namespace.clone().filter(|_| resource.namespaced),
            labels: LabelSelector::parse(&options.label_selector)?,
            fields: FieldSelector::parse(&fields, resource.rules.selectable)?,
            metadata_only: options.metadata_only,
            converted: (!resource.is_stored()).then(|| resource.api_version()),
        })
    }

    /// All that is selected, in pages if that is wanted.
    pub(crate) fn list(
        &self,
        resource: &Resource,
        target: &Target,
        options: &Options,
    ) -> Result<Bytes, Refusal> {
        let wanted = Self::wanted(resource, target, options)?;
        let mut version = self.store.version();
        let mut after: Option<(String, String)> = None;
        if let Some(token) = &options.continue_from {
            let (at, place) = read_token(token)?;
            if !self.store.remembers(at) {
                let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
                return Err(Refusal::expired(message));
            }
            version = at;
            after = Some(place);
        } else if let Some(asked) = options.resource_version.as_deref().filter(|asked| *asked != "0") {
            let asked: u64 = asked
                .parse()
                .map_err(|_| Refusal::bad_request(format!("invalid resource version: {asked:?}")))?;
            if options.exact_version && !self.store.remembers(asked) {
                return Err(Refusal::expired(format!("The provided resource version is too old: {asked}")));
            }
            if asked > version {
                return Err(too_new(asked, version));
            }
            if options.exact_version {
                version = asked;
            }
        }
        if options.resource_version.as_deref() == Some("0")
            && let Some(delays) = self.delays.as_ref().filter(|_| after.is_none())
        {
            let behind = delays.behind(version, tokio::time::Instant::now());
            version = if self.store.remembers(behind) { behind } else { version };
        }
        let found = self.at(&wanted, version, after.as_ref());
        let all = found.len();
        let page: Vec<&(Place, Arc<Stored>)> =
            found.iter().take(if options.limit == 0 { usize::MAX } else { options.limit }).collect();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let (Some((place, _)), Some(metadata)) =
            (page.last().filter(|_| page.len() < all), metadata.as_object_mut())
        {
            metadata.insert("continue".to_owned(), json!(token(version, place)));
            if options.label_selector.is_empty() && options.field_selector.is_empty() {
                metadata.insert("remainingItemCount".to_owned(), json!(all - page.len()));
            }
        }
        if let Some(metadata) =
            metadata.as_object_mut().filter(|_| resource.custom.is_some() && !options.metadata_only)
        {
            // Of other kinds only what there is is said.
            metadata.entry("continue").or_insert_with(|| json!(""));
        }
        Ok(listed(
            resource,
            options,
            &metadata,
            page.iter().map(|(_, stored)| {
                // Of custom resources each says of what kind it is.
                let plain = !options.metadata_only && resource.custom.is_none();
                if plain { stored.item() } else { wanted.shown(stored) }
            }),
        ))
    }

    /// What was selected at a version, after a place.
    fn at(
        &self,
        wanted: &Wanted,
        version: u64,
        after: Option<&(String, String)>,
    ) -> Vec<(Place, Arc<Stored>)> {
        let current = self.store.list(&wanted.group, &wanted.plural, wanted.namespace.as_deref());
        let mut objects: std::collections::BTreeMap<Place, Arc<Stored>> =
            current.map(|(place, stored)| (place.clone(), Arc::clone(stored))).collect();
        // What was changed since is taken back, newest first.
        let later: Vec<_> = self.store.changes_after(version).collect();
        for change in later.into_iter().rev() {
            let of_kind = change.place.group == wanted.group && change.place.plural == wanted.plural;
            if of_kind {
                match &change.before {
                    Some(before) => drop(objects.insert(change.place.clone(), Arc::clone(before))),
                    None => drop(objects.remove(&change.place)),
                }
            }
        }
        let follows = |place: &Place| {
            after.is_none_or(|(namespace, name)| (&place.namespace, &place.name) > (namespace, name))
        };
        objects
            .into_iter()
            .filter(|(place, stored)| wanted.includes(place, stored) && follows(place))
            .collect()
    }

    /// Begins to tell what changes.
    pub(crate) fn watch(
        &mut self,
        resource: &Resource,
        target: &Target,
        options: &Options,
    ) -> Result<Watching, Refusal> {
        let wanted = Self::wanted(resource, target, options)?;
        let (api_version, kind) = (resource.api_version(), resource.kind.clone());
        let mut first = Vec::new();
        let since = match options.resource_version.as_deref() {
            None | Some("0") => None,
            Some(text) => Some(
                text.parse::<u64>()
                    .map_err(|_| Refusal::bad_request(format!("invalid resource version: {text:?}")))?,
            ),
        };
        let initial = options.initial_events || since.is_none();
        if let Some(since) = since.filter(|_| !initial) {
            if !self.store.remembers(since) {
                let message = format!("too old resource version: {since} ({})", self.store.version());
                first.push(failed(&Refusal::expired(message).to_json()));
                return Ok(Watching { first, then: None, api_version, kind });
            }
            first.extend(self.store.changes_after(since).filter_map(|change| wanted.event(change)));
        } else {
            let current = self.store.list(&wanted.group, &wanted.plural, wanted.namespace.as_deref());
            let current = current.filter(|(place, stored)| wanted.includes(place, stored));
            first.extend(current.map(|(_, stored)| wanted.told("ADDED", stored)));
            if options.initial_events && options.bookmarks {
                first.push(bookmark(&api_version, &kind, self.store.version(), true));
            }
        }
        let then = Some(self.add_watcher(wanted));
        Ok(Watching { first, then, api_version, kind })
    }
}

fn too_new(asked: u64, version: u64) -> Refusal {
    Refusal::too_new(format!("Too large resource version: {asked}, current: {version}"))
}

/// Where the next page begins, and at which version.
fn token(version: u64, place: &Place) -> String {
    format!("{version}_{}_{}", place.namespace, place.name)
}

fn read_token(token: &str) -> Result<(u64, (String, String)), Refusal> {
    let mut parts = token.splitn(3, '_');
    let mut next = || parts.next();
    let read = (|| Some((next()?.parse().ok()?, (next()?.to_owned(), next()?.to_owned()))))();
    read.ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}

/// A list, written piece by piece: its items are already written.
fn listed(
    resource: &Resource,
    options: &Options,
    metadata: &Value,
    items: impl Iterator<Item = Bytes>,
) -> Bytes {
    let (version, kind) = if options.metadata_only {
        ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
    } else {
        (resource.api_version(), format!("{}List", resource.kind))
    };
    let mut list =
        format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata},"items":["#).into_bytes();
    for (place, item) in items.enumerate() {
        if place > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&item);
    }
    list.extend_from_slice(b"]}");
    list.into()
}

/// One object as it was asked for.
pub(crate) fn one(resource: &Resource, stored: &Stored, options: &Options) -> Bytes {
    if options.metadata_only {
        partial(&stored.full()).to_string().into()
    } else if resource.is_stored() {
        stored.json()
    } else {
        stored.converted(&resource.api_version())
    }
}
