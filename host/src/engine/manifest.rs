//! Checks of what a component says of itself.

use std::collections::BTreeSet;

use super::CONTRACT_VERSIONS;
use crate::model::{GroupVersionKind, Manifest, ResourceKind};

/// A manifest breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The name is no DNS label.
    #[error(
        "name is {0:?}; it must be 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens, with a letter \
         first and no hyphen last"
    )]
    Name(String),
    /// The version is no semantic version.
    #[error("version is {version:?}, which is no semantic version ({problem})")]
    Version {
        /// What it says.
        version: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The contract is not that of the export.
    #[error("contract is {manifest:?}, but the component exports the reconciler of {export}")]
    Contract {
        /// What the manifest says.
        manifest: String,
        /// What the component exports.
        export: &'static str,
    },
    /// A kind cannot be one.
    #[error("{field} names the kind {kind}, which cannot be: {problem}")]
    Kind {
        /// Which list.
        field: &'static str,
        /// The kind.
        kind: GroupVersionKind,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A kind is there twice.
    #[error("{field} names the kind {kind} again; each may be named once among children and observed-only")]
    DuplicateKind {
        /// Which list.
        field: &'static str,
        /// The kind.
        kind: GroupVersionKind,
    },
    /// A cluster-scoped object cannot be owned by one in a namespace.
    #[error(
        "children has the cluster-scoped kind {child}, but the primary kind {primary} lives in namespaces: only a \
         cluster-scoped resource may have cluster-scoped children"
    )]
    ClusterScopedChild {
        /// The child.
        child: GroupVersionKind,
        /// The primary kind.
        primary: GroupVersionKind,
    },
    /// It could not read its own state.
    #[error(
        "state writes version {writes} and reads {reads:?}; it must be 1 or more, and among those it reads"
    )]
    State {
        /// The version it writes.
        writes: u32,
        /// Those it reads.
        reads: Vec<u32>,
    },
    /// There is too much of something.
    #[error("{field} has {count} entries, and the limit is {limit}")]
    TooMany {
        /// Which list.
        field: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A port cannot be one.
    #[error("ports has {0}, which is no port or is there twice")]
    Port(u16),
    /// A limit of nothing.
    #[error("limits.{0} is 0; leave it out for the default")]
    Limit(&'static str),
    /// An extension's name is there twice, or its value is no JSON.
    #[error("the extension {0:?} is there twice or is not JSON")]
    Extension(String),
}

const NAME_BYTES_MAX: usize = 40;
const CHILDREN_MAX: usize = 32;
const OBSERVED_ONLY_MAX: usize = 16;
const READS_MAX: usize = 16;
const PORTS_MAX: usize = 16;
const STATE_READS_MAX: usize = 64;
const EXTENSIONS_MAX: usize = 32;

/// Checks everything that the contract says of a manifest.
pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    identity(manifest)?;
    counts(manifest)?;
    kinds(manifest)?;
    let (writes, reads) = (manifest.state.writes, &manifest.state.reads);
    if writes == 0 || !reads.contains(&writes) {
        return Err(ManifestError::State { writes, reads: reads.clone() });
    }
    let mut ports = BTreeSet::from([0]);
    if let Some(port) = manifest.ports.iter().find(|port| !ports.insert(**port)) {
        return Err(ManifestError::Port(*port));
    }
    limits(manifest)
}

fn identity(manifest: &Manifest) -> Result<(), ManifestError> {
    let Manifest { name, version, contract, .. } = manifest;
    if name.len() > NAME_BYTES_MAX || !is_label(name) {
        return Err(ManifestError::Name(name.clone()));
    }
    if let Err(error) = semver::Version::parse(version) {
        return Err(ManifestError::Version { version: version.clone(), problem: error.to_string() });
    }
    match CONTRACT_VERSIONS.first() {
        Some(export) if contract != export => {
            Err(ManifestError::Contract { manifest: contract.clone(), export })
        }
        _ => Ok(()),
    }
}

