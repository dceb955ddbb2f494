//! The Redis that something happens to.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use operlet_lab::Lab;
use serde_json::{Value, json};

use super::{
    seats::{Seat, Watch},
    wait::{PATIENCE, until},
    wire::{Connection, Login},
};

pub(crate) const PORT: u16 = 6379;

/// How long nothing may be written until it counts as a fixpoint.
const STILL: Duration = Duration::from_secs(5);

/// How long it may take until then.
const STILL_MAX: Duration = Duration::from_secs(90);

/// How many nodes there are.
const NODES: u8 = 3;

/// A Redis on the lab.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) lab: Lab,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A spec with this many replicas, and with what else is said. Up to as many servers
/// as a lab has nodes are each on a node of its own.
pub(crate) fn spread(replicas: u8, name: &str, more: &Value) -> Value {
    let term = json!({
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": { "matchLabels": { "redis.operlet.dev/name": name } },
    });
    let rule = if replicas < NODES {
        json!({ "requiredDuringSchedulingIgnoredDuringExecution": [term] })
    } else {
        let term = json!({ "weight": 100, "podAffinityTerm": term });
        json!({ "preferredDuringSchedulingIgnoredDuringExecution": [term] })
    };
    let mut spec = json!({ "replicas": replicas, "scheduling": { "affinity": { "podAntiAffinity": rule } } });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    spec
}

impl Subject {
    /// Applies a spec.
    pub(crate) fn apply(&self, spec: &Value) -> Result<()> {
        let manifest = json!({
            "apiVersion": "redis.operlet.dev/v1",
            "kind": "Redis",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "spec": spec,
        });
        let mut kubectl = self.lab.kubectl_command();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        operlet_lab::shell::feed(&mut kubectl, &manifest.to_string()).map(drop)
    }

    /// Changes some of its spec.
    pub(crate) fn patch(&self, spec: &Value) -> Result<()> {
        let patch = json!({ "spec": spec }).to_string();
        let place = ["-n", &self.namespace, "redises", &self.name];
        self.lab.kubectl(&[&["patch"], &place[..], &["--type=merge", "-p", &patch]].concat()).map(drop)
    }

