//! The Redis operlet: it turns a `Redis` into a primary with replicas.
//!
//! Built for wasm it is a component for the Operlet host; on any other target the
//! same logic is a library, [`reconcile`](operlet_sdk::Operator::reconcile) an
//! ordinary function.

mod asked;
mod build;
mod carried;
mod chance;
#[cfg(feature = "crd")]
pub mod crd;
mod facts;
mod growth;
mod hash;
mod images;
mod kubernetes;
mod names;
mod observed;
pub mod protocol;
mod quantity;
mod reconcile;
mod recorded;
mod report;
pub mod settings;
pub mod spec;
pub mod status;
pub mod talk;
mod upkeep;
mod validate;

pub use build::users as acl;
use operlet_sdk::{Decision, Failure, Kind, Manifest, Observation, Operator, kinds};

/// The kind `Redis`.
pub const REDIS: Kind = Kind::new("redis.operlet.dev", "v1", "Redis", "redises", true);

/// The version of this component: of the package, unless the build gives another.
pub const VERSION: &str = match option_env!("OPERLET_COMPONENT_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// The version of what is on record in the status; 1 had no record.
const STATE: u32 = 2;

/// The operator of the kind `Redis`.
#[derive(Debug)]
pub struct RedisOperlet;

impl Operator for RedisOperlet {
    fn describe() -> Manifest {
        Manifest::new("redis", VERSION, &REDIS)
            .child(&kinds::STATEFUL_SET)
            .child(&kinds::SERVICE)
            .child(&kinds::CONFIG_MAP)
            .child(&kinds::POD_DISRUPTION_BUDGET)
            .child_kept(&kinds::SECRET)
            .child_kept(&kinds::PERSISTENT_VOLUME_CLAIM)
            .child_kept(&kinds::POD)
            .observes(&kinds::ENDPOINT_SLICE)
            .reads(&kinds::STORAGE_CLASS)
            .state(STATE, &[1, STATE])
            .port(names::PORT)
    }

    fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
        reconcile::reconcile(observation)
    }
}

operlet_sdk::export!(RedisOperlet);
