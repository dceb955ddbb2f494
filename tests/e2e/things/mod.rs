//! Resources that say what their component decides, so that a test can have any
//! decision made and see what the host does about it.

mod budget;
mod checkpoints;
mod departed;
mod exchanges;
mod finalizers;
mod intents;
mod limits;
mod loops;
mod objects;
mod probes;
mod quiet;
mod rights;
mod rounds;
mod server;
mod tls;
mod watching;

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{Mutex, PoisonError, RwLockReadGuard, RwLockWriteGuard},
};

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, HOST_NAMESPACE, Namespace, alone, root, shared},
    kubectl::{Kubectl, check, eventually},
};

/// An operlet of these tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scripted {
    operlet: &'static str,
    component: &'static str,
    kind: &'static str,
    plural: &'static str,
}

/// Resources that go when they are deleted.
pub(crate) const THINGS: Scripted =
    Scripted { operlet: "things", component: "scripted", kind: "Thing", plural: "things" };

/// Resources that wait for the component's word.
pub(crate) const FINAL_THINGS: Scripted = Scripted {
    operlet: "final-things",
    component: "scripted_finalizer",
    kind: "FinalThing",
    plural: "finalthings",
};

impl Scripted {
    fn config_map(self) -> String {
        format!("{}-operlet", self.operlet)
    }

    /// What the host impersonates for it.
    fn account(self) -> String {
        format!("system:serviceaccount:{HOST_NAMESPACE}:{}-operlet", self.operlet)
    }

    fn manifests(self) -> String {
        let path = root().join(format!("tests/e2e/manifests/{}.yaml", self.operlet));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Installs it, as a user would.
    fn install(self, cluster: &Cluster) {
        cluster.kubectl.apply(&self.manifests());
        cluster.kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        cluster.kubectl.apply(&self.packaged());
        cluster.operlet_is_ready(self.operlet);
    }

    /// Its component in a ConfigMap.
    fn packaged(self) -> String {
        let set = "is set by `cargo xtask test lab`";
        let operlet = std::env::var_os("OPERLET_BIN").unwrap_or_else(|| panic!("OPERLET_BIN {set}"));
        let folder =
            std::env::var_os("OPERLET_COMPONENTS").unwrap_or_else(|| panic!("OPERLET_COMPONENTS {set}"));
        let component = std::path::Path::new(&folder).join(format!("{}.wasm", self.component));
        let output = Command::new(operlet)
            .arg("package")
            .arg(component)
            .args(["--name", self.operlet])
            .output()
            .expect("the host's program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("YAML is text")
    }

    /// Its Operlet, as it is.
    fn object(self, cluster: &Cluster) -> Value {
        cluster.kubectl.get("", "operlets", self.operlet).expect("the Operlet is there")
    }

    /// Changes its Operlet's spec.
    fn patch_spec(self, cluster: &Cluster, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        cluster.kubectl.run(&["patch", "operlet", self.operlet, "--type=merge", "-p", &patch]);
    }

    /// One of the Operlet's conditions: its status, reason and message.
    fn condition(self, cluster: &Cluster, class: &str) -> Option<Condition> {
        Condition::find(&self.object(cluster)["status"], class)
    }
}

/// A share of the cluster, with both operlets of these tests on it.
pub(crate) fn things() -> (&'static Cluster, RwLockReadGuard<'static, ()>) {
    let (cluster, guard) = shared();
    ensure_installed(cluster);
    (cluster, guard)
}

/// The whole cluster, with both operlets on it.
pub(crate) fn things_alone() -> (&'static Cluster, RwLockWriteGuard<'static, ()>) {
    let (cluster, guard) = alone();
    ensure_installed(cluster);
    (cluster, guard)
}

/// Another test may have deleted the host's namespace meanwhile, and the
/// components with it.
fn ensure_installed(cluster: &Cluster) {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let found = cluster.kubectl.run(&["get", "configmaps", "-n", HOST_NAMESPACE, "-o", "name"]);
    let found: BTreeSet<&str> = found.lines().collect();
    for scripted in [THINGS, FINAL_THINGS] {
        if !found.contains(format!("configmap/{}", scripted.config_map()).as_str()) {
            scripted.install(cluster);
        }
    }
}

/// A condition of a resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) holds: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Condition {
    fn find(status: &Value, class: &str) -> Option<Self> {
        let conditions = status["conditions"].as_array()?;
        let found = conditions.iter().find(|condition| condition["type"] == class)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some(Self { holds: found["status"] == "True", reason: text("reason"), message: text("message") })
    }
}

/// One call of the component, as it stands in the host's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) round: u32,
    /// When its reconcile began, which tells one reconcile from another.
    pub(crate) now: String,
    /// The answers it was shown, as `id=case`.
    pub(crate) answers: Vec<String>,
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split([' ', '"']).next().map(str::to_owned)
        };
        let (_, answers) = line.split_once("answers=[")?;
        let answers = answers.split(']').next()?;
        Some(Self {
            round: field("round=")?.parse().ok()?,
            now: field("now=")?,
            answers: answers.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

/// A resource with a script.
#[derive(Clone, Copy)]
pub(crate) struct Thing<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) scripted: Scripted,
    pub(crate) name: &'a str,
}

impl<'a> Thing<'a> {
    /// A Thing that decides so, round by round.
    pub(crate) fn apply(namespace: &'a Namespace, name: &'a str, rounds: Value) -> Self {
        let thing = Self { namespace, scripted: THINGS, name };
        thing.set(rounds);
        thing
    }

