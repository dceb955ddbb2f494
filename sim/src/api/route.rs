//! From a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    access::Deed,
    delete::{Deleted, Deleting},
    error::Refusal,
    manage::SCALE,
    read::{Watching, one},
    registry::{Resource, shown_scale},
    request::{Asked, Options, Path, Target},
    state::State,
    store::{Place, Stored},
    write::{Writing, Written},
};

/// An answer.
pub(crate) enum Answer {
    /// All of it.
    Whole(StatusCode, Bytes),
    /// What has changed, as it changes.
    Watch(Watching),
}

impl Answer {
    fn json(value: &Value) -> Self {
        Self::Whole(StatusCode::OK, value.to_string().into())
    }

    fn written(resource: &Resource, written: &Written, options: &Options) -> Self {
        let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        Self::Whole(code, one(resource, &written.stored, options))
    }
}

/// Kinds of which nothing is kept: who posts one is answered.
const REVIEWS: &str = "authorization.k8s.io";

impl State {
    /// Does what is asked.
    pub(crate) fn answer(
        &mut self,
        method: &Method,
        asked: &Asked,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        self.demand_impersonation(asked)?;
        let target = match &asked.path {
            Path::Root(path) => return Ok(Answer::json(&self.root(path))),
            Path::Group { group, version } => return Ok(Answer::json(&self.group(group, version)?)),
            Path::Objects(target) => target,
        };
        if target.group == REVIEWS && *method == Method::POST {
            let review = self.review(&asked.user, read(body)?);
            return Ok(Answer::Whole(StatusCode::CREATED, review.to_string().into()));
        }
        let resource = self.resource(target)?;
        let deed_resource = match &target.subresource {
            Some(subresource) => format!("{}/{subresource}", target.plural),
            None => target.plural.clone(),
        };
        let deed = Deed {
            verb: verb(method, asked, target),
            group: &target.group,
            resource: &deed_resource,
            namespace: target.namespace.as_deref().unwrap_or_default(),
            name: target.name.as_deref().unwrap_or_default(),
        };
        self.demand(&asked.user, &resource, &deed)?;
        let applies = *method == Method::PATCH && content_type.contains("apply-patch");
        if applies && self.store.get(&place(&resource, target, deed.name)).is_none() && !names_uid(body) {
            // An apply that creates is a creation, too; one that names a uid never creates.
            self.demand(&asked.user, &resource, &Deed { verb: "create", ..deed })?;
        }
        match target.subresource.as_deref() {
            None | Some("status") => {}
            Some("scale") if resource.scale.is_some() => {
                return self.scale(method, &resource, target, asked, content_type, body);
            }
            Some("eviction") if target.plural == "pods" => {
                return self.evict(&resource, target, asked, &read(body)?);
            }
            Some(_) => return Err(Refusal::unknown_path()),
        }
        if target.subresource.is_some() && !resource.has_status {
            return Err(Refusal::unknown_path());
        }
        self.act(method, &resource, target, asked, content_type, body)
    }

    /// Does it to objects of this kind: whoever asks may.
    fn act(
        &mut self,
        method: &Method,
        resource: &Arc<Resource>,
        target: &Target,
        asked: &Asked,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        let options = &asked.options;
        match (method.as_str(), &target.name) {
            ("GET", _) if options.watch => Ok(Answer::Watch(self.watch(resource, target, options)?)),
            ("GET", None) => Ok(Answer::Whole(StatusCode::OK, self.list(resource, target, options)?)),
            ("GET", Some(name)) => {
                let stored = self.existing(resource, &place(resource, target, name))?;
                Ok(Answer::Whole(StatusCode::OK, one(resource, &stored, options)))
            }
            ("POST", None) => {
                let written =
                    self.create(resource, target.namespace.as_deref(), read(body)?, &writing(asked, target))?;
                Ok(Answer::written(resource, &written, options))
            }
            ("PUT", Some(name)) => {
                let place = place(resource, target, name);
                let written = self.update(resource, &place, read(body)?, &writing(asked, target))?;
                Ok(Answer::written(resource, &written, options))
            }
            ("PATCH", Some(name)) => {
                let place = place(resource, target, name);
                let written = self.patched(resource, &place, asked, target, content_type, body)?;
                Ok(Answer::written(resource, &written, options))
            }
            ("DELETE", Some(name)) => {
                let deleted =
                    self.delete(resource, &place(resource, target, name), &deleting(options, body)?)?;
                Ok(gone(resource, &deleted, options))
            }
            ("DELETE", None) => self.delete_all(resource, target, options, body),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn patched(
        &mut self,
        resource: &Arc<Resource>,
        place: &Place,
        asked: &Asked,
        target: &Target,
        content_type: &str,
        body: &[u8],
    ) -> Result<Written, Refusal> {
        let writing = writing(asked, target);
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/apply-patch+yaml" => {
                if asked.options.field_manager.is_none() {
                    return Err(Refusal::no_manager());
                }
                self.apply(resource, place, read(body)?, &writing)
            }
            "application/merge-patch+json" => {
                let patch = read(body)?;
                let change = |object: &mut Value| {
                    json_patch::merge(object, &patch);
                    Ok(())
                };
                if patch.pointer("/metadata/managedFields").is_some() {
                    self.patch(resource, place, change, &writing)
                } else {
                    self.amend(resource, place, change, &writing)
                }
            }
            "application/json-patch+json" => {
                let patch: json_patch::Patch = serde_json::from_slice(body)
                    .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
                let change = |object: &mut Value| {
                    json_patch::patch(object, &patch).map_err(|error| {
                        Refusal::unprocessable(
                            resource,
                            &place.name,
                            &format!(
                                "the server rejected our request due to an error in our request: {error}"
                            ),
                        )
                    })
                };
                self.patch(resource, place, change, &writing)
            }
            other => Err(Refusal::unsupported_media_type(other)),
        }
    }

