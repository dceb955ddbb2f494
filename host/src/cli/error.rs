//! Why a command did not do what it was told.

use std::{io, path::PathBuf};

use crate::{
    engine::{CallError, DescribeError, EngineError, LoadError},
    plan::Refusal,
};

/// Why a command did not do what it was told: which file, what is wrong with it,
/// and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// Where to.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not YAML.
    #[error("{file} is not valid YAML: {problem}")]
    Yaml {
        /// Which.
        file: PathBuf,
        /// What the parser says.
        problem: String,
    },
    /// A file does not hold what it should.
    #[error("{file}: {problem}")]
    Content {
        /// Which.
        file: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The engine could not be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file is not a component for this host.
    #[error("{file} cannot be loaded: {source}")]
    Load {
        /// Which.
        file: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// A component does not say what it is.
    #[error("{file} cannot be used: {source}")]
    Describe {
        /// Which.
        file: PathBuf,
        /// Why.
        source: DescribeError,
    },
    /// A component gave no decision.
    #[error("the call of {file} failed: {source}")]
    Call {
        /// Which.
        file: PathBuf,
        /// Why.
        source: CallError,
    },
    /// A component answered with a failure.
    #[error("the component answered with a failure: {0}")]
    Failure(String),
    /// A decision cannot be shown.
    #[error("the component wants {0}, which cannot be followed without a cluster")]
    NotOffline(&'static str),
    /// The host would refuse the decision.
    #[error("the host would refuse this decision as a whole: {0}")]
    Refused(#[from] Refusal),
    /// A component does not fit into a ConfigMap.
    #[error(
        "{file} does not fit into a ConfigMap: {packed} bytes compressed ({raw} unpacked), and the limit is \
         {limit}; make it smaller (for Rust: opt-level \"z\", lto, and types of your own instead of \
         generated ones)"
    )]
    TooLarge {
        /// Which.
        file: PathBuf,
        /// Its size.
        raw: usize,
        /// Its size compressed.
        packed: usize,
        /// What a ConfigMap holds.
        limit: usize,
    },
    /// A component cannot be compressed.
    #[error("cannot compress {file}: {source}")]
    Compress {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An argument names something that cannot be.
    #[error("{0}")]
    Argument(String),
}
