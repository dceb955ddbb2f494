//! A cluster with nodes, in which Operlet is installed.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use operlet_sim::{ApiServer, Clock, Controllers, Network, Seen, World};
use serde_json::{Map, Value, json};

use crate::{invariants::Invariants, prepared::Prepared, server::Servers, trace::Trace};

/// The nodes of every cluster.
pub(crate) const NODES: [&str; 3] = ["one", "two", "three"];

/// The class of volumes of every cluster.
pub(crate) const STORAGE: &str = "standard";

/// A cluster, and what is beside its API server.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) network: Network,
    pub(crate) world: World,
    pub(crate) servers: Servers,
    pub(crate) invariants: Invariants,
}

/// Makes one.
pub(crate) async fn new(prepared: &Prepared, seed: u64, trace: &Trace) -> Result<Cluster> {
    let clock: Clock = Arc::new(jiff::Timestamp::now);
    let server = ApiServer::new(clock, seed);
    let (network, servers) = (Network::new(seed), Servers::default());
    let invariants = Invariants::new(servers.clone());
    let (noted, held) = (trace.clone(), invariants.clone());
    server.observe(move |seen| {
        let user = seen.user.rsplit(':').next().unwrap_or_default();
        noted.note(&format!("{user} {} {} {}", seen.method, seen.path, seen.code));
        noted.add(seen.body);
        noted.explain(|| explained(seen));
        held.see(seen);
    });
    tokio::spawn(network.clone().run());
    let controllers = Controllers::new(server.clone(), network.clone(), Arc::new(servers.clone()));
    let world = controllers.world();
    tokio::spawn(controllers.run());
    let client = server.administrator();
    for name in NODES {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        apply(&client, &node).await?;
        api(&client, &node).patch_status(name, &params(), &Patch::Apply(&node)).await?;
    }
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": STORAGE },
        "provisioner": "example.com/volumes", "allowVolumeExpansion": true,
    });
    apply(&client, &class).await?;
    for object in &prepared.objects {
        apply(&client, object).await?;
    }
    Ok(Cluster { server, network, world, servers, invariants })
}

/// What a status says of who leads, where one is written.
fn explained(seen: &Seen<'_>) -> Option<String> {
    if !seen.path.contains("/redises/") || !seen.path.contains("/status?") {
        return None;
    }
    let body: Value = serde_json::from_slice(seen.body).ok()?;
    let status = body.get("status")?;
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let followers = status.get("followers").and_then(Value::as_array).into_iter().flatten();
    let followers: Vec<&str> = followers.filter_map(|one| one.get("pod")?.as_str()).collect();
    Some(format!(
        "epoch {}, {} leads, {} may follow; {} {} to {}; {}",
        status.get("epoch").unwrap_or(&Value::Null),
        text("/primary/pod"),
        followers.join(" and "),
        text("/failover/phase"),
        text("/failover/cause"),
        text("/failover/to/pod"),
        text("/phase"),
    ))
}

fn params() -> PatchParams {
    PatchParams::apply("admin").force()
}

/// Objects of the kind and namespace of this one.
pub(crate) fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, text("/kind"));
    let plural = match text("/kind") {
        kind if kind.ends_with('s') => format!("{}es", kind.to_lowercase()),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
    match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Applies an object.
pub(crate) async fn apply(client: &Client, object: &Value) -> Result<()> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let applied = api(client, object).patch(name, &params(), &Patch::Apply(object)).await;
    applied
        .map(drop)
        .with_context(|| format!("{} {name} cannot be applied", object.get("kind").unwrap_or(&Value::Null)))
}

/// Kinds that tell what has happened, and not what is.
const TOLD: [&str; 2] = ["Event", "Lease"];

/// What the addresses of pods begin with.
const PODS: &str = "10.244.";

/// Fields that differ by chance or by time.
const CHANCE: [&str; 16] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "lastTransitionTime",
    "startTime",
    "startedAt",
    "generation",
    "observedGeneration",
    "containerID",
    "clusterIP",
    "clusterIPs",
    "nodeName",
    "since",
    "runID",
    "replid",
];

/// All objects, without what differs by chance.
pub(crate) fn end(cluster: &ApiServer) -> Vec<(String, Value)> {
    let text = |object: &Value, pointer: &str| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let objects =
        cluster.objects().into_iter().filter(|object| !TOLD.contains(&text(object, "/kind").as_str()));
    objects
        .map(|object| {
            let name = [
                text(&object, "/kind"),
                text(&object, "/metadata/namespace"),
                text(&object, "/metadata/name"),
            ];
            (name.join("/"), without_chance(&object))
        })
        .collect()
}

fn without_chance(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let secret = object.get("kind") == Some(&json!("Secret"));
            let mut kept = Map::new();
            for (key, value) in object.iter().filter(|(key, _)| !CHANCE.contains(&key.as_str())) {
                let value = match value {
                    Value::Object(data) if secret && key == "data" => data.keys().cloned().collect(),
                    value => without_chance(value),
                };
                // Items that managers name by a uid or an address.
                let key = match key.as_str() {
                    key if key.starts_with("k:{\"uid\"") => "k:{uid}",
                    key if key.starts_with("k:{\"ip\"") => "k:{ip}",
                    key => key,
                };
                kept.insert(key.to_owned(), value);
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(without_chance).collect();
            // Conditions are told in the order in which they came up.
            items.sort_by_key(|item| item.get("type").and_then(Value::as_str).map(str::to_owned));
            Value::Array(items)
        }
        Value::String(text) if text.starts_with(PODS) => json!("an address"),
        other => other.clone(),
    }
}
