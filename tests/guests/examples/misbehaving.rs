//! A component that behaves as `settings.behaviour` says, and well without it.

use operlet_test_guests::{
    behaviour::behave,
    export_operator, manifest,
    reconciler::{Decision, Failure, Guest, Manifest, Observation},
    report_panics, show,
};

struct Misbehaving;

impl Guest for Misbehaving {
    fn describe() -> Manifest {
        manifest()
    }

    fn reconcile(observation: Observation) -> Result<Decision, Failure> {
        report_panics();
        let wanted = behaviour(&observation.settings);
        behave(wanted, &observation).unwrap_or_else(|| Ok(show(&observation)))
    }
}

export_operator!(Misbehaving);

fn behaviour(settings: &str) -> &str {
    const KEY: &str = "\"behaviour\":\"";
    settings.split_once(KEY).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(behaviour, _)| behaviour)
}
