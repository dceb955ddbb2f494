//! An object on its way from the API server to the store.

use std::{borrow::Cow, fmt, ops::Range};

use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope, ObjectMeta},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
    ser::Error as _,
};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::plan::Fingerprint;

/// An object as the API server gave it, less `managedFields`: its text, not a
/// tree. Of [`Resource::meta`] only the name, the namespace, the uid and the
/// version are filled in.
///
/// **Assumptions.** It is read by `serde_json`, and not from a buffered value: in
/// a watch's event `type` comes before `object`, as the API server writes it.
#[derive(Clone, Default)]
pub struct Given {
    api_version: String,
    kind: String,
    pub(super) meta: ObjectMeta,
    /// All members but `apiVersion` and `kind`, each after a comma.
    pub(super) members: String,
    pub(super) marks: Marks,
    pub(super) content: Fingerprint,
    pub(super) seen: Fingerprint,
}

impl fmt::Debug for Given {
    /// Names it and no more: it may be a Secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectMeta { namespace, name, .. } = &self.meta;
        formatter.debug_struct("Given").field("namespace", namespace).field("name", name).finish()
    }
}

/// Where something stands in an object's text; empty is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The content of a JSON string that takes these bytes, quotes included;
    /// nowhere if it is too far on to be an object of Kubernetes.
    fn within_quotes(start: usize, json: &str) -> Self {
        let bounds = (u32::try_from(start + 1), u32::try_from((start + json.len()).saturating_sub(1)));
        match bounds {
            (Ok(start), Ok(end)) if json.starts_with('"') && start < end => Self { start, end },
            _ => Self::default(),
        }
    }

    pub(super) fn moved(self, by: usize) -> Self {
        let moved = |bound: u32| u32::try_from(by).ok().and_then(|by| bound.checked_add(by));
        match (moved(self.start), moved(self.end)) {
            (Some(start), Some(end)) if self != Self::default() => Self { start, end },
            _ => Self::default(),
        }
    }

    /// What stands there, as it is written.
    pub(super) fn of(self, text: &str) -> &str {
        let bounds = (usize::try_from(self.start), usize::try_from(self.end));
        let (Ok(start), Ok(end)) = bounds else { return "" };
        text.get(start..end).unwrap_or_default()
    }
}

/// Where an object says what the host needs to know of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) uid: Span,
    pub(super) resource_version: Span,
    pub(super) owner: Span,
    pub(super) applied_by: Span,
    pub(super) controller: Controller,
    pub(super) generation: Option<i64>,
    pub(super) deleting: bool,
}

/// The parts of the owner reference with `controller: true`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Controller {
    pub(super) api_version: Span,
    pub(super) kind: Span,
    pub(super) name: Span,
    pub(super) uid: Span,
}

impl Marks {
    /// The same in a text in which all stands further on.
    pub(super) fn moved(self, by: usize) -> Self {
        let Self { uid, resource_version, owner, applied_by, controller, generation, deleting } = self;
        let Controller { api_version, kind, name, uid: controller_uid } = controller;
        Self {
            uid: uid.moved(by),
            resource_version: resource_version.moved(by),
            owner: owner.moved(by),
            applied_by: applied_by.moved(by),
            controller: Controller {
                api_version: api_version.moved(by),
                kind: kind.moved(by),
                name: name.moved(by),
                uid: controller_uid.moved(by),
            },
            generation,
            deleting,
        }
    }
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow, rename = "operlet.dev/owner")]
    owner: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Annotations<'a> {
    #[serde(borrow, rename = "operlet.dev/applied-by")]
    applied_by: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uid: Option<&'a RawValue>,
    controller: Option<bool>,
}

/// Reads an object once, writing its text on the way.
#[derive(Default)]
struct Reader {
    given: Given,
    resource_version: Range<usize>,
    status: Range<usize>,
}

impl Reader {
    /// Writes a member after what stands there, and tells where its value begins.
    fn write(&mut self, name: &str, value: &RawValue) -> Result<usize, serde_json::Error> {
        let members = &mut self.given.members;
        members.push_str(&serde_json::to_string(name)?);
        members.push(':');
        let start = members.len();
        members.push_str(&compact(value.get())?);
        Ok(start)
    }

    fn member(&mut self, name: &str, value: &RawValue) -> Result<(), serde_json::Error> {
        let start = self.given.members.len();
        self.given.members.push(',');
        self.write(name, value)?;
        if name == "status" {
            self.status = start..self.given.members.len();
        }
        Ok(())
    }

