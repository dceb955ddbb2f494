//! The lab with Operlet installed on it from the manifests that users apply.

use std::{
    path::{Path, PathBuf},
    sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use operlet_lab::{Lab, Progress};

use crate::kubectl::{Kubectl, check, eventually};

/// The lab's name, unless the variable OPERLET_LAB says another.
const LAB: &str = "test";

pub(crate) const HOST_NAMESPACE: &str = "operlet-system";

static USE: RwLock<()> = RwLock::new(());

/// A share of the cluster: others use it too.
pub(crate) fn shared() -> (&'static Cluster, RwLockReadGuard<'static, ()>) {
    let guard = USE.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    (cluster(), guard)
}

/// The whole cluster: nobody else uses it meanwhile.
pub(crate) fn alone() -> (&'static Cluster, RwLockWriteGuard<'static, ()>) {
    let guard = USE.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    (cluster(), guard)
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::install)
}

/// The lab, with Operlet and the Redis operlet on it.
pub(crate) struct Cluster {
    pub(crate) lab: Lab,
    pub(crate) kubectl: Kubectl,
}

impl Cluster {
    fn install() -> Self {
        let name = std::env::var("OPERLET_LAB").unwrap_or_else(|_| LAB.to_owned());
        let lab = Lab::open(&name, Progress::Quiet).unwrap_or_else(|error| panic!("{error:#}"));
        let kubectl = Kubectl { lab: lab.clone() };
        let cluster = Self { lab, kubectl };
        cluster.install_host();
        cluster.install_redis();
        cluster
    }

    /// Applies the definitions and the host, and waits until it is ready.
    pub(crate) fn install_host(&self) {
        self.apply_folder("deploy/crds");
        self.kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        self.apply_folder("deploy/host");
        let rollout = ["rollout", "status", "-n", HOST_NAMESPACE, "deployment/operlet", "--timeout=120s"];
        self.kubectl.run(&rollout);
    }

    /// Applies the Redis operlet and waits until its component is live.
    pub(crate) fn install_redis(&self) {
        self.apply_folder("deploy/redis");
        self.operlet_is_ready("redis");
    }

    pub(crate) fn apply_folder(&self, folder: &str) {
        let path = root().join(folder);
        let path = path.to_str().expect("the checkout's path is text");
        self.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-k", path]);
    }

    pub(crate) fn operlet_is_ready(&self, name: &str) {
        eventually(&format!("the Operlet {name} is ready"), || {
            let operlet = self.kubectl.get("", "operlets", name).ok_or("it is not there")?;
            let conditions = operlet["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            check(ready, format!("status: {}", operlet["status"]))
        });
    }

    /// A namespace of a test's own, which enforces the restricted pod security
    /// standard. What an earlier run left there goes first.
    pub(crate) fn namespace(&'static self, name: &str) -> Namespace {
        let kubectl = &self.kubectl;
        kubectl.run(&["delete", "namespace", name, "--ignore-not-found", "--timeout=120s"]);
        kubectl.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{\
             pod-security.kubernetes.io/enforce: restricted}}}}}}"
        ));
        Namespace { cluster: self, name: name.to_owned() }
    }
}

/// A namespace that goes with the test, unless the test fails.
pub(crate) struct Namespace {
    pub(crate) cluster: &'static Cluster,
    pub(crate) name: String,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.cluster.kubectl.try_run(&["delete", "namespace", &self.name, "--wait=false"]);
        }
    }
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
