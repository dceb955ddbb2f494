//! The lab: a real Kubernetes on this machine, for the end-to-end tests and for
//! trying things out.
//!
//! A lab is etcd, an API server with its controllers, DNS, and nodes that are
//! network, process and mount namespaces with containerd, a kubelet and
//! kube-proxy each. Nothing is installed and nothing is pulled: programs are
//! built from pinned Go modules or unpacked from Debian's packages into a cache.
//!
//! ```no_run
//! use operlet_lab::{Lab, Options, Progress};
//!
//! # fn main() -> anyhow::Result<()> {
//! let lab = Lab::up(&Options { name: "demo".parse()?, nodes: Some(3), progress: Progress::Shown })?;
//! lab.apply("{apiVersion: v1, kind: Namespace, metadata: {name: trial}}")?;
//! lab.kill_node(2)?;
//! lab.down()
//! # }
//! ```
//!
//! # Guarantees
//! - Every address is private and on this machine; nodes have no way out.
//! - Labs of different names do not touch each other.
//! - [`remove`] leaves nothing: processes, interfaces, namespaces, cgroups, mounts, files.
//! - A process is ended only if it is on record or in a cgroup of the lab.
//!
//! # Caveats
//! - etcd never syncs to disk: after a crash of the machine, take the lab down.
//! - NetworkPolicies are accepted and not enforced.
//! - There is no registry: images are imported, and `imagePullPolicy: Always` fails.

mod audit;
pub mod cache;
mod cgroup;
mod command;
mod control;
mod debian;
mod dns;
mod down;
pub mod files;
mod go;
pub mod image;
mod images;
mod lab;
mod name;
mod network;
mod node;
mod packages;
mod pki;
mod plan;
mod pods;
mod preflight;
mod process;
mod programs;
pub mod progress;
mod render;
pub mod shell;
mod state;
mod status;
mod up;
mod wait;

pub use audit::{AuditEntry, AuditMark};
pub use command::LabCommand;
pub use control::Component;
pub use down::remove;
pub use go::kubernetes_sources;
pub use images::{BUSYBOX, archives, references};
pub use lab::{Lab, Options};
pub use name::Name;
pub use pods::PodProcess;
pub use progress::Progress;
pub use status::{Condition, Part, Status};
