//! A component that does what its resource, a FinalThing, says; it wants a finalizer.

use operlet_test_guests::{
    export_operator,
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
        scripted::reconcile(&observation)
    }
}

export_operator!(ScriptedFinalizer);
