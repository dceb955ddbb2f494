//! `cargo xtask demo`: all of it once, on this machine, told step by step.

use crate::workspace::Workspace;
use crate::{building, guests, image};
use anyhow::{Context, Result, bail};
use clap::Args;
use operlet_lab::progress::{Progress, Step};
use operlet_lab::{Lab, Options, shell};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The lab that stays up, beside the one of the tests.
const LAB: &str = "demo";

/// Enough to spread a primary and two replicas.
const NODES: u8 = 3;

const IMAGE: &str = "dist/operlet-image.tar";

/// The namespace of the sample.
const NAMESPACE: &str = "demo";

/// How long anything may take that should come about.
const PATIENCE: Duration = Duration::from_secs(180);

/// Show Operlet at work: a Kubernetes, the host, a Redis, and its operator swapped live.
///
/// It brings up a Kubernetes of three nodes on this machine (root is needed), installs Operlet from deploy/,
/// creates a Redis, writes and reads through its Services, and ships another version of the Redis operlet
/// while everything runs. The first time it builds Kubernetes and Operlet, which takes about 20 minutes on
/// two cores; after that it takes about a minute. What it has made stays up until `cargo xtask demo --down`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Take everything down that the demo has made
    #[arg(long)]
    down: bool,
}

impl Demo {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        if self.down {
            return operlet_lab::remove(LAB, Progress::Shown);
        }
        let started = Instant::now();
        // Kubernetes first: its compiler and cargo would only slow each other down.
        let options = Options { name: LAB.parse()?, nodes: Some(NODES), progress: Progress::Shown };
        let lab = Lab::up(&options)?;
        let next = guests::build_with_next(workspace)?;
        image::build(workspace, IMAGE)?;
        let stage = Stage { workspace, lab };
        stage.install()?;
        stage.create()?;
        stage.use_it()?;
        stage.swap(&next)?;
        stage.tell(started.elapsed());
        Ok(())
    }
}

/// Where the demo takes place.
struct Stage<'a> {
    workspace: &'a Workspace,
    lab: Lab,
}

