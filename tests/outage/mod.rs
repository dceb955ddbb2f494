//! What tests and benchmarks of failover share: a client that writes all the time
//! and knows what it was promised, a look at every server that asks whether it
//! would take a write, and the faults.
//!
//! All of it works on the lab alone and says what went wrong by its errors. Client
//! and look are threads in the network namespaces of nodes, where Services have
//! their addresses and where a node's own pods answer even when its cable is out.

pub(crate) mod faults;
pub(crate) mod log;
pub(crate) mod partition;
pub(crate) mod place;
pub(crate) mod route;
pub(crate) mod sampler;
pub(crate) mod seats;
pub(crate) mod seed;
pub(crate) mod subject;
pub(crate) mod wait;
pub(crate) mod wire;
pub(crate) mod writer;
