//! The rules that an intent must keep.

use std::borrow::Cow;

use serde_json::Value;

use super::{Context, fields::Field, inject};
use crate::model::{
    APPLIED_BY_ANNOTATION, GroupVersionKind, Intent, OWNER_LABEL, ObjectKey, Remove, ResourceKind,
};

/// A rule that a component broke: its whole decision is void.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An intent's object is not a Kubernetes object.
    #[error(
        "the component wants an object without {field}: every intent names apiVersion, kind and metadata.name"
    )]
    Nameless {
        /// What is missing.
        field: &'static str,
    },
    /// An intent is of a kind that the manifest does not name.
    #[error("the component wants {key}, but its manifest does not name {kind} among its children")]
    Undeclared {
        /// The object.
        key: ObjectKey,
        /// Its kind.
        kind: GroupVersionKind,
    },
    /// An intent reaches into another namespace.
    #[error("the component wants {key} outside of its resource's namespace {namespace:?}")]
    OtherNamespace {
        /// The object.
        key: ObjectKey,
        /// The resource's namespace.
        namespace: String,
    },
    /// An intent is for a cluster-scoped object though the resource is namespaced.
    #[error("the component wants the cluster-scoped {key} for a namespaced resource")]
    ClusterScoped {
        /// The object.
        key: ObjectKey,
    },
    /// A cluster-scoped resource cannot own what lives in a namespace.
    #[error("the component wants {key} in a namespace for a cluster-scoped resource")]
    Namespaced {
        /// The object.
        key: ObjectKey,
    },
    /// An intent sets what only the host or the API server sets.
    #[error("the component sets metadata.{field} of {key}, which the host sets")]
    Reserved {
        /// The object.
        key: ObjectKey,
        /// The field.
        field: &'static str,
    },
    /// Two intents name one object.
    #[error("the component names {key} in two intents")]
    Twice {
        /// The object.
        key: ObjectKey,
    },
    /// A claim should go, and the manifest does not say that this may be.
    #[error(
        "the component wants to delete {key}, but its manifest does not say that claims may be deleted \
         (prune), and what is stored in one is lost with it"
    )]
    ClaimKept {
        /// The claim.
        key: ObjectKey,
    },
    /// An intent names the resource itself.
    #[error("the component wants to write its own resource {key}; it decides about status only")]
    Itself {
        /// The resource.
        key: ObjectKey,
    },
}

/// An intent that keeps the rules: the object's key, what the component wrote, and
/// its fields with the namespace filled in.
pub(super) struct Checked<'a> {
    pub(super) key: ObjectKey,
    pub(super) text: &'a str,
    pub(super) body: Field<'a>,
}

impl Checked<'_> {
    fn without_fields(key: ObjectKey) -> Self {
        Self { key, text: "", body: Field::Added(Value::Null) }
    }
}

const RESERVED: [&str; 6] =
    ["uid", "resourceVersion", "managedFields", "ownerReferences", "generateName", "creationTimestamp"];

pub(super) fn check<'a>(intent: &'a Intent, context: &Context<'_>) -> Result<Checked<'a>, Refusal> {
    let text = match intent {
        Intent::Ensure(ensure) => &ensure.object,
        Intent::Create(object) => object,
        Intent::Amend(amend) => &amend.object,
        Intent::Remove(Remove { key, uid: _ }) => {
            let kind = declared(key, context)?;
            if is_claim(&key.kind)
                && !context.children.iter().any(|child| child.prune && child.resource == *kind)
            {
                return Err(Refusal::ClaimKept { key: key.clone() });
            }
            return Ok(Checked::without_fields(placed(key.clone(), kind, context)?));
        }
        Intent::Keep(key) => {
            // Nothing is done to it, so it may be of any kind.
            let namespace = key.namespace.clone().or_else(|| context.owner.key.namespace.clone());
            return Ok(Checked::without_fields(ObjectKey { namespace, ..key.clone() }));
        }
    };
    let mut body = Field::parse(text).ok_or(Refusal::Nameless { field: "apiVersion" })?;
    let key = key_of(&mut body)?;
    let kind = declared(&key, context)?;
    let key = placed(key, kind, context)?;
    if key.kind == context.owner.key.kind && key.name == context.owner.key.name {
        return Err(Refusal::Itself { key });
    }
    let Some(metadata) = body.member("metadata").and_then(Field::members) else {
        return Err(Refusal::Nameless { field: "metadata" });
    };
    if let Some(field) = RESERVED.into_iter().find(|field| metadata.contains_key(*field)) {
        return Err(Refusal::Reserved { key, field });
    }
    let marks = [("labels", OWNER_LABEL), ("annotations", APPLIED_BY_ANNOTATION)];
    let mut has =
        |field: &str, mark: &str| metadata.get_mut(field).is_some_and(|marks| marks.member(mark).is_some());
    if let Some((_, field)) = marks.into_iter().find(|(field, mark)| has(field, mark)) {
        return Err(Refusal::Reserved { key, field });
    }
    inject::place(&mut body, &key);
    Ok(Checked { key, text, body })
}

fn word<'a>(found: Option<&mut Field<'a>>, field: &'static str) -> Result<Cow<'a, str>, Refusal> {
    let text = found.and_then(|found| found.text()).filter(|text| !text.is_empty());
    text.ok_or(Refusal::Nameless { field })
}

fn key_of(body: &mut Field<'_>) -> Result<ObjectKey, Refusal> {
    let api_version = word(body.member("apiVersion"), "apiVersion")?;
    let kind = GroupVersionKind::from_type(&api_version, &word(body.member("kind"), "kind")?);
    let metadata = body.member("metadata").ok_or(Refusal::Nameless { field: "metadata.name" })?;
    let name = word(metadata.member("name"), "metadata.name")?.into_owned();
    let namespace = metadata.member("namespace").and_then(|found| found.text()).map(Cow::into_owned);
    Ok(ObjectKey { kind: kind.into(), namespace, name })
}

fn declared<'a>(key: &ObjectKey, context: &Context<'a>) -> Result<&'a ResourceKind, Refusal> {
    let children = context.children;
    let child = children.iter().find(|child| child.resource.kind == *key.kind);
    match child {
        Some(child) => Ok(&child.resource),
        None => Err(Refusal::Undeclared { key: key.clone(), kind: (*key.kind).clone() }),
    }
}

/// Whether objects of this kind hold what cannot be made again.
pub(super) fn is_claim(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "PersistentVolumeClaim"
}

/// The key with the only namespace it may have.
fn placed(key: ObjectKey, kind: &ResourceKind, context: &Context<'_>) -> Result<ObjectKey, Refusal> {
    let own = &context.owner.key.namespace;
    match (kind.namespaced, own) {
        (true, Some(own)) => match &key.namespace {
            Some(namespace) if namespace != own => {
                Err(Refusal::OtherNamespace { namespace: own.clone(), key })
            }
            _ => Ok(ObjectKey { namespace: Some(own.clone()), ..key }),
        },
        (false, None) => Ok(ObjectKey { namespace: None, ..key }),
        (false, Some(_)) => Err(Refusal::ClusterScoped { key }),
        (true, None) => Err(Refusal::Namespaced { key }),
    }
}
