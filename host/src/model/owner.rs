//! How the objects of a resource are marked and recognised.

use sha2::{Digest as _, Sha256};

use super::{GroupVersionKind, ObjectKey, digest::hexadecimal};

/// The label on everything that a resource brings about. It finds objects; it
/// proves nothing, since anybody may set it.
pub const OWNER_LABEL: &str = "operlet.dev/owner";

/// The annotation on objects that an operlet ensured: its value is the operlet's
/// name. It never stands in templates, so what a controller made from them is
/// not taken for ensured.
pub const APPLIED_BY_ANNOTATION: &str = "operlet.dev/applied-by";

/// Half a SHA-256: a label's value holds 63 characters, and 128 bits are beyond
/// accident.
const LABEL_BYTES: usize = 16;

/// A resource as the owner of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Which resource.
    pub key: ObjectKey,
    /// Its `metadata.uid`.
    pub uid: String,
}

impl Owner {
    /// The label's value for a resource. It leaves the uid and the version out:
    /// claim templates are immutable, and a resource that was deleted and made
    /// again must find its claims.
    #[must_use]
    pub fn label_value(key: &ObjectKey) -> String {
        let GroupVersionKind { group, version: _, kind } = &*key.kind;
        let text = [group, kind, key.namespace.as_deref().unwrap_or_default(), &key.name].join("\n");
        let hash = Sha256::digest(text.as_bytes());
        hexadecimal(hash.get(..LABEL_BYTES).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: &str, namespace: Option<&str>, name: &str) -> ObjectKey {
        let kind = GroupVersionKind { group: "g".into(), version: version.into(), kind: "K".into() };
        ObjectKey { kind: kind.into(), namespace: namespace.map(str::to_owned), name: name.into() }
    }

    #[test]
    fn the_label_depends_on_the_name_and_not_on_the_version() {
        let label = Owner::label_value(&key("v1", Some("a"), "b"));
        assert_eq!(label, Owner::label_value(&key("v2", Some("a"), "b")));
        assert_ne!(label, Owner::label_value(&key("v1", Some("ab"), "")));
        assert_ne!(label, Owner::label_value(&key("v1", None, "ab")));
        assert_eq!(label.len(), 2 * LABEL_BYTES);
    }
}
