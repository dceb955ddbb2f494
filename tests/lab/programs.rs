//! Everything that a lab runs, ready in the cache.

use crate::cache::Cache;
use crate::progress::Progress;
use crate::{go, images, packages};
use anyhow::Result;
use std::path::PathBuf;

/// Where the programs and images are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The binary with every program of Kubernetes.
    pub kubernetes: PathBuf,
    /// The directory of containerd, its shim and tool, and the network plugins.
    pub node: PathBuf,
    /// The directory of what was fetched of Debian's packages.
    pub packages: PathBuf,
    /// The directory of image archives.
    pub images: PathBuf,
}

impl Programs {
    /// Builds or fetches what is missing.
    pub(crate) fn ready(progress: Progress) -> Result<Self> {
        let cache = Cache::open()?;
        // What is quick comes first: a mistake in the machine's setup shows at once.
        go::check(&cache)?;
        Ok(Self {
            packages: packages::directory(&cache, progress)?,
            images: images::directory(&cache, progress)?,
            node: go::node(&cache, progress)?,
            kubernetes: go::kubernetes(&cache, progress)?,
        })
    }
}