fn counts(manifest: &Manifest) -> Result<(), ManifestError> {
    let lists = [
        ("children", manifest.children.len(), CHILDREN_MAX),
        ("observed-only", manifest.observed_only.len(), OBSERVED_ONLY_MAX),
        ("reads", manifest.reads.len(), READS_MAX),
        ("ports", manifest.ports.len(), PORTS_MAX),
        ("state.reads", manifest.state.reads.len(), STATE_READS_MAX),
    ];
    match lists.into_iter().find(|(_, count, limit)| count > limit) {
        Some((field, count, limit)) => Err(ManifestError::TooMany { field, count, limit }),
        None => Ok(()),
    }
}

fn kinds(manifest: &Manifest) -> Result<(), ManifestError> {
    let primary = ("primary", &manifest.primary);
    let children = manifest.children.iter().map(|child| ("children", &child.resource));
    let observed = manifest.observed_only.iter().map(|resource| ("observed-only", resource));
    let reads = manifest.reads.iter().map(|resource| ("reads", resource));
    for (field, resource) in
        std::iter::once(primary).chain(children.clone()).chain(observed.clone()).chain(reads)
    {
        kind(field, resource)?;
    }
    let mut seen = BTreeSet::new();
    for (field, ResourceKind { kind, .. }) in children.clone().chain(observed) {
        // Two versions of a kind are the same objects.
        if !seen.insert((&kind.group, &kind.kind)) {
            return Err(ManifestError::DuplicateKind { field, kind: kind.clone() });
        }
    }
    match children.map(|(_, child)| child).find(|child| !child.namespaced) {
        Some(child) if manifest.primary.namespaced => Err(ManifestError::ClusterScopedChild {
            child: child.kind.clone(),
            primary: manifest.primary.kind.clone(),
        }),
        _ => Ok(()),
    }
}

fn kind(field: &'static str, resource: &ResourceKind) -> Result<(), ManifestError> {
    let ResourceKind { kind, plural, namespaced: _ } = resource;
    let problem = if !kind.group.is_empty() && !kind.group.split('.').all(is_dns_label) {
        "its group is no DNS name"
    } else if !is_label(&kind.version) {
        "its version is no lower-case word, like v1"
    } else if !kind.kind.starts_with(|c: char| c.is_ascii_uppercase())
        || !kind.kind.chars().all(|c| c.is_ascii_alphanumeric())
    {
        "its name is no CamelCase word"
    } else if !is_label(plural) {
        "its plural is no lower-case word, like services"
    } else {
        return Ok(());
    };
    Err(ManifestError::Kind { field, kind: kind.clone(), problem })
}

fn limits(manifest: &Manifest) -> Result<(), ManifestError> {
    let limits = &manifest.limits;
    let zero = [
        ("memory-bytes", limits.memory_bytes == Some(0)),
        ("call-ms", limits.call_ms == Some(0)),
        ("reconcile-ms", limits.reconcile_ms == Some(0)),
        ("concurrency", limits.concurrency == Some(0)),
    ];
    match zero.into_iter().find(|(_, zero)| *zero) {
        Some((name, _)) => Err(ManifestError::Limit(name)),
        None => Ok(()),
    }
}

/// Extensions are unknown to this host, but must be well-formed.
pub(super) fn check_extensions(extensions: &[(String, String)]) -> Result<(), ManifestError> {
    let (count, limit) = (extensions.len(), EXTENSIONS_MAX);
    if count > limit {
        return Err(ManifestError::TooMany { field: "extensions", count, limit });
    }
    let mut names = BTreeSet::new();
    let bad = |(name, json): &&(String, String)| {
        !names.insert(name.clone()) || serde_json::from_str::<serde::de::IgnoredAny>(json).is_err()
    };
    match extensions.iter().find(bad) {
        Some((name, _)) => Err(ManifestError::Extension(name.clone())),
        None => Ok(()),
    }
}

/// A DNS label that begins with a letter.
fn is_label(text: &str) -> bool {
    is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_dns_label(text: &str) -> bool {
    const DNS_LABEL_BYTES_MAX: usize = 63;
    (1..=DNS_LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
