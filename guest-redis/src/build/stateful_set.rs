use super::Instance;
use crate::{
    kubernetes::{
        Capabilities, Claim, ClaimRequests, ClaimResources, ClaimSpec, ClaimTemplates, Container,
        ContainerPort, DnsConfig, DnsOption, EnvironmentVariable, Exec, FieldReference, Handler, KeyToPath,
        LabelSelector, Lifecycle, Map, Metadata, PodSecurityContext, PodSpec, PodTemplate, Probe,
        SeccompProfile, SecurityContext, StatefulSet, StatefulSetSpec, TemplateMetadata,
        TopologySpreadConstraint, UpdateStrategy, ValueFrom, Volume, VolumeMount, VolumeSource,
    },
    names::{CONFIG_ANNOTATION, PORT},
    observed::Observed,
    spec::{Retention, RetentionPolicy, Storage},
};

/// The user and group `redis` of the official images of Redis and Valkey.
const USER: u32 = 999;

/// How long a server may take to answer at all; it answers while it loads.
const START_SECONDS: u32 = 60;

/// How often readiness is asked for: each time is a shell and a client.
const READY_SECONDS: u32 = 2;

/// How long a probe may take: on a busy node it takes longer than a second to start it.
const PROBE_SECONDS: u32 = 3;

/// Enough to hand over and to write a last snapshot of a data set of some gigabytes.
const TERMINATION_SECONDS: u32 = 60;

/// The pods. `serviceName`, `podManagementPolicy`, `selector` and the claim templates
/// can never change.
pub(super) fn stateful_set<'a>(
    instance: &'a Instance<'a>,
    observed: &'a Observed<'a>,
    pods: i32,
) -> StatefulSet<'a> {
    let names = instance.names;
    let storage = instance.spec.storage.as_ref();
    StatefulSet {
        api_version: "apps/v1",
        kind: "StatefulSet",
        metadata: instance.metadata(names.redis),
        spec: StatefulSetSpec {
            service_name: &names.headless,
            replicas: pods,
            pod_management_policy: "Parallel",
            // The protocol says which pod goes when.
            update_strategy: UpdateStrategy { class: "OnDelete" },
            persistent_volume_claim_retention_policy: storage.map(|storage| retention(storage, pods)),
            selector: LabelSelector { match_labels: names.selector() },
            template: PodTemplate {
                metadata: TemplateMetadata {
                    labels: names.labels(),
                    annotations: Map::from([(CONFIG_ANNOTATION, instance.config_hash.as_str())]),
                },
                spec: pod_spec(instance),
            },
            volume_claim_templates: storage.map(|storage| claim_templates(instance, storage, observed)),
        },
    }
}

/// Without pods it is hibernated: then all that is left is on the claims.
fn retention(storage: &Storage, pods: i32) -> Retention {
    let when_scaled = if pods == 0 { RetentionPolicy::Retain } else { storage.retention.when_scaled };
    Retention { when_scaled, ..storage.retention }
}

fn claim_templates<'a>(
    instance: &'a Instance<'a>,
    storage: &'a Storage,
    observed: &'a Observed<'a>,
) -> ClaimTemplates<'a> {
    let existing = observed.stateful_set.as_ref().and_then(|set| set.spec.volume_claim_templates);
    if let Some(templates) = existing {
        return ClaimTemplates::Observed(templates);
    }
    ClaimTemplates::New([Claim {
        api_version: "v1",
        kind: "PersistentVolumeClaim",
        metadata: Metadata { name: "data", labels: instance.names.selector(), annotations: Map::new() },
        spec: ClaimSpec {
            access_modes: Some(["ReadWriteOnce"]),
            storage_class_name: storage.storage_class_name.as_deref(),
            resources: ClaimResources { requests: ClaimRequests { storage: &storage.size } },
        },
    }])
}

fn pod_spec<'a>(instance: &'a Instance<'a>) -> PodSpec<'a> {
    let scheduling = &instance.spec.scheduling;
    PodSpec {
        automount_service_account_token: false,
        // A Service called `redis` would otherwise set variables that clients read.
        enable_service_links: false,
        termination_grace_period_seconds: TERMINATION_SECONDS,
        security_context: PodSecurityContext {
            run_as_non_root: true,
            run_as_user: USER,
            run_as_group: USER,
            fs_group: USER,
            fs_group_change_policy: "OnRootMismatch",
            seccomp_profile: SeccompProfile { class: "RuntimeDefault" },
        },
        // The server looks names up on its main thread: it must not hang there.
        dns_config: DnsConfig {
            options: [DnsOption { name: "timeout", value: "1" }, DnsOption { name: "attempts", value: "2" }],
        },
        affinity: scheduling.affinity.as_deref(),
        node_selector: &scheduling.node_selector,
        priority_class_name: scheduling.priority_class_name.as_deref(),
        tolerations: &scheduling.tolerations,
        topology_spread_constraints: [TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname",
            when_unsatisfiable: "ScheduleAnyway",
            label_selector: LabelSelector { match_labels: instance.names.selector() },
        }],
        containers: [container(instance)],
        volumes: volumes(instance),
    }
}

