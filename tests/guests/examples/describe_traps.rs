//! A component that cannot even say what it is.

use operlet_test_guests::{
    export_operator,
    reconciler::{Decision, Failure, Guest, Manifest, Observation},
    report_panics,
};

struct DescribeTraps;

impl Guest for DescribeTraps {
    #[allow(clippy::panic, reason = "it is what this component is about")]
    fn describe() -> Manifest {
        report_panics();
        panic!("it does not know what it is")
    }

    fn reconcile(_: Observation) -> Result<Decision, Failure> {
        Err(Failure::Bug("it was called though it never said what it is".to_owned()))
    }
}

export_operator!(DescribeTraps);
