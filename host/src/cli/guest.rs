//! A component from a file, ready to be asked.

use std::path::{Path, PathBuf};

use super::{CliError, input};
use crate::{
    engine::{Component, Engine, EngineOptions},
    model::Manifest,
};

/// A component from a file, and what it says of itself.
pub(super) struct Guest {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) component: Component,
    pub(super) manifest: Manifest,
}

/// Loads a component and asks what it is; what the host would refuse is refused
/// here.
pub(super) async fn load(file: &Path) -> Result<Guest, CliError> {
    let bytes = input::read(file)?;
    // A command makes one call at a time.
    let engine = Engine::new(EngineOptions { calls_max: 1, ..EngineOptions::default() })?;
    let component = engine.load(&bytes).map_err(|source| CliError::Load { file: file.to_owned(), source })?;
    let described = component.describe().await;
    let manifest = described.map_err(|source| CliError::Describe { file: file.to_owned(), source })?;
    Ok(Guest { file: file.to_owned(), bytes, component, manifest })
}
