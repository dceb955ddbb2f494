//! The Operlet resource: where components come from, which are let in, and the
//! host's own copies of them.

mod admission;
mod copies;
mod crd;
mod package;
mod source;
mod terms;

pub use admission::{Admitted, Refusal, admit, succeeds};
pub use copies::{CopyError, load_copy, remove_other_copies, store_copy};
pub use crd::{
    CandidateStatus, ComponentStatus, ConfigMapSource, DeletionBudgetSpec, DeletionStatus, DialSpec,
    FinalizerSpec, KindStatus, LimitsSpec, Operlet, OperletSpec, OperletStatus, Source,
};
pub use package::{COMPONENT_KEY, COMPONENT_ZSTD_KEY, DIGEST_ANNOTATION, Package, UnpackError, pack, unpack};
pub use source::{SourceError, read_source};
pub use terms::Terms;
