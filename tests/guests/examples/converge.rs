//! What the benchmarks reconcile: six objects for each `Bundle`, as a stateful
//! application has them, and a status that is written once.
//!
//! It reads and writes borrowed types, as a component should that is called often.

use operlet_sdk::{ConditionStatus, Decision, Failure, Kind, Manifest, Object, Observation, Operator, Outcome, kinds};
use serde::{Deserialize, Serialize};

const BUNDLE: Kind = Kind::new("bench.operlet.dev", "v1", "Bundle", "bundles", true);

/// Of a Bundle; the schema has the defaults.
#[derive(Deserialize)]
struct Spec<'a> {
    #[serde(borrow)]
    image: operlet_sdk::Text<'a>,
    port: u16,
    replicas: u32,
}

#[derive(Serialize)]
struct Status {
    phase: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a, T> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    labels: Labels<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct Labels<'a> {
    #[serde(rename = "app.kubernetes.io/name")]
    name: &'static str,
    #[serde(rename = "app.kubernetes.io/instance")]
    instance: &'a str,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    match_labels: Labels<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    data: Configuration<'a>,
}

#[derive(Serialize)]
struct Configuration<'a> {
    #[serde(rename = "server.conf")]
    server: &'a str,
}

#[derive(Serialize)]
struct Specified<T> {
    spec: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Service<'a> {
    #[serde(rename = "type")]
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none", rename = "clusterIP")]
    cluster_ip: Option<&'static str>,
    publish_not_ready_addresses: bool,
    selector: Labels<'a>,
    ports: [ServicePort; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServicePort {
    name: &'static str,
    protocol: &'static str,
    port: u16,
    target_port: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Budget<'a> {
    max_unavailable: u32,
    selector: Selector<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatefulSet<'a> {
    replicas: u32,
    service_name: &'a str,
    pod_management_policy: &'static str,
    revision_history_limit: u32,
    selector: Selector<'a>,
    template: Template<'a>,
}

#[derive(Serialize)]
struct Template<'a> {
    metadata: TemplateMetadata<'a>,
    spec: PodSpec<'a>,
}

#[derive(Serialize)]
struct TemplateMetadata<'a> {
    labels: Labels<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    automount_service_account_token: bool,
    termination_grace_period_seconds: u32,
    security_context: PodSecurity,
    containers: [Container<'a>; 1],
    volumes: [Volume<'a>; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSecurity {
    run_as_non_root: bool,
    run_as_user: u32,
    fs_group: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    name: &'static str,
    image: &'a str,
    args: [&'static str; 1],
    ports: [ContainerPort; 1],
    readiness_probe: Probe,
    liveness_probe: Probe,
    resources: Resources,
    volume_mounts: [Mount; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPort {
    name: &'static str,
    container_port: u16,
    protocol: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    tcp_socket: Socket,
    period_seconds: u32,
    timeout_seconds: u32,
}

#[derive(Serialize)]
struct Socket {
    port: &'static str,
}

#[derive(Serialize)]
struct Resources {
    requests: Amounts,
    limits: Amounts,
}

#[derive(Serialize)]
struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<&'static str>,
    memory: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: &'static str,
    mount_path: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_map: Option<ConfigMapVolume<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDir>,
}

#[derive(Serialize)]
struct ConfigMapVolume<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir {
    size_limit: &'static str,
}

struct Converge;

impl Operator for Converge {
    fn describe() -> Manifest {
        Manifest::new("converge", env!("CARGO_PKG_VERSION"), &BUNDLE)
            .child(&kinds::STATEFUL_SET)
            .child(&kinds::SERVICE)
            .child(&kinds::CONFIG_MAP)
            .child(&kinds::POD_DISRUPTION_BUDGET)
    }

    fn reconcile(observation: &Observation) -> Result<Decision, Failure> {
        let bundle: Object<Spec<'_>> = observation.resource_as()?;
        let (name, spec) = (bundle.metadata.name.as_str(), &bundle.spec);
        let labels = Labels { name: "bundle", instance: name };
        let names = Names::of(name);
        let mut outcome = Outcome::new();
        outcome
            .ensure(&whole("v1", "ConfigMap", &names.config, labels, Data {
                data: Configuration { server: &configuration(spec.port) },
            }))?
            .ensure(&service(&names.headless, labels, spec.port, true))?
            .ensure(&service(name, labels, spec.port, false))?
            .ensure(&service(&names.readers, labels, spec.port, false))?
            .ensure(&whole("policy/v1", "PodDisruptionBudget", name, labels, Specified {
                spec: Budget { max_unavailable: 1, selector: Selector { match_labels: labels } },
            }))?
            .ensure(&whole("apps/v1", "StatefulSet", name, labels, Specified {
                spec: stateful_set(spec, &names, labels),
            }))?
            .with_status(&Status { phase: "Ready" })?
            .condition("Ready", ConditionStatus::True, "Applied", "every object is applied");
        Ok(outcome.settle())
    }
}

/// Names of objects, made of that of the Bundle.
struct Names {
    config: String,
    headless: String,
    readers: String,
}

impl Names {
    fn of(name: &str) -> Self {
        Self {
            config: format!("{name}-config"),
            headless: format!("{name}-headless"),
            readers: format!("{name}-readers"),
        }
    }
}

fn whole<'a, T>(
    api_version: &'static str,
    kind: &'static str,
    name: &'a str,
    labels: Labels<'a>,
    content: T,
) -> Whole<'a, T> {
    Whole { api_version, kind, metadata: Metadata { name, labels }, content }
}

fn configuration(port: u16) -> String {
    format!("port {port}\nmaxclients 1000\ntimeout 0\nloglevel notice\nappendonly yes\nappendfsync everysec\n")
}

fn service<'a>(name: &'a str, labels: Labels<'a>, port: u16, headless: bool) -> Whole<'a, Specified<Service<'a>>> {
    let service = Service {
        class: "ClusterIP",
        cluster_ip: headless.then_some("None"),
        publish_not_ready_addresses: headless,
        selector: labels,
        ports: [ServicePort { name: "server", protocol: "TCP", port, target_port: "server" }],
    };
    whole("v1", "Service", name, labels, Specified { spec: service })
}

fn stateful_set<'a>(spec: &'a Spec<'a>, names: &'a Names, labels: Labels<'a>) -> StatefulSet<'a> {
    let probe = |period_seconds| Probe { tcp_socket: Socket { port: "server" }, period_seconds, timeout_seconds: 2 };
    let container = Container {
        name: "server",
        image: &spec.image,
        args: ["/etc/server/server.conf"],
        ports: [ContainerPort { name: "server", container_port: spec.port, protocol: "TCP" }],
        readiness_probe: probe(5),
        liveness_probe: probe(10),
        resources: Resources {
            requests: Amounts { cpu: Some("50m"), memory: "64Mi" },
            limits: Amounts { cpu: None, memory: "128Mi" },
        },
        volume_mounts: [
            Mount { name: "config", mount_path: "/etc/server" },
            Mount { name: "data", mount_path: "/data" },
        ],
    };
    let config = ConfigMapVolume { name: &names.config };
    StatefulSet {
        replicas: spec.replicas,
        service_name: &names.headless,
        pod_management_policy: "Parallel",
        revision_history_limit: 2,
        selector: Selector { match_labels: labels },
        template: Template {
            metadata: TemplateMetadata { labels },
            spec: PodSpec {
                automount_service_account_token: false,
                termination_grace_period_seconds: 30,
                security_context: PodSecurity { run_as_non_root: true, run_as_user: 999, fs_group: 999 },
                containers: [container],
                volumes: [
                    Volume { name: "config", config_map: Some(config), empty_dir: None },
                    Volume { name: "data", config_map: None, empty_dir: Some(EmptyDir { size_limit: "1Gi" }) },
                ],
            },
        },
    }
}

operlet_sdk::export!(Converge);
