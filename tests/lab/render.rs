//! The configuration of every program: pure functions from a lab's facts to text.

use crate::images::PAUSE;
use crate::plan::Plan;
use serde_json::{Value, json};
use std::path::Path;

/// What a node's configuration is made of.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// Its number.
    pub number: u8,
    /// The lab's addresses.
    pub plan: Plan,
    /// Its directory.
    pub directory: &'a Path,
    /// The lab's keys and certificates.
    pub pki: &'a Path,
    /// containerd and the network plugins.
    pub programs: &'a Path,
    /// What was fetched of Debian's packages.
    pub packages: &'a Path,
    /// Its cgroup, as seen from the hierarchies' roots.
    pub cgroup: String,
    /// Whether the kernel shows bridged packets to its packet filter.
    pub bridge_filter: bool,
}

impl Node<'_> {
    fn path(&self, file: &str) -> String {
        self.directory.join(file).display().to_string()
    }

    fn key(&self, file: &str) -> String {
        self.pki.join(file).display().to_string()
    }

    /// The kubelet's configuration.
    pub(crate) fn kubelet(&self) -> Value {
        let name = format!("node{}", self.number);
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": false,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.cgroup,
            "enforceNodeAllocatable": ["pods"],
            "containerRuntimeEndpoint": format!("unix://{}", self.path("containerd.sock")),
            "address": self.plan.node(self.number).to_string(),
            "healthzBindAddress": "127.0.0.1",
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": self.key("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": self.key(&format!("{name}.crt")),
            "tlsPrivateKeyFile": self.key(&format!("{name}.key")),
            "clusterDomain": "cluster.local",
            "clusterDNS": [self.plan.address().to_string()],
            "resolvConf": self.path("resolv.conf"),
            "podLogsDir": self.path("logs"),
            "volumePluginDir": self.path("volume-plugins"),
            "failSwapOn": false,
            "makeIPTablesUtilChains": false,
            // The disk is shared with everything else here: only a full one counts.
            "evictionHard": {
                "memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            // Short enough for a test to watch a node die.
            "nodeLeaseDurationSeconds": 8,
            "nodeStatusUpdateFrequency": "4s",
            "syncFrequency": "10s",
            "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
            "eventRecordQPS": 0,
        })
    }

    /// kube-proxy's configuration.
    pub(crate) fn proxy(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": self.plan.all_pods(),
            "hostnameOverride": format!("node{}", self.number),
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "clientConnection": {"kubeconfig": self.key("kube-proxy.kubeconfig")},
            // Without the bridge's packets in the filter, a reply between two pods
            // of a node would not come back through the Service's translation.
            "nftables": {"masqueradeAll": !self.bridge_filter, "minSyncPeriod": "0s"},
            // The machine's limits are not the lab's to change.
            "conntrack": {
                "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
            },
        })
    }

    /// The network of the node's pods.
    pub(crate) fn network(&self) -> Value {
        json!({
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": true,
                    "ipMasq": false,
                    "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": self.path("addresses"),
                        "ranges": [[{"subnet": self.plan.pods(self.number)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    /// containerd's configuration.
    pub(crate) fn containerd(&self) -> String {
        let quoted = |path: String| format!("'{path}'");
        format!(
            "version = 3
root = {root}
state = {state}
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.tracing.processor.v1.otlp', \
'io.containerd.internal.v1.tracing', 'io.containerd.snapshotter.v1.blockfile', \
'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.devmapper', \
'io.containerd.snapshotter.v1.erofs', 'io.containerd.snapshotter.v1.zfs']
[grpc]
  address = {socket}
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{PAUSE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = {runc}
        SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = [{plugins}]
    conf_dir = {network}
",
            root = quoted(self.path("containerd/root")),
            state = quoted(self.path("containerd/state")),
            socket = quoted(self.path("containerd.sock")),
            runc = quoted(self.packages.join("bin/runc").display().to_string()),
            plugins = quoted(self.programs.display().to_string()),
            network = quoted(self.path("network")),
        )
    }
}

/// The configuration of the cluster's DNS.
pub(crate) fn dns(plan: Plan, kubeconfig: &Path) -> String {
    format!(
        "dns://.:53 {{
    bind {}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {} lab
        pods insecure
        ttl 1
    }}
}}
",
        plan.address(),
        kubeconfig.display()
    )
}

/// Every request is on record by its metadata, once.
pub(crate) fn audit() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    })
}

/// The storage class that claims get when they name none.
pub(crate) fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "directory",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "operlet.dev/lab",
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": true,
        "volumeBindingMode": "Immediate",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node<'static> {
        Node {
            number: 2,
            plan: Plan::new(3).unwrap(),
            directory: Path::new("/lab/node2"),
            pki: Path::new("/lab/pki"),
            programs: Path::new("/cache/node"),
            packages: Path::new("/cache/packages"),
            cgroup: "/operlet/x/node2".to_owned(),
            bridge_filter: true,
        }
    }

    #[test]
    fn a_node_uses_its_own_addresses_and_keys() {
        let kubelet = node().kubelet();
        assert_eq!(kubelet["address"], "10.213.0.12");
        assert_eq!(kubelet["clusterDNS"][0], "10.213.0.1");
        assert_eq!(kubelet["tlsCertFile"], "/lab/pki/node2.crt");
        assert_eq!(node().network()["plugins"][0]["ipam"]["ranges"][0][0]["subnet"], "10.213.66.0/24");
        assert_eq!(node().proxy()["clusterCIDR"], "10.213.64.0/18");
    }

    #[test]
    fn without_the_bridge_in_the_filter_services_hide_the_sender() {
        assert_eq!(node().proxy()["nftables"]["masqueradeAll"], false);
        assert_eq!(Node { bridge_filter: false, ..node() }.proxy()["nftables"]["masqueradeAll"], true);
    }

    #[test]
    fn containerd_uses_what_was_fetched() {
        let text = node().containerd();
        assert!(text.contains("BinaryName = '/cache/packages/bin/runc'"));
        assert!(text.contains("bin_dirs = ['/cache/node']"));
        assert!(text.contains("sandbox = 'localhost/operlet/pause:1'"));
    }
}
