//! A component that does what its resource, a FinalThing, says; it wants a finalizer.

use operlet_test_guests::{
    export_operator,
    operlet::operator::diagnostics::{self, Level},
    reconciler::{Decision, Failure, Guest, Manifest, Observation},
    report_panics,
    scripted::{self, FINAL_THINGS},
};

struct ScriptedFinalizer;

impl Guest for ScriptedFinalizer {
    fn describe() -> Manifest {
        scripted::manifest(FINAL_THINGS)
    }

    fn reconcile(observation: Observation) -> Result<Decision, Failure> {
        report_panics();
        diagnostics::log(Level::Info, &scripted::line(&observation));
        scripted::reconcile(&observation)
    }
}

export_operator!(ScriptedFinalizer);
