//! What is beside the API server: processes in containers, the network between them
//! and the volumes that outlive them.

mod application;
mod volume;

pub use application::{Act, Application, Connection, Container, Event, Exec, Images};
pub use volume::Volume;
