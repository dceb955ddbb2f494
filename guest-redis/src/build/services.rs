use super::Instance;
use crate::{
    kubernetes::{Map, Metadata, Service, ServicePort, ServiceSpec},
    names::{POD_NAME_LABEL, PORT, ROLE_LABEL},
    spec::{self, ServiceType},
};

const PORTS: [ServicePort; 1] =
    [ServicePort { name: "redis", port: PORT, target_port: "redis", protocol: "TCP" }];

/// The headless, the read-write and the read-only Service.
pub(super) fn services<'a>(instance: &'a Instance<'a>) -> [Service<'a>; 3] {
    [headless(instance), primary(instance), replicas(instance)]
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

/// Leads to one pod, by its name: a role label could be on two for a moment.
fn primary<'a>(instance: &'a Instance<'a>) -> Service<'a> {
    let names = instance.names;
    let mut selector = names.selector();
    selector.insert(POD_NAME_LABEL, &names.primary_pod);
    exposed(instance, names.redis, &instance.spec.services.primary, selector)
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
