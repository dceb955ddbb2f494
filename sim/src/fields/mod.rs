//! Who manages which fields: the sets of `metadata.managedFields`.
//!
//! The shape and the operations follow Kubernetes' own library for server-side apply,
//! [structured-merge-diff](https://github.com/kubernetes-sigs/structured-merge-diff).

mod element;
mod json;
mod managers;
mod set;

pub(crate) use element::Element;
pub(crate) use managers::{Manager, Managers, Operation};
pub(crate) use set::{Node, Set};
