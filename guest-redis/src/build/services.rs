use operlet_sdk::{Failure, Outcome};

use super::{Instance, Selection};
use crate::{
    kubernetes::{Map, Metadata, Service, ServicePort, ServiceSpec},
    names::{POD_NAME_LABEL, PORT, ROLE_LABEL},
    observed::Observed,
    spec::{self, ServiceType},
};

const PORTS: [ServicePort; 1] =
    [ServicePort { name: "redis", port: PORT, target_port: "redis", protocol: "TCP" }];

/// What the read-write Service selects when it is closed: no pod has this name. Without
/// a selector the endpoints would stay as they were.
const NOBODY: &str = "none";

/// The headless, the read-write and the read-only Service.
pub(super) fn intend(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    selection: Selection,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    outcome.ensure(&headless(instance))?;
    outcome.ensure(&replicas(instance))?;
    lead(instance, observed, selection, outcome)
}

/// The read-write Service.
pub(super) fn lead(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    selection: Selection,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let before = observed.service.as_ref();
    let selected = match selection {
        Selection::Keep => before.and_then(|service| service.selects()).unwrap_or(NOBODY).to_owned(),
        Selection::Close => NOBODY.to_owned(),
        Selection::Select(ordinal) => instance.names.pod(ordinal),
    };
    let primary = primary(instance, &selected);
    // The late write of one who decided earlier must not lead clients back.
    match before {
        Some(before) => outcome.ensure_unchanged(&primary, before.version())?,
        None => outcome.ensure(&primary)?,
    };
    Ok(())
}

/// Gives every pod a name, also before it is ready: replicas must find a primary
/// that is still loading.
fn headless<'a>(instance: &'a Instance<'a>) -> Service<'a> {
    Service {
        api_version: "v1",
        kind: "Service",
        metadata: instance.metadata(&instance.names.headless),
        spec: ServiceSpec {
            class: ServiceType::ClusterIp,
            cluster_ip: Some("None"),
            publish_not_ready_addresses: true,
            selector: instance.names.selector(),
            ports: PORTS,
        },
    }
}

/// Leads to one pod, by its name: a role label could be on two for a moment. Also while
/// that is not ready: a replica may be promoted just when it is not.
fn primary<'a>(instance: &'a Instance<'a>, selected: &'a str) -> Service<'a> {
    let names = instance.names;
    let mut selector = names.selector();
    selector.insert(POD_NAME_LABEL, selected);
    let mut service = exposed(instance, names.redis, &instance.spec.services.primary, selector);
    service.spec.publish_not_ready_addresses = true;
    service
}

/// Leads to the replicas.
fn replicas<'a>(instance: &'a Instance<'a>) -> Service<'a> {
    let names = instance.names;
    let mut selector = names.selector();
    selector.insert(ROLE_LABEL, "replica");
    exposed(instance, &names.replicas, &instance.spec.services.replica, selector)
}

fn exposed<'a>(
    instance: &'a Instance<'a>,
    name: &'a str,
    wanted: &'a spec::Service,
    selector: Map<'a>,
) -> Service<'a> {
    let annotations = wanted.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Service {
        api_version: "v1",
        kind: "Service",
        metadata: Metadata { annotations, ..instance.metadata(name) },
        spec: ServiceSpec {
            class: wanted.kind,
            cluster_ip: None,
            publish_not_ready_addresses: false,
            selector,
            ports: PORTS,
        },
    }
}