impl Stage<'_> {
    fn install(&self) -> Result<()> {
        step("Import the host's image into the nodes", |_| self.lab.load_image(&self.workspace.path(IMAGE)))?;
        step("Install the definitions: kubectl apply --server-side -k deploy/crds", |_| {
            self.apply_folder("deploy/crds", None)?;
            self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
        })?;
        step("Install the host: kubectl apply --server-side -k deploy/host", |_| {
            self.apply_folder("deploy/host", None)?;
            let rollout =
                ["rollout", "status", "-n", "operlet-system", "deployment/operlet", "--timeout=120s"];
            self.kubectl(&rollout)
        })?;
        step("Install the Redis operlet: kubectl apply --server-side -k deploy/redis", |step| {
            self.apply_folder("deploy/redis", None)?;
            self.wait(step, &["operlet", "redis"], "{.status.conditions[?(@.type=='Ready')].status}", "True")
        })?;
        Ok(())
    }

    fn create(&self) -> Result<()> {
        let namespace = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}, labels: {{\
             pod-security.kubernetes.io/enforce: restricted}}}}}}"
        );
        step("Create a namespace with the restricted pod security standard", |_| self.lab.apply(&namespace))?;
        step("Create a Redis, one primary and two replicas: deploy/samples", |step| {
            self.apply_folder("deploy/samples", Some(NAMESPACE))?;
            self.wait(step, &["rd", "sample", "-n", NAMESPACE], "{.status.ready}", "3/3")
        })?;
        self.show(&["get", "rd,pods", "-n", NAMESPACE, "-o", "wide"])
    }

    fn use_it(&self) -> Result<()> {
        step("Write through the read-write Service", |_| {
            self.redis("sample", "SET greeting 'hello from Operlet'", "OK")
        })?;
        step("Read from a replica through the read-only Service", |_| {
            self.redis("sample-replicas", "GET greeting", "hello from Operlet")
        })
    }

    /// Ships another version of the component; nothing is rebuilt or restarted.
    fn swap(&self, next: &std::path::Path) -> Result<()> {
        let path = ["rd", "sample", "-n", NAMESPACE];
        let mark = "{.status.operletVersion}";
        let before = (self.field(&path, mark)?, self.host_pod()?);
        let mut package = std::process::Command::new(building::host(self.workspace)?);
        package.arg("package").arg(next).args(["--name", "redis"]);
        let config_map = shell::output(&mut package)?;
        let took = step("Ship another version of the Redis operlet in its ConfigMap", |step| {
            let mut apply = self.lab.kubectl_command();
            apply.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
            shell::feed(&mut apply, &config_map)?;
            let shipped = Instant::now();
            self.until(step, || Ok(self.field(&path, mark)? != before.0))?;
            anyhow::Ok(shipped.elapsed())
        })?;
        let after = (self.field(&path, mark)?, self.host_pod()?);
        if after.1 != before.1 {
            bail!("the host's pod was replaced or restarted: {} before, {} after", before.1, after.1);
        }
        Progress::Shown.say(&format!(
            "      {} became {} in {} ms, in the same host process; the pods of the Redis were not touched",
            before.0,
            after.0,
            took.as_millis()
        ));
        self.show(&["get", "operlets"])
    }

    fn tell(&self, took: Duration) {
        let config = self.lab.kubeconfig();
        Progress::Shown.say(&format!(
            "\nDone in {} s. All of it stays up. To look around:\n\
             \n  export KUBECONFIG={}\n  cargo xtask lab kubectl get rd,operlets -A\n  \
             cargo xtask lab kubectl scale rd sample -n {NAMESPACE} --replicas=4\n\
             \nTo take it down: cargo xtask demo --down",
            took.as_secs(),
            config.display()
        ));
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.lab.kubectl(arguments)
    }

    fn apply_folder(&self, folder: &str, namespace: Option<&str>) -> Result<String> {
        let path = self.workspace.path(folder);
        let mut command = self.lab.kubectl_command();
        command.args(["apply", "--server-side", "--force-conflicts", "-k"]).arg(path);
        command.args(namespace.into_iter().flat_map(|namespace| ["-n", namespace]));
        shell::output(&mut command)
    }

    fn field(&self, object: &[&str], path: &str) -> Result<String> {
        let output = format!("jsonpath={path}");
        let arguments: Vec<&str> = ["get"].iter().chain(object).copied().chain(["-o", &output]).collect();
        Ok(self.kubectl(&arguments)?.trim().to_owned())
    }

    /// The host's pod, and how often it was restarted.
    fn host_pod(&self) -> Result<String> {
        let path = "jsonpath={range .items[*]}{.metadata.uid} restarted {.status.containerStatuses[0].restartCount} times{end}";
        self.kubectl(&[
            "get",
            "pods",
            "-n",
            "operlet-system",
            "-l",
            "app.kubernetes.io/name=operlet",
            "-o",
            path,
        ])
    }

    /// Runs redis-cli in a pod of the Redis against one of its Services.
    fn redis(&self, service: &str, command: &str, expected: &str) -> Result<()> {
        let script =
            format!("export REDISCLI_AUTH=$(cat /etc/redis-auth/password); redis-cli -h {service} {command}");
        let exec = ["exec", "-n", NAMESPACE, "sample-0", "-c", "redis", "--", "sh", "-c", &script];
        let answer = self.kubectl(&exec)?;
        if answer.trim() != expected {
            bail!("`redis-cli -h {service} {command}` answered {:?} instead of {expected:?}", answer.trim());
        }
        Progress::Shown.say(&format!("      redis-cli -h {service} {command}  ->  {expected}"));
        Ok(())
    }

    fn wait(&self, step: &Step, object: &[&str], path: &str, wanted: &str) -> Result<String> {
        self.until(step, || Ok(self.field(object, path)? == wanted))
            .with_context(|| format!("{} did not get to {path} = {wanted}", object.join(" ")))?;
        Ok(wanted.to_owned())
    }

    fn until(&self, step: &Step, holds: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if holds()? {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("given up after {} s; `cargo xtask lab status` tells more", PATIENCE.as_secs());
            }
            step.at("waiting");
            sleep(Duration::from_millis(50));
        }
    }

    fn show(&self, arguments: &[&str]) -> Result<()> {
        let table = self.kubectl(arguments)?;
        let indented: Vec<String> = table.lines().map(|line| format!("      {line}")).collect();
        Progress::Shown.say(&indented.join("\n"));
        Ok(())
    }
}

fn step<T>(title: &str, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
    Progress::Shown.step(title, work)
}
