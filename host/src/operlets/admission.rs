//! Which component may take over.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::ComponentStatus;
use crate::{
    engine::{Component, DescribeError, Engine, LoadError},
    model::{Digest, GroupVersionKind, Manifest},
};

/// Why a component does not become live. The live one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not the one that the Operlet pins.
    #[error("the component is {found}, but spec.digest allows only {pinned}")]
    OtherDigest {
        /// What was found.
        found: Digest,
        /// What is allowed.
        pinned: String,
    },
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot say what it is.
    #[error("the component cannot say what it is: {0}")]
    Describe(#[source] Box<DescribeError>),
    /// It reconciles another kind than the live one.
    #[error("the component reconciles {candidate}, the live one {live}; install it as an Operlet of its own")]
    OtherKind {
        /// What the candidate reconciles.
        candidate: String,
        /// What the live one reconciles.
        live: String,
    },
    /// It would misread the state that is on record.
    #[error(
        "the component reads state versions {reads:?}, but the live one writes version {writes}; \
         ship a version that reads it first"
    )]
    CannotReadState {
        /// What the candidate reads.
        reads: Vec<u32>,
        /// What is on record.
        writes: i64,
    },
    /// Another Operlet has the kind.
    #[error("{kind} is reconciled by the Operlet {other} already; two would fight over every resource")]
    KindTaken {
        /// The kind.
        kind: GroupVersionKind,
        /// Who has it.
        other: String,
    },
    /// Compiling it was given up.
    #[error("the component could not be compiled: the host is stopping or out of memory")]
    Abandoned,
}

impl Refusal {
    /// Whether it says something of the moment rather than of the component.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::KindTaken { .. } | Self::Abandoned | Self::Load(LoadError::NotCompiled { .. }) => true,
            Self::Describe(error) => match error.as_ref() {
                DescribeError::Call(error) => !error.is_components_fault(),
                _ => false,
            },
            _ => false,
        }
    }

    /// One CamelCase word for conditions and events.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherDigest { .. } => "DigestMismatch",
            Self::Load(_) => "InvalidComponent",
            Self::Describe(_) => "DescribeFailed",
            Self::OtherKind { .. } => "OtherKind",
            Self::CannotReadState { .. } => "CannotReadState",
            Self::KindTaken { .. } => "KindTaken",
            Self::Abandoned => "Abandoned",
        }
    }
}

/// A component that was let in.
#[derive(Clone)]
pub struct Admitted {
    /// Its digest.
    pub digest: Digest,
    /// Ready to be called.
    pub component: Component,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
}

/// Compiles a component, off the threads that reconcile, and asks what it is.
///
/// # Errors
/// A [`Refusal`] if it is not a valid component or not the pinned one, or if it was
/// told to stop meanwhile.
pub async fn admit(
    engine: &Engine,
    bytes: Vec<u8>,
    pinned: Option<&str>,
    stop: &CancellationToken,
) -> Result<Admitted, Refusal> {
    let digest = Digest::of(&bytes);
    if let Some(pinned) = pinned
        && pinned != digest.to_string()
    {
        return Err(Refusal::OtherDigest { found: digest, pinned: pinned.to_owned() });
    }
    let component = match engine.loaded(&digest) {
        Some(component) => component,
        None => compile(engine, bytes, stop).await?,
    };
    let manifest = component.describe().await.map_err(|error| Refusal::Describe(Box::new(error)))?;
    Ok(Admitted { digest, component, manifest: Arc::new(manifest) })
}

async fn compile(engine: &Engine, bytes: Vec<u8>, stop: &CancellationToken) -> Result<Component, Refusal> {
    let (loader, stop) = (engine.clone(), stop.clone());
    let loaded = tokio::task::spawn_blocking(move || loader.load_unless(&bytes, &|| stop.is_cancelled()));
    Ok(loaded.await.map_err(|_| Refusal::Abandoned)??)
}

/// Whether a candidate may follow what is on record as live.
///
/// # Errors
/// A [`Refusal`] if it reconciles another kind or cannot read the state.
pub fn succeeds(candidate: &Manifest, live: &ComponentStatus) -> Result<(), Refusal> {
    let GroupVersionKind { group, version: _, kind } = &candidate.primary.kind;
    if (group, kind) != (&live.group, &live.kind) {
        let (candidate, live) = (format!("{kind}.{group}"), format!("{}.{}", live.kind, live.group));
        return Err(Refusal::OtherKind { candidate, live });
    }
    let (reads, writes) = (&candidate.state.reads, live.state_version);
    if !reads.iter().any(|version| i64::from(*version) == writes) {
        return Err(Refusal::CannotReadState { reads: reads.clone(), writes });
    }
    Ok(())
}