    /// An object of its namespace.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.lab.kubectl(&["get", kind, name, "-n", &self.namespace, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The objects of some kinds that were made for it.
    fn objects(&self, kinds: &str) -> Result<Vec<Value>> {
        let selector = self.selector();
        let text = self.lab.kubectl(&["get", kinds, "-n", &self.namespace, "-l", &selector, "-o", "json"])?;
        let mut list: Value = serde_json::from_str(&text)?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => bail!("kubectl printed no list"),
        }
    }

    /// What selects its pods.
    pub(crate) fn selector(&self) -> String {
        format!("redis.operlet.dev/name={}", self.name)
    }

    /// Its pods that have an address, by their names.
    pub(crate) fn pods(&self) -> Result<Vec<Seat>> {
        let mut pods: Vec<Seat> = self.objects("pods")?.iter().filter_map(Seat::of).collect();
        pods.sort_by(|one, other| one.pod.cmp(&other.pod));
        Ok(pods)
    }

    /// Follows its pods.
    pub(crate) fn watch(&self) -> Watch {
        Watch::start(&self.lab, &self.namespace, &self.selector())
    }

    /// The pod that the status names as primary.
    pub(crate) fn primary_name(&self) -> Result<String> {
        let redis = self.object("redises", &self.name)?;
        let pod = redis.pointer("/status/primary/pod").and_then(Value::as_str);
        Ok(pod.with_context(|| format!("no primary: {}", status(&redis)))?.to_owned())
    }

    /// That pod.
    pub(crate) fn primary(&self) -> Result<Seat> {
        let name = self.primary_name()?;
        let pods = self.pods()?;
        pods.into_iter()
            .find(|pod| pod.pod == name)
            .with_context(|| format!("the primary {name} has no address"))
    }

    /// The pods that the status does not name as primary.
    pub(crate) fn replicas(&self) -> Result<Vec<Seat>> {
        let name = self.primary_name()?;
        Ok(self.pods()?.into_iter().filter(|pod| pod.pod != name).collect())
    }

    /// Where applications write.
    pub(crate) fn service(&self) -> Result<SocketAddr> {
        let service = self.object("services", &self.name)?;
        let address = service.pointer("/spec/clusterIP").and_then(Value::as_str);
        Ok((address.context("the Service has no address")?.parse::<std::net::IpAddr>()?, PORT).into())
    }

    /// Who an application is.
    pub(crate) fn login(&self) -> Result<Login> {
        let redis = self.object("redises", &self.name)?;
        let name = redis.pointer("/status/secretName").and_then(Value::as_str);
        let secret = self.object("secrets", name.context("the status names no Secret")?)?;
        let entry = |key: &str| {
            let value = secret.pointer(&format!("/data/{key}")).and_then(Value::as_str);
            value.map(|value| anyhow::Ok(String::from_utf8(STANDARD.decode(value)?)?)).transpose()
        };
        let password = entry("password")?.context("the Secret has no password")?;
        Ok(Login::new(entry("username")?, password))
    }

    /// A connection to the server that the status names as primary, from this machine.
    pub(crate) fn connect(&self, login: &Login) -> Result<Connection> {
        let address = (self.primary()?.address, PORT).into();
        Connection::open(address, login)
            .with_context(|| format!("cannot connect to the primary at {address}"))
    }

    /// Whether all is as it should be: every pod is ready, and the Service selects
    /// the primary that the status names.
    pub(crate) fn is_well(&self, pods: usize) -> Result<String> {
        let redis = self.object("redises", &self.name)?;
        let told = || status(&redis).to_string();
        let field = |pointer: &str| redis.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let observed = redis.pointer("/status/observedGeneration");
        ensure!(
            observed.is_some() && observed == redis.pointer("/metadata/generation"),
            "not seen yet: {}",
            told()
        );
        ensure!(field("/status/phase") == "Running", "it does not run: {}", told());
        ensure!(field("/status/ready") == format!("{pods}/{pods}"), "pods are missing: {}", told());
        let service = self.object("services", &self.name)?;
        let selected = service.pointer("/spec/selector/statefulset.kubernetes.io~1pod-name");
        let (primary, selected) = (field("/status/primary/pod"), selected.and_then(Value::as_str));
        ensure!(
            selected == Some(primary),
            "the Service selects {selected:?}, the primary is {primary}: {}",
            told()
        );
        let found = self.objects("pods")?;
        let terminating = |pod: &&Value| pod.pointer("/metadata/deletionTimestamp").is_some();
        let leaving = found.iter().filter(terminating).count();
        ensure!(found.len() == pods && leaving == 0, "{} pods, {leaving} of them leaving", found.len());
        Ok(primary.to_owned())
    }

    /// Waits until it is well; the primary.
    pub(crate) fn gets_well(&self, pods: usize) -> Result<String> {
        until(&format!("{} with {pods} pods is well", self.name), PATIENCE, || self.is_well(pods))
    }

    /// Waits until nothing is written any more.
    pub(crate) fn comes_to_rest(&self) -> Result<()> {
        let mut before = self.versions()?;
        until(&format!("nothing of {} is written any more", self.name), STILL_MAX, || {
            std::thread::sleep(STILL);
            let after = self.versions()?;
            let changed: Vec<String> = after.iter().filter(|new| !before.contains(new)).cloned().collect();
            before = after;
            ensure!(changed.is_empty(), "written within {} s: {}", STILL.as_secs(), changed.join(", "));
            Ok(())
        })
    }

    /// What tells whether any of its objects was written.
    fn versions(&self) -> Result<Vec<String>> {
        let mut objects = self.objects("statefulsets,services,configmaps,secrets,poddisruptionbudgets")?;
        objects.push(self.object("redises", &self.name)?);
        let version = |object: &Value| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{}/{} at {}", text("/kind"), text("/metadata/name"), text("/metadata/resourceVersion"))
        };
        Ok(objects.iter().map(version).collect())
    }
}

fn status(redis: &Value) -> &Value {
    redis.get("status").unwrap_or(&Value::Null)
}
