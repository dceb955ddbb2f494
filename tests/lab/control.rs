//! The control plane: which programs, with which arguments, in which order.

use crate::files;
use crate::plan::Plan;
use crate::process::Program;
use crate::render;
use crate::state::Layout;
use anyhow::Result;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::Path;

/// A program of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Component {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    Apiserver,
    /// The cluster's DNS.
    Dns,
    /// What makes directories for claims.
    Provisioner,
    /// The controllers of Kubernetes.
    ControllerManager,
    /// What chooses nodes for pods.
    Scheduler,
}

impl Component {
    /// All of them, in the order in which they are started.
    pub const ALL: [Self; 6] =
        [Self::Etcd, Self::Apiserver, Self::Dns, Self::Provisioner, Self::ControllerManager, Self::Scheduler];

    /// What the lab calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "apiserver",
            Self::Dns => "dns",
            Self::Provisioner => "provisioner",
            Self::ControllerManager => "controller-manager",
            Self::Scheduler => "scheduler",
        }
    }

    /// Whether it gives up when the API server does not answer at once.
    pub fn needs_api(self) -> bool {
        matches!(self, Self::ControllerManager | Self::Scheduler | Self::Provisioner)
    }

    /// How to start it.
    pub fn program(self, binary: &Path, layout: &Layout, plan: Plan) -> Program {
        let (program, arguments) = match self {
            Self::Etcd => ("etcd", etcd(layout, plan)),
            Self::Apiserver => ("kube-apiserver", apiserver(layout, plan)),
            Self::Dns => ("coredns", vec![format!("-conf={}", layout.configuration("Corefile").display())]),
            Self::Provisioner => ("provisioner", provisioner(layout)),
            Self::ControllerManager => ("kube-controller-manager", controller_manager(layout, plan)),
            Self::Scheduler => ("kube-scheduler", scheduler(layout, plan)),
        };
        let mut command = vec![binary.display().to_string(), program.to_owned()];
        command.extend(arguments);
        let (name, log) = (self.name().to_owned(), layout.log(self.name()));
        Program { name, command, environment: BTreeMap::new(), log }
    }
}

/// Writes the configuration files of the control plane.
pub(crate) fn configure(layout: &Layout, plan: Plan) -> Result<()> {
    let kubeconfig = layout.pki().join("lab-dns.kubeconfig");
    files::write(&layout.configuration("Corefile"), render::dns(plan, &kubeconfig))?;
    files::write(&layout.configuration("audit.json"), render::audit().to_string())?;
    files::write(&layout.configuration("storage-class.json"), render::storage_class().to_string())
}

fn etcd(layout: &Layout, plan: Plan) -> Vec<String> {
    vec![
        format!("--data-dir={}", layout.path().join("etcd/data").display()),
        format!("--listen-client-url={}", plan.etcd()),
        format!("--listen-peer-url=http://{}:2380", plan.loopback()),
    ]
}

fn apiserver(layout: &Layout, plan: Plan) -> Vec<String> {
    let (address, key) = (plan.address(), |file| layout.key(file));
    let log = layout.path().join("logs/audit.log");
    let mut arguments = vec![
        format!("--etcd-servers={}", plan.etcd()),
        format!("--bind-address={address}"),
        format!("--advertise-address={address}"),
        format!("--service-cluster-ip-range={}", plan.services()),
        format!("--tls-cert-file={}", key("apiserver.crt")),
        format!("--tls-private-key-file={}", key("apiserver.key")),
        format!("--client-ca-file={}", key("ca.crt")),
        format!("--service-account-signing-key-file={}", key("service-accounts.key")),
        format!("--service-account-key-file={}", key("service-accounts.pub")),
        format!("--kubelet-client-certificate={}", key("kubelet-client.crt")),
        format!("--kubelet-client-key={}", key("kubelet-client.key")),
        format!("--kubelet-certificate-authority={}", key("ca.crt")),
        format!("--requestheader-client-ca-file={}", key("ca.crt")),
        format!("--proxy-client-cert-file={}", key("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", key("front-proxy-client.key")),
        format!("--audit-policy-file={}", layout.configuration("audit.json").display()),
        format!("--audit-log-path={}", log.display()),
    ];
    let fixed = [
        "--secure-port=6443",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--kubelet-preferred-address-types=InternalIP",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        // The API server is in no pod network: it reaches webhooks by their pods' addresses.
        "--enable-aggregator-routing=true",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=2",
        "--profiling=false",
        // Pods of a dead node move before a test loses patience.
        "--default-not-ready-toleration-seconds=5",
        "--default-unreachable-toleration-seconds=5",
    ];
    arguments.extend(fixed.map(str::to_owned));
    arguments
}

fn provisioner(layout: &Layout) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", layout.key("lab-provisioner.kubeconfig")),
        format!("--directory={}", layout.volumes().display()),
    ]
}

fn controller_manager(layout: &Layout, plan: Plan) -> Vec<String> {
    let mut arguments = client("kube-controller-manager", layout, plan);
    arguments.extend([
        format!("--service-account-private-key-file={}", layout.key("service-accounts.key")),
        format!("--root-ca-file={}", layout.key("ca.crt")),
        format!("--cluster-signing-cert-file={}", layout.key("ca.crt")),
        format!("--cluster-signing-key-file={}", layout.key("ca.key")),
    ]);
    let fixed = [
        "--use-service-account-credentials=true",
        "--node-monitor-period=1s",
        "--node-monitor-grace-period=10s",
        // A claim that waits for its directory is looked at again soon.
        "--pvclaimbinder-sync-period=2s",
    ];
    arguments.extend(fixed.map(str::to_owned));
    arguments
}

fn scheduler(layout: &Layout, plan: Plan) -> Vec<String> {
    client("kube-scheduler", layout, plan)
}

/// What both clients of the API server share. Without the generous limits they
/// throttle themselves, and the first pods take seconds longer.
fn client(name: &str, layout: &Layout, plan: Plan) -> Vec<String> {
    let kubeconfig = layout.key(&format!("{name}.kubeconfig"));
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        format!("--bind-address={}", plan.loopback()),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=300".to_owned(),
        "--kube-api-burst=600".to_owned(),
        "--profiling=false".to_owned(),
    ]
}
