//! Redis resources and the servers behind them.

use serde_json::{Value, json};

use crate::{
    cluster::Namespace,
    kubectl::{Kubectl, check, eventually},
};

/// A Redis in a namespace.
pub(crate) struct Redis<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
}

/// The manifest of a Redis.
pub(crate) fn manifest(name: &str, spec: &Value) -> String {
    json!({
        "apiVersion": "redis.operlet.dev/v1", "kind": "Redis", "metadata": { "name": name }, "spec": spec,
    })
    .to_string()
}

impl<'a> Redis<'a> {
    pub(crate) fn apply(namespace: &'a Namespace, name: &'a str, spec: &Value) -> Self {
        let redis = Self { namespace, name };
        redis.set(spec);
        redis
    }

    /// Applies another spec.
    pub(crate) fn set(&self, spec: &Value) {
        let arguments =
            ["apply", "--server-side", "--force-conflicts", "-n", &self.namespace.name, "-f", "-"];
        self.kubectl().try_feed(&arguments, &manifest(self.name, spec)).expect("the Redis is accepted");
    }

    pub(crate) fn kubectl(&self) -> &'static Kubectl {
        &self.namespace.cluster.kubectl
    }

    pub(crate) fn get(&self) -> Option<Value> {
        self.kubectl().get(&self.namespace.name, "redises", self.name)
    }

    pub(crate) fn child(&self, kind: &str, name: &str) -> Option<Value> {
        self.kubectl().get(&self.namespace.name, kind, name)
    }

    /// Everything of some kinds that was made for it.
    pub(crate) fn objects(&self, kinds: &str) -> Vec<Value> {
        let selector = format!("redis.operlet.dev/name={}", self.name);
        self.kubectl().list(&self.namespace.name, kinds, &selector)
    }

    /// Waits until so many pods are ready, no more are there, and the status
    /// speaks of the newest spec.
    #[track_caller]
    pub(crate) fn is_running(&self, pods: usize) {
        eventually(&format!("{} with {pods} pods", self.name), || {
            let redis = self.get().ok_or("it is not there")?;
            let status = &redis["status"];
            check(
                status["observedGeneration"] == redis["metadata"]["generation"],
                format!("status: {status}"),
            )?;
            check(status["phase"] == "Running", format!("status: {status}"))?;
            check(status["ready"] == format!("{pods}/{pods}"), format!("status: {status}"))?;
            let found = self.objects("pods").len();
            check(found == pods, format!("{found} pods"))
        });
    }

    /// Runs redis-cli in a pod, against a host.
    pub(crate) fn try_cli(&self, pod: &str, host: &str, command: &str) -> Result<String, String> {
        let script =
            format!("export REDISCLI_AUTH=$(cat /etc/redis-auth/password); redis-cli -h {host} {command}");
        let arguments = ["exec", "-n", &self.namespace.name, pod, "-c", "redis", "--", "sh", "-c", &script];
        let answer = self.kubectl().try_run(&arguments)?;
        let answer = answer.trim().to_owned();
        check(!answer.contains("ERR") && !answer.contains("NOAUTH"), answer.clone())?;
        Ok(answer)
    }

    /// The same, from the first pod, tried until it works.
    #[track_caller]
    pub(crate) fn cli(&self, host: &str, command: &str) -> String {
        let pod = format!("{}-0", self.name);
        eventually(command, || self.try_cli(&pod, host, command))
    }

    /// Reads a key through the read-only Service until every replica has
    /// answered once, and always with this value.
    #[track_caller]
    pub(crate) fn every_replica_has(&self, key: &str, value: &str, replicas: usize) {
        let service = format!("{}-replicas", self.name);
        let mut seen = std::collections::BTreeSet::new();
        eventually("an answer from every replica", || {
            let pod = format!("{}-0", self.name);
            // One connection, so the id is that of the server that gave the value.
            let both = self.try_cli(&pod, &service, &format!("<<'END'\nGET {key}\nINFO server\nEND\n"))?;
            check(both.lines().next() == Some(value), format!("{both:.60}"))?;
            let id = both.lines().find_map(|line| line.strip_prefix("run_id:")).ok_or("no run_id")?;
            seen.insert(id.trim().to_owned());
            check(seen.len() == replicas, format!("{} of {replicas} replicas answered", seen.len()))
        });
    }

    #[track_caller]
    pub(crate) fn is_gone(&self) {
        let kinds = "redises,statefulsets,services,configmaps,secrets,poddisruptionbudgets,pods";
        eventually("all that was made for it is gone", || {
            let left = self.objects(kinds);
            let names: Vec<_> =
                left.iter().map(|o| format!("{}/{}", o["kind"], o["metadata"]["name"])).collect();
            check(left.is_empty(), names.join(" "))
        });
    }
}
