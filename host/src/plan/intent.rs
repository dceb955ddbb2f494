//! The rules that an intent must keep.

use serde_json::{Map, Value};

use super::Context;
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

/// An intent that keeps the rules: the object's key, and its fields with the
/// namespace filled in.
pub(super) struct Checked {
    pub(super) key: ObjectKey,
    pub(super) body: Value,
}

const RESERVED: [&str; 6] =
    ["uid", "resourceVersion", "managedFields", "ownerReferences", "generateName", "creationTimestamp"];

pub(super) fn check(intent: &Intent, context: &Context<'_>) -> Result<Checked, Refusal> {
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
            return Ok(Checked { key: placed(key.clone(), kind, context)?, body: Value::Null });
        }
        Intent::Keep(key) => {
            // Nothing is done to it, so it may be of any kind.
            let namespace = key.namespace.clone().or_else(|| context.owner.key.namespace.clone());
            return Ok(Checked { key: ObjectKey { namespace, ..key.clone() }, body: Value::Null });
        }
    };
    let mut body: Value = serde_json::from_str(text).unwrap_or_default();
    let key = key_of(&body)?;
    let kind = declared(&key, context)?;
    let key = placed(key, kind, context)?;
    if key.kind == context.owner.key.kind && key.name == context.owner.key.name {
        return Err(Refusal::Itself { key });
    }
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(Refusal::Nameless { field: "metadata" });
    };
    if let Some(field) = RESERVED.into_iter().find(|field| metadata.contains_key(*field)) {
        return Err(Refusal::Reserved { key, field });
    }
    let marks = [("labels", OWNER_LABEL), ("annotations", APPLIED_BY_ANNOTATION)];
    let has = |field: &str, mark: &str| metadata.get(field).is_some_and(|map| map.get(mark).is_some());
    if let Some((_, field)) = marks.into_iter().find(|(field, mark)| has(field, mark)) {
        return Err(Refusal::Reserved { key, field });
    }
    place(metadata, &key);
    Ok(Checked { key, body })
}

fn place(metadata: &mut Map<String, Value>, key: &ObjectKey) {
    match &key.namespace {
        Some(namespace) => metadata.insert("namespace".to_owned(), Value::from(namespace.as_str())),
        None => metadata.remove("namespace"),
    };
}

fn key_of(body: &Value) -> Result<ObjectKey, Refusal> {
    let text = |pointer: &str, field| {
        let found = body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.ok_or(Refusal::Nameless { field })
    };
    let kind = GroupVersionKind::from_type(text("/apiVersion", "apiVersion")?, text("/kind", "kind")?);
    let name = text("/metadata/name", "metadata.name")?.to_owned();
    let namespace = body.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
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
