//! A component that does what its resource, a Thing, says.

use operlet_test_guests::{
    export_operator,
    operlet::operator::diagnostics::{self, Level},
    reconciler::{Decision, Failure, Guest, Manifest, Observation},
    report_panics,
    scripted::{self, THINGS},
};

struct Scripted;

impl Guest for Scripted {
    fn describe() -> Manifest {
        scripted::manifest(THINGS)
    }

    fn reconcile(observation: Observation) -> Result<Decision, Failure> {
        report_panics();
        diagnostics::log(Level::Info, &scripted::line(&observation));
        scripted::reconcile(&observation)
    }
}

export_operator!(Scripted);
