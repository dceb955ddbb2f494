//! A component that claims to have been written against another contract.

use operlet_test_guests::{
    export_operator, manifest,
    reconciler::{Decision, Failure, Guest, Manifest, Observation},
};

struct DescribeInvalid;

impl Guest for DescribeInvalid {
    fn describe() -> Manifest {
        Manifest { contract: "0.3.0".to_owned(), ..manifest() }
    }

    fn reconcile(_: Observation) -> Result<Decision, Failure> {
        Err(Failure::Bug("it was called though its manifest is invalid".to_owned()))
    }
}

export_operator!(DescribeInvalid);