fn container<'a>(instance: &'a Instance<'a>) -> Container<'a> {
    let names = instance.names;
    let mount = |name, mount_path, read_only| VolumeMount { name, mount_path, read_only };
    Container {
        name: "redis",
        image: instance.image,
        image_pull_policy: "IfNotPresent",
        command: ["/bin/sh", "/etc/redis/start.sh"],
        env: [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            variable("HEADLESS_SERVICE", &names.headless),
            field("POD_UID", "metadata.uid"),
        ],
        ports: [ContainerPort { name: "redis", container_port: PORT, protocol: "TCP" }],
        resources: &instance.spec.resources,
        lifecycle: Lifecycle {
            pre_stop: Handler {
                exec: Exec {
                    command: vec![
                        "/bin/sh",
                        "/etc/redis/probe.sh",
                        "handed-over",
                        &instance.hand_over,
                        &instance.liveness_timeout,
                    ],
                },
            },
        },
        startup_probe: probe("started", START_SECONDS),
        liveness_probe: Probe {
            // One that does not answer does not end in good order either.
            termination_grace_period_seconds: Some(1),
            timeout_seconds: super::liveness_timeout(instance.spec),
            // One long one rather than many short ones: a probe that is slow to start, which is
            // a shell and a client, proves nothing.
            ..probe("live", 1)
        },
        readiness_probe: Probe { period_seconds: READY_SECONDS, ..probe("ready", 2) },
        security_context: SecurityContext {
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            capabilities: Capabilities { drop: ["ALL"] },
        },
        volume_mounts: [
            mount("data", "/data", false),
            mount("run", "/run/redis", false),
            mount("config", "/etc/redis", true),
            mount("auth", "/etc/redis-auth", true),
            mount("operator", "/etc/redis-operator", true),
        ]
        .into_iter()
        .chain(instance.spec.tls.as_ref().map(|_| mount("tls", "/etc/redis-tls", true)))
        .collect(),
    }
}

fn probe(question: &'static str, failure_threshold: u32) -> Probe {
    Probe {
        exec: Exec { command: vec!["/bin/sh", "/etc/redis/probe.sh", question] },
        period_seconds: 1,
        timeout_seconds: PROBE_SECONDS,
        failure_threshold,
        termination_grace_period_seconds: None,
    }
}

fn entry(name: &'static str) -> KeyToPath {
    KeyToPath { key: name, path: name }
}

fn field(name: &'static str, field_path: &'static str) -> EnvironmentVariable<'static> {
    let value_from = Some(ValueFrom { field_ref: FieldReference { field_path } });
    EnvironmentVariable { name, value: None, value_from }
}

fn variable<'a>(name: &'static str, value: &'a str) -> EnvironmentVariable<'a> {
    EnvironmentVariable { name, value: Some(value), value_from: None }
}

fn volumes<'a>(instance: &'a Instance<'a>) -> Vec<Volume<'a>> {
    let mut volumes = vec![
        // In memory, for it holds the password.
        Volume {
            name: "run",
            source: VolumeSource::EmptyDir { medium: Some("Memory"), size_limit: Some("1Mi") },
        },
        Volume {
            name: "config",
            source: VolumeSource::ConfigMap { name: &instance.names.config, default_mode: 0o444 },
        },
        Volume {
            name: "auth",
            source: VolumeSource::Secret {
                secret_name: instance.secret_name(),
                default_mode: 0o440,
                items: vec![entry("password")],
            },
        },
        Volume {
            name: "operator",
            source: VolumeSource::Secret {
                secret_name: &instance.names.operator,
                default_mode: 0o440,
                // The key is the operator's alone.
                items: ["operator-hash", "probe-hash", "health-password"].map(entry).to_vec(),
            },
        },
    ];
    if let Some(tls) = &instance.spec.tls {
        let items = ["tls.crt", "tls.key", "ca.crt"].map(entry).to_vec();
        let source = VolumeSource::Secret { secret_name: &tls.secret_name, default_mode: 0o440, items };
        volumes.push(Volume { name: "tls", source });
    }
    if instance.spec.storage.is_none() {
        let source = VolumeSource::EmptyDir { medium: None, size_limit: None };
        volumes.push(Volume { name: "data", source });
    }
    volumes
}
