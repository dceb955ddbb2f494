//! What the benchmarks on the lab share: a Kubernetes, mostly of one node, and a host
//! that is an ordinary process of this machine, so that its CPU time and memory
//! can be read.

mod host;
mod metrics;

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kube::{
    Api, Client, Config,
    api::DynamicObject,
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use operlet_lab::{Lab, Options, Progress, shell};
use serde_json::Value;

pub(crate) use host::Host;
pub(crate) use metrics::Metrics;

/// The lab's name, unless the variable OPERLET_LAB says another.
const LAB: &str = "bench";

/// The namespace of the host.
pub(crate) const HOST_NAMESPACE: &str = "operlet-system";

/// The user that the host is to the API server.
pub(crate) const HOST_USER: &str = "system:serviceaccount:operlet-system:operlet";

/// What the host counts its calls of components by.
pub(crate) const CALLS: &str = "operlet_guest_calls_total";

/// How long anything may take that should come about.
const PATIENCE: Duration = Duration::from_secs(180);

/// What every benchmark may be told.
#[derive(Args, Debug)]
pub(crate) struct StageOptions {
    /// Leave the lab up
    #[arg(long)]
    keep_lab: bool,
    /// What cargo says to a benchmark; without it nothing is run
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// A lab with the host's definitions and rights, and no host yet.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    /// Whether it goes when the benchmark is over.
    passing: bool,
}

impl Stage {
    /// Brings it up with one node; a lab that was up before stays up afterwards.
    pub(crate) fn up(options: &StageOptions) -> Result<Self> {
        Self::with_nodes(options, 1)
    }

    /// The same with more nodes.
    pub(crate) fn with_nodes(options: &StageOptions, nodes: u8) -> Result<Self> {
        let name = std::env::var("OPERLET_LAB").unwrap_or_else(|_| LAB.to_owned());
        let passing = !options.keep_lab && Lab::open(&name, Progress::Quiet).is_err();
        let options = Options { name: name.parse()?, nodes: Some(nodes), progress: Progress::Shown };
        let stage = Self { lab: Lab::up(&options)?, passing };
        stage.install_definitions()?;
        Ok(stage)
    }

    fn install_definitions(&self) -> Result<()> {
        let deployed = self.lab.kubectl(&["get", "deployments", "-n", HOST_NAMESPACE, "-o", "name"])?;
        ensure!(
            deployed.trim().is_empty(),
            "the lab {} has a host of its own, which would do the work: choose another one by OPERLET_LAB",
            self.lab.name()
        );
        self.apply_folder("deploy/crds", |_| true)?;
        self.lab.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        // All but what would run the host as a pod.
        self.apply_folder("deploy/host", |document| !document.contains("\nkind: Deployment\n"))
    }

    /// Applies those documents of a folder that are wanted.
    pub(crate) fn apply_folder(&self, folder: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let path = root().join(folder).display().to_string();
        let rendered = self.lab.kubectl(&["kustomize", &path])?;
        let documents: Vec<&str> = rendered.split("\n---\n").filter(|document| wanted(document)).collect();
        self.apply(&documents.join("\n---\n"))
    }

    /// Applies manifests on the server's side.
    pub(crate) fn apply(&self, manifests: &str) -> Result<()> {
        let mut kubectl = self.lab.kubectl_command();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        shell::feed(&mut kubectl, manifests).map(drop)
    }

    /// Installs the operlet that reconciles Bundles.
    pub(crate) fn install_bundles(&self) -> Result<()> {
        let component = components().join("converge.wasm");
        ensure!(component.is_file(), "{} is missing: `cargo xtask guests` builds it", component.display());
        let mut package = Command::new(operlet()?);
        package.arg("package").arg(component).args(["--name", "bundles"]);
        let config_map = shell::output(&mut package)?;
        self.apply(&std::fs::read_to_string(root().join("tests/bench/manifests/bundles.yaml"))?)?;
        self.lab.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        self.apply(&config_map)
    }

    /// Waits until an Operlet is ready.
    pub(crate) fn operlet_is_ready(&self, name: &str) -> Result<()> {
        until(&format!("the Operlet {name} to be ready"), || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
            Ok(self.lab.kubectl(&["get", "operlet", name, "-o", path])?.trim() == "True")
        })
    }

    /// Makes a namespace in place of an earlier one of that name.
    pub(crate) fn namespace(&self, name: &str) -> Result<()> {
        self.lab.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--timeout=300s"])?;
        self.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"))
    }

    /// A client with the rights of the administrator.
    pub(crate) async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.lab.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Takes the lab down, if this benchmark brought it up.
    pub(crate) fn down(self) -> Result<()> {
        if self.passing { self.lab.down() } else { Ok(()) }
    }
}

/// The resources of a kind in a namespace.
pub(crate) fn resources(
    client: &Client,
    namespace: &str,
    group: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::namespaced_with(client.clone(), namespace, &kind)
}

/// Waits until it holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The host's program: that of OPERLET_BIN, or the one built with this benchmark.
pub(crate) fn operlet() -> Result<PathBuf> {
    let path = match std::env::var_os("OPERLET_BIN") {
        Some(path) => path.into(),
        None => profile()?.join("operlet"),
    };
    ensure!(
        path.is_file(),
        "{} is missing: `cargo build --release --workspace --bin operlet` builds it",
        path.display()
    );
    Ok(path)
}

/// Where `cargo xtask guests` gathers components, or the variable OPERLET_COMPONENTS says.
fn components() -> PathBuf {
    let gathered = || profile().ok()?.parent().map(|target| target.join("components"));
    std::env::var_os("OPERLET_COMPONENTS").map(PathBuf::from).or_else(gathered).unwrap_or_default()
}

/// The directory of the profile that this benchmark was built in.
fn profile() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    // In `deps` there.
    Ok(this.parent().and_then(Path::parent).context("a benchmark is two directories deep")?.to_owned())
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The middle one; of two the larger.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A figure as it is printed: to a hundredth.
pub(crate) fn rounded(value: f64) -> Value {
    Value::from((value * 100.0).round() / 100.0)
}
