//! `operlet inspect`: what a component is, and what it needs.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use k8s_openapi::api::rbac::v1::ClusterRole;
use serde::Serialize;

use super::{
    CliError, document,
    guest::{self, Guest},
    input, rights,
};
use crate::{
    model::{Manifest, RequestedLimits, ResourceKind},
    operlets::pack,
};

/// What `operlet inspect` may be told.
#[derive(Args, Clone, Debug)]
pub struct InspectOptions {
    /// The component
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,

    /// How it is shown
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = InspectFormat::Text)]
    output: InspectFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InspectFormat {
    /// For people
    Text,
    /// One YAML document
    Yaml,
    /// One JSON document
    Json,
}

/// All there is to say, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection<'a> {
    digest: String,
    bytes: Sizes,
    manifest: &'a Manifest,
    imports: &'a [String],
    exports: &'a [String],
    cluster_role: ClusterRole,
}

#[derive(Clone, Copy, Serialize)]
struct Sizes {
    unpacked: usize,
    zstd: usize,
}

pub(super) async fn inspect(options: InspectOptions) -> Result<(), CliError> {
    let guest = guest::load(&options.component).await?;
    let Guest { file, bytes, component, manifest } = &guest;
    let packed = pack(bytes).map_err(|source| CliError::Compress { file: file.clone(), source })?;
    let inspection = Inspection {
        digest: component.digest().to_string(),
        bytes: Sizes { unpacked: bytes.len(), zstd: packed.len() },
        manifest,
        imports: component.imports(),
        exports: component.exports(),
        cluster_role: rights::cluster_role(manifest),
    };
    input::print(&match options.output {
        InspectFormat::Text => text(&inspection),
        InspectFormat::Yaml => document::yaml(&inspection),
        InspectFormat::Json => document::json(&inspection),
    })
}

fn text(inspection: &Inspection<'_>) -> String {
    let Inspection { digest, bytes, manifest, imports, exports, cluster_role } = inspection;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<14} {value}");
    };
    line("name", &format!("{} {}", manifest.name, manifest.version));
    line("contract", &manifest.contract);
    line("digest", digest);
    line("size", &format!("{} bytes, {} compressed with zstd", bytes.unpacked, bytes.zstd));
    line("reconciles", &kind(&manifest.primary));
    let children = manifest.children.iter().map(|child| {
        let pruned = if child.prune { "deleted when no longer wanted" } else { "never deleted" };
        format!("{}, {pruned}", kind(&child.resource))
    });
    list(&mut line, "brings about", children);
    list(&mut line, "observes", manifest.observed_only.iter().map(kind));
    list(&mut line, "may ask for", manifest.reads.iter().map(kind));
    list(&mut line, "dials", manifest.ports.iter().map(|port| format!("port {port} of its own pods")));
    line("finalizer", if manifest.finalizer { "yes" } else { "no" });
    let reads: Vec<String> = manifest.state.reads.iter().map(u32::to_string).collect();
    line("state", &format!("writes version {}, reads {}", manifest.state.writes, reads.join(", ")));
    list(&mut line, "limits", limits(&manifest.limits));
    list(&mut line, "imports", imports.iter().cloned());
    list(&mut line, "exports", exports.iter().cloned());
    text.push_str("\nIts ServiceAccount needs these rights:\n\n");
    text.push_str(&document::yaml(&Role::from(cluster_role)));
    text.push_str("\nAdd `delete` for a kind that is never pruned but that it removes by name.\n");
    text
}

/// A role with what a file needs that is to be applied.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Role<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a kube::api::ObjectMeta,
    rules: &'a [k8s_openapi::api::rbac::v1::PolicyRule],
}

impl<'a> From<&'a ClusterRole> for Role<'a> {
    fn from(role: &'a ClusterRole) -> Self {
        let ClusterRole { metadata, rules, aggregation_rule: _ } = role;
        Self {
            api_version: "rbac.authorization.k8s.io/v1",
            kind: "ClusterRole",
            metadata,
            rules: rules.as_deref().unwrap_or_default(),
        }
    }
}

fn list(line: &mut impl FnMut(&str, &str), name: &str, values: impl IntoIterator<Item = String>) {
    let mut name = name;
    for value in values {
        line(name, &value);
        name = "";
    }
}

fn kind(resource: &ResourceKind) -> String {
    let scope = if resource.namespaced { "" } else { " (cluster-scoped)" };
    format!("{} {}{scope}", resource.kind.api_version(), resource.kind.kind)
}

fn limits(limits: &RequestedLimits) -> Vec<String> {
    let RequestedLimits { memory_bytes, call_ms, reconcile_ms, concurrency } = limits;
    let wanted = [
        memory_bytes.map(|bytes| format!("{bytes} bytes of memory")),
        call_ms.map(|ms| format!("{ms} ms of CPU time a call")),
        reconcile_ms.map(|ms| format!("{ms} ms a reconcile")),
        concurrency.map(|count| format!("{count} resources side by side")),
    ];
    let wanted: Vec<String> = wanted.into_iter().flatten().collect();
    if wanted.is_empty() { vec!["the host's defaults".to_owned()] } else { wanted }
}