    fn metadata_member(&mut self, name: &str, value: &RawValue) -> Result<(), serde_json::Error> {
        let member = self.given.members.len();
        let start = self.write(name, value)?;
        let Given { meta, members, marks, .. } = &mut self.given;
        let text = members.get(start..).unwrap_or_default();
        let text_of = |part: &RawValue| {
            let offset = part.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
            Span::within_quotes(start + offset, part.get())
        };
        let span = |part: Option<&RawValue>| part.map(text_of).unwrap_or_default();
        match name {
            "name" => meta.name = serde_json::from_str(text)?,
            "namespace" => meta.namespace = serde_json::from_str(text)?,
            "uid" => {
                meta.uid = serde_json::from_str(text)?;
                marks.uid = Span::within_quotes(start, text);
            }
            "resourceVersion" => {
                meta.resource_version = serde_json::from_str(text)?;
                marks.resource_version = Span::within_quotes(start, text);
                self.resource_version = member..members.len();
            }
            "generation" => marks.generation = serde_json::from_str(text)?,
            "deletionTimestamp" => marks.deleting = text != "null",
            "labels" => {
                let labels: Option<Labels<'_>> = serde_json::from_str(text)?;
                marks.owner = span(labels.and_then(|labels| labels.owner));
            }
            "annotations" => {
                let annotations: Option<Annotations<'_>> = serde_json::from_str(text)?;
                marks.applied_by = span(annotations.and_then(|annotations| annotations.applied_by));
            }
            "ownerReferences" => {
                let references: Option<Vec<Reference<'_>>> = serde_json::from_str(text)?;
                let controller = references.into_iter().flatten().find(|one| one.controller == Some(true));
                marks.controller = controller.map_or_else(Controller::default, |found| Controller {
                    api_version: span(found.api_version),
                    kind: span(found.kind),
                    name: span(found.name),
                    uid: span(found.uid),
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Hashes the text: first without what every write and every status changes,
    /// then with the status. `apiVersion` and `kind` are as good as in the key.
    fn finish(self) -> Given {
        let Self { mut given, resource_version, status } = self;
        let text = given.members.as_str();
        let (first, second) = if resource_version.start < status.start {
            (&resource_version, &status)
        } else {
            (&status, &resource_version)
        };
        let parts = [0..first.start, first.end..second.start, second.end..text.len()];
        let mut content = Sha256::new();
        for part in parts {
            content.update(text.get(part).unwrap_or_default());
        }
        given.content = content.finalize().into();
        let seen = Sha256::new().chain_update(given.content);
        given.seen = seen.chain_update(text.get(status).unwrap_or_default()).finalize().into();
        given
    }
}

/// The API server writes compact JSON, but others may serve some of its kinds.
/// A line break stands in no JSON string.
fn compact(json: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    if !json.contains('\n') {
        return Ok(Cow::Borrowed(json));
    }
    let value: serde_json::Value = serde_json::from_str(json)?;
    Ok(Cow::Owned(value.to_string()))
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Given;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of the Kubernetes API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut reader = Reader::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "apiVersion" => reader.given.api_version = map.next_value()?,
                "kind" => reader.given.kind = map.next_value()?,
                "metadata" => map.next_value_seed(Metadata(&mut reader))?,
                name => {
                    let value: Box<RawValue> = map.next_value()?;
                    reader.member(name, &value).map_err(A::Error::custom)?;
                }
            }
        }
        Ok(reader.finish())
    }
}

/// Reads `metadata` less `managedFields`, which is often the larger half of it.
struct Metadata<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the metadata of an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        reader.given.members.push_str(",\"metadata\":{");
        let mut first = true;
        while let Some(name) = map.next_key::<String>()? {
            if name == "managedFields" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Box<RawValue> = map.next_value()?;
            if !std::mem::take(&mut first) {
                reader.given.members.push(',');
            }
            reader.metadata_member(&name, &value).map_err(A::Error::custom)?;
        }
        reader.given.members.push('}');
        Ok(())
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = whole(&self.api_version, &self.kind, &self.members);
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// The text of an object, with the members of its type before all others.
pub(super) fn whole(api_version: &str, kind: &str, members: &str) -> String {
    [r#"{"apiVersion":""#, api_version, r#"","kind":""#, kind, "\"", members, "}"].concat()
}

/// How far [`whole`] moves the members.
pub(super) fn moved_by(api_version: &str, kind: &str) -> usize {
    r#"{"apiVersion":"","kind":"""#.len() + api_version.len() + kind.len()
}

impl Resource for Given {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{APPLIED_BY_ANNOTATION, OWNER_LABEL};

    fn given(value: &Value) -> Given {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    fn object() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "a", "uid": "u", "resourceVersion": "7", "generation": 2,
                "labels": { OWNER_LABEL: "o" }, "annotations": { "x": "y", APPLIED_BY_ANNOTATION: "me" },
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "Other", "name": "n", "uid": "none" },
                    { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "c", "controller": true },
                ],
            },
            "spec": { "a": [1, "\n", 1.50] },
            "status": { "phase": "Running" },
        })
    }

    fn changed(path: &str, value: Value) -> Given {
        let mut object = object();
        *object.pointer_mut(path).unwrap() = value;
        given(&object)
    }

    #[test]
    fn what_the_host_needs_is_found_in_the_text() {
        let given = given(&object());
        let of = |span: Span| span.of(&given.members);
        let Marks { uid, resource_version, owner, applied_by, controller, generation, deleting } =
            given.marks;
        assert_eq!([of(uid), of(resource_version), of(owner), of(applied_by)], ["u", "7", "o", "me"]);
        let Controller { api_version, kind, name, uid } = controller;
        assert_eq!([of(api_version), of(kind), of(name), of(uid)], ["apps/v1", "StatefulSet", "s", "c"]);
        assert_eq!((generation, deleting), (Some(2), false));
        assert!(changed("/metadata/generation", json!(null)).marks.generation.is_none());
    }

    #[test]
    fn nothing_but_managed_fields_is_lost_and_nothing_is_written_otherwise() {
        let text = concat!(
            r#"{"kind":"K","apiVersion":"v1","metadata":{"name":"a","managedFields":[{"manager":"m"}],"#,
            r#""new":[1e3]},"spec":{"z":1.50,"a":"\u003c\"","n":null},"other":18446744073709551616}"#
        );
        let given: Given = serde_json::from_str(text).unwrap();
        let expected = concat!(
            r#"{"apiVersion":"v1","kind":"K","metadata":{"name":"a","new":[1e3]},"#,
            r#""spec":{"z":1.50,"a":"\u003c\"","n":null},"other":18446744073709551616}"#
        );
        assert_eq!(serde_json::to_string(&given).unwrap(), expected);
    }

    #[test]
    fn indented_json_becomes_compact_and_has_the_same_hashes() {
        let pretty: Given = serde_json::from_str(&serde_json::to_string_pretty(&object()).unwrap()).unwrap();
        let plain = given(&object());
        assert_eq!(pretty.members, plain.members);
        assert_eq!((pretty.content, pretty.seen), (plain.content, plain.seen));
    }

    #[test]
    fn the_hashes_tell_versions_statuses_and_contents_apart() {
        let one = given(&object());
        let version = changed("/metadata/resourceVersion", json!("8"));
        assert_eq!((version.content, version.seen), (one.content, one.seen));
        let status = changed("/status/phase", json!("Failed"));
        assert!(status.content == one.content && status.seen != one.seen);
        for (path, value) in
            [("/spec/a/0", json!(2)), ("/metadata/labels", json!({})), ("/metadata/uid", json!("v"))]
        {
            let other = changed(path, value);
            assert!(other.content != one.content && other.seen != one.seen, "{path}");
        }
    }

    #[test]
    fn an_object_that_is_built_here_is_sent_as_it_is() {
        let given: Given = serde_json::from_value(object()).unwrap();
        assert_eq!(serde_json::to_value(&given).unwrap(), object());
    }

    #[test]
    fn it_comes_out_of_the_lists_and_events_of_the_api_server() {
        let list = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[
            {"metadata":{"name":"a","resourceVersion":"7"},"spec":{}}]}"#;
        let list: kube::core::ObjectList<Given> = serde_json::from_str(list).unwrap();
        assert_eq!(list.items[0].members, r#","metadata":{"name":"a","resourceVersion":"7"},"spec":{}"#);
        let event =
            r#"{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}"#;
        let event: kube::core::WatchEvent<Given> = serde_json::from_str(event).unwrap();
        assert!(
            matches!(event, kube::core::WatchEvent::Modified(given) if given.meta.name.as_deref() == Some("a"))
        );
    }
}
