//! One object as the store holds it.

use std::{borrow::Cow, sync::Arc};

use super::given::{Given, Marks, Span, moved_by, whole};
use crate::{
    model::{GroupVersionKind, ObjectKey},
    plan::{ControllerReference, Existing, Fingerprint},
};

/// One object as the API server gave it. Whatever else there is to know of it is
/// read from its text when it is asked for: there are many objects, and each is
/// looked at now and then.
#[derive(Debug)]
pub struct Stored {
    /// Which object.
    pub key: Arc<ObjectKey>,
    /// Compact JSON without `managedFields`, with `apiVersion` and `kind` before
    /// everything else.
    pub json: Arc<str>,
    /// The hash of what only writes change: all but the status and the version.
    pub content: Fingerprint,
    /// The hash of all that a component sees but the version.
    pub seen: Fingerprint,
    pub(super) version: u64,
    marks: Marks,
}

impl Stored {
    /// Takes an object over. Lists leave the kind out of their objects.
    #[must_use]
    pub fn new(kind: &Arc<GroupVersionKind>, given: Given) -> Self {
        let Given { meta, members, marks, content, seen, .. } = given;
        let key = ObjectKey {
            kind: Arc::clone(kind),
            namespace: meta.namespace,
            name: meta.name.unwrap_or_default(),
        };
        let api_version = kind.api_version();
        let json: Arc<str> = whole(&api_version, &kind.kind, &members).into();
        let marks = marks.moved(moved_by(&api_version, &kind.kind));
        // Versions of the objects of one kind are ordered numbers since Kubernetes 1.35.
        let version = marks.resource_version.of(&json).parse().unwrap_or_default();
        Self { key: Arc::new(key), json, content, seen, version, marks }
    }

    /// Its `metadata.uid`.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.marks.uid.of(&self.json)
    }

    /// Its `metadata.resourceVersion`.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.marks.resource_version.of(&self.json)
    }

    /// The value of its owner label, if it has one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.found(self.marks.owner)
    }

    /// Its `metadata.generation`.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.marks.generation
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.marks.deleting
    }

    /// Who controls it: its owner reference with `controller: true`.
    #[must_use]
    pub fn controller(&self) -> Option<ControllerReference> {
        let controller = &self.marks.controller;
        self.found(controller.uid)?;
        let text = |span: Span| unescaped(span.of(&self.json));
        let kind = GroupVersionKind::from_type(&text(controller.api_version), &text(controller.kind));
        let (name, uid) = (text(controller.name).into_owned(), text(controller.uid).into_owned());
        Some(ControllerReference { kind, name, uid })
    }

    /// What the planner is told of it.
    #[must_use]
    pub fn existing(&self) -> Existing {
        Existing {
            uid: self.uid().to_owned(),
            resource_version: self.marks.resource_version.of(&self.json).to_owned(),
            controller: self.controller(),
            applied_by: self.found(self.marks.applied_by).map(|text| unescaped(text).into_owned()),
            deleting: self.marks.deleting,
            fingerprint: self.content,
        }
    }

    fn found(&self, span: Span) -> Option<&str> {
        Some(span.of(&self.json)).filter(|text| !text.is_empty())
    }
}

/// What stands between the quotes of a JSON string. Uids, versions and labels
/// have nothing to unescape.
fn unescaped(text: &str) -> Cow<'_, str> {
    if text.contains('\\')
        && let Ok(plain) = serde_json::from_str(&["\"", text, "\""].concat())
    {
        return Cow::Owned(plain);
    }
    Cow::Borrowed(text)
}
