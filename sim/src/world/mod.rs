//! What is beside the API server: processes in containers, the network between them
//! and the volumes that outlive them.

mod application;
mod network;
mod volume;

pub use application::{Act, Application, Connection, Container, Event, Exec, Images};
pub(crate) use network::Ended;
pub use network::{Network, NetworkStream, Process};
pub use volume::Volume;