    /// As [`Thing::apply`], of the kind with a finalizer.
    pub(crate) fn apply_final(namespace: &'a Namespace, name: &'a str, spec: Value) -> Self {
        let thing = Self { namespace, scripted: FINAL_THINGS, name };
        thing.set_spec(spec);
        thing
    }

    /// Has it decide otherwise.
    pub(crate) fn set(&self, rounds: Value) {
        self.set_spec(json!({ "rounds": rounds }));
    }

    pub(crate) fn set_spec(&self, spec: Value) {
        let manifest = json!({
            "apiVersion": "test.operlet.dev/v1", "kind": self.scripted.kind,
            "metadata": { "name": self.name, "namespace": self.namespace.name }, "spec": spec,
        });
        self.kubectl().apply(&manifest.to_string());
    }

    /// Changes something that means nothing to the component.
    pub(crate) fn note(&self, note: &str) {
        self.patch(&[], &json!({ "spec": { "note": note } }));
    }

    /// Writes to its status as somebody else would.
    pub(crate) fn patch_status(&self, status: Value) {
        self.patch(&["--subresource=status"], &json!({ "status": status }));
    }

    fn patch(&self, more: &[&str], patch: &Value) {
        let (namespace, patch) = (&self.namespace.name, patch.to_string());
        let arguments =
            ["patch", self.scripted.plural, self.name, "-n", namespace, "--type=merge", "-p", &patch];
        self.kubectl().run(&[&arguments[..], more].concat());
    }

    pub(crate) fn kubectl(&self) -> &'static Kubectl {
        &self.namespace.cluster.kubectl
    }

    pub(crate) fn get(&self) -> Option<Value> {
        self.kubectl().get(&self.namespace.name, self.scripted.plural, self.name)
    }

    /// The resource, which must be there.
    pub(crate) fn object(&self) -> Value {
        self.get().unwrap_or_else(|| panic!("{} {} is not there", self.scripted.kind, self.name))
    }

    pub(crate) fn status(&self) -> Value {
        self.object()["status"].clone()
    }

    pub(crate) fn child(&self, kind: &str, name: &str) -> Option<Value> {
        self.kubectl().get(&self.namespace.name, kind, name)
    }

    /// The uid of an object that must be there.
    pub(crate) fn uid_of(&self, kind: &str, name: &str) -> String {
        let object = self.child(kind, name).unwrap_or_else(|| panic!("{kind} {name} is not there"));
        object["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// The host's own condition.
    pub(crate) fn reconciled(&self) -> Option<Condition> {
        Condition::find(&self.status(), "Reconciled")
    }

    /// Waits until the newest script is carried out; the status then.
    #[track_caller]
    pub(crate) fn is_settled(&self) -> Value {
        eventually(&format!("{} {} is settled", self.scripted.kind, self.name), || {
            let found = self.get().ok_or("it is not there")?;
            let status = &found["status"];
            let newest = status["observedGeneration"] == found["metadata"]["generation"];
            let settled = Condition::find(status, "Reconciled").is_some_and(|condition| condition.holds);
            check(newest && settled, format!("generation {}: {status}", found["metadata"]["generation"]))?;
            Ok(status.clone())
        })
    }

    /// Waits until the condition says this of the newest script; the message then.
    #[track_caller]
    pub(crate) fn is_told(&self, reason: &str, words: &[&str]) -> String {
        eventually(&format!("{} {} is told {reason} {words:?}", self.scripted.kind, self.name), || {
            let found = self.get().ok_or("it is not there")?;
            let status = &found["status"];
            let condition = Condition::find(status, "Reconciled").ok_or("it has no condition yet")?;
            let Condition { holds, reason: found_reason, message } = &condition;
            let told = !holds && found_reason == reason && words.iter().all(|word| message.contains(word));
            check(told, format!("{condition:?}"))?;
            check(
                status["observedGeneration"] == found["metadata"]["generation"],
                format!("of an older script: {status}"),
            )?;
            Ok(message.clone())
        })
    }

    /// Waits until its component was shown something.
    #[track_caller]
    pub(crate) fn is_shown(&self, what: &str, pointer: &str, wanted: &Value) {
        eventually(what, || {
            let status = self.status();
            let found = status["seen"].pointer(pointer);
            check(found == Some(wanted), format!("{pointer} is {found:?}, not {wanted}; status: {status}"))
        });
    }

    /// The calls of the component for this resource so far, by the lines that it
    /// writes to the host's log.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let marker = format!("called for {}/{}. ", self.namespace.name, self.name);
        let log = watching::host_log(self.kubectl());
        let lines = log.lines().filter_map(|line| line.split_once(&marker).map(|(_, rest)| rest));
        lines.filter_map(Call::parse).collect()
    }

    /// Waits until no call came for some seconds; how many there were by then.
    #[track_caller]
    pub(crate) fn is_quiet(&self) -> usize {
        let mut before = self.calls().len();
        eventually(&format!("no more calls for {}", self.name), || {
            std::thread::sleep(std::time::Duration::from_secs(2));
            let now = self.calls().len();
            let quiet = now == before;
            let told = format!("{} calls, {} of them new", now, now - before);
            before = now;
            check(quiet, told)?;
            Ok(now)
        })
    }
}