    fn delete_all(
        &mut self,
        resource: &Arc<Resource>,
        target: &Target,
        options: &Options,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        let listed: Value = serde_json::from_slice(&self.list(resource, target, options)?)
            .map_err(|error| Refusal::internal(error.to_string()))?;
        let deleting = deleting(options, body)?;
        for item in listed.get("items").and_then(Value::as_array).into_iter().flatten() {
            let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
            let name = text("/metadata/name").unwrap_or_default();
            let place = Self::place(resource, text("/metadata/namespace"), name);
            self.delete(resource, &place, &deleting)?;
        }
        Ok(Answer::json(&listed))
    }

    fn scale(
        &mut self,
        method: &Method,
        resource: &Arc<Resource>,
        target: &Target,
        asked: &Asked,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        let (Some(scale), Some(name)) = (resource.scale.clone(), &target.name) else {
            return Err(Refusal::unknown_path());
        };
        let place = place(resource, target, name);
        let old = self.existing(resource, &place)?;
        if *method == Method::GET {
            return Ok(Answer::json(&shown_scale(&scale, &old.full())));
        }
        let mut wanted = shown_scale(&scale, &old.full());
        let sent = read(body)?;
        match (method.as_str(), content_type.split(';').next().unwrap_or_default()) {
            ("PUT", _) => wanted = sent,
            ("PATCH", "application/merge-patch+json") => json_patch::merge(&mut wanted, &sent),
            ("PATCH", "application/json-patch+json") => {
                let patch: json_patch::Patch =
                    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
                json_patch::patch(&mut wanted, &patch)
                    .map_err(|error| Refusal::bad_request(error.to_string()))?;
            }
            (_, other) => return Err(Refusal::unsupported_media_type(other)),
        }
        let replicas = wanted.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into());
        let version = wanted.pointer("/metadata/resourceVersion").cloned();
        let change = |object: &mut Value| {
            set_at(object, &scale.replicas, replicas);
            if let Some(version) = version {
                set_at(object, "/metadata/resourceVersion", version);
            }
            Ok(())
        };
        let writing = Writing { subresource: SCALE, ..writing(asked, target) };
        let written = self.patch(resource, &place, change, &writing)?;
        Ok(Answer::json(&shown_scale(&scale, &written.stored.full())))
    }
}

fn set_at(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for segment in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        let Some(object) = place.as_object_mut() else { return };
        place = object.entry(segment).or_insert(Value::Null);
    }
    *place = value;
}

/// Whether an object names the uid of the one that it is for.
fn names_uid(body: &[u8]) -> bool {
    read(body).is_ok_and(|object| object.pointer("/metadata/uid").is_some())
}

fn place(resource: &Resource, target: &Target, name: &str) -> Place {
    State::place(resource, target.namespace.as_deref(), name)
}

fn verb(method: &Method, asked: &Asked, target: &Target) -> &'static str {
    match (method.as_str(), &target.name) {
        ("GET", _) if asked.options.watch => "watch",
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", Some(_)) => "delete",
        _ => "deletecollection",
    }
}

fn writing(asked: &Asked, target: &Target) -> Writing {
    Writing {
        manager: asked.options.field_manager.clone().unwrap_or_else(|| "unknown".to_owned()),
        dry_run: asked.options.dry_run,
        force: asked.options.force,
        subresource: if target.subresource.as_deref() == Some("status") { "status" } else { "" },
    }
}

fn deleting(options: &Options, body: &[u8]) -> Result<Deleting, Refusal> {
    let deleting = Deleting {
        propagation: options.propagation.clone(),
        grace_seconds: options.grace_seconds,
        dry_run: options.dry_run,
        ..Deleting::default()
    };
    if body.is_empty() { Ok(deleting) } else { Ok(deleting.read(&read(body)?)) }
}

/// What is answered about a deleted object: itself as long as it is there.
fn gone(resource: &Resource, deleted: &Deleted, options: &Options) -> Answer {
    match deleted {
        Deleted::Going(stored) => Answer::Whole(StatusCode::OK, one(resource, stored, options)),
        Deleted::Gone(stored) if resource.rules.is_returned => {
            Answer::Whole(StatusCode::OK, one(resource, stored, options))
        }
        Deleted::Gone(stored) => Answer::json(&json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": details(resource, stored),
        })),
    }
}

fn details(resource: &Resource, stored: &Stored) -> Value {
    let mut details = json!({
        "name": stored.text("/metadata/name"), "group": resource.group, "kind": resource.plural,
        "uid": stored.text("/metadata/uid"),
    });
    if let Some(details) = details.as_object_mut() {
        details.retain(|_, value| value != "");
    }
    details
}

fn read(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the object provided is unrecognized: {error}")))
}
