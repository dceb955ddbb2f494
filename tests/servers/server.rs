//! A server as its own process, in the root of its image.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::{
    acl,
    talk::users::{self, Operator},
};
use tempfile::TempDir;

use crate::image;

pub(crate) const PORT: u16 = 6379;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The uid of every pod here: a server's configuration file is called after it.
pub(crate) const UID: &str = "u";

pub(crate) fn operator() -> Operator {
    Operator::from_key(&[b'k'; 32]).expect("the key is long enough")
}

/// A place for a server: its address and its data outlive the process.
pub(crate) struct Server {
    image: (&'static str, &'static str),
    pub(crate) address: IpAddr,
    data: TempDir,
    process: Option<Child>,
    /// What it is told besides.
    arguments: Vec<String>,
}

impl Server {
    /// Starts one, as a pod of the operlet does: a replica of nobody.
    pub(crate) fn start(image: (&'static str, &'static str), arguments: &[&str]) -> Self {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let last = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let address = IpAddr::V4(Ipv4Addr::new(127, 77, 0, last));
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server =
            Self { image, address, data: tempfile::tempdir().unwrap(), process: None, arguments };
        server.run();
        server
    }

    /// Starts the process anew, with the data it finds.
    pub(crate) fn run(&mut self) {
        assert!(self.process.is_none());
        let (image, program) = self.image;
        let root = image::root(image);
        let operator = operator();
        let place = self.place_in(&root);
        let log = File::create(self.log()).unwrap();
        let mut command = Command::new("chroot");
        command.arg(&root).arg(format!("/usr/bin/{program}")).arg(format!("{place}/{UID}.conf"));
        let address = self.address.to_string();
        command.args(["--bind", &address, "--bind-source-addr", &address, "--port", &PORT.to_string()]);
        // The image has no other language.
        command.env("LC_ALL", "C");
        command.args(["--protected-mode", "no", "--daemonize", "no", "--save", ""]);
        command.args([
            "--replicaof",
            "127.0.0.1",
            "1",
            "--repl-diskless-sync-delay",
            "0",
            "--repl-backlog-ttl",
            "0",
        ]);
        command.args(["--repl-ping-replica-period", "1", "--repl-timeout", "5"]);
        command.args(["--replica-announce-ip", &self.name()]);
        // What each may do is what it may do in a cluster, so that a right that lacks shows.
        let secret = format!(">{}", operator.password);
        command.args(["--user", users::USER, "reset", "on", &secret]).args(acl::OPERATOR.split_whitespace());
        let secret = format!(">{}", operator.probe_password);
        command
            .args(["--user", users::PROBE_USER, "reset", "on", &secret])
            .args(acl::PROBE.split_whitespace());
        command.args(["--user", "default", "reset", "on", "nopass"]).args(acl::DEFAULT.split_whitespace());
        command.args(["--dir", &place]);
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().expect("chroot is there"));
        let begun = Instant::now();
        while TcpStream::connect((self.address, PORT)).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {}", self.told());
            sleep(Duration::from_millis(10));
        }
    }

    /// The name that it announces.
    pub(crate) fn name(&self) -> String {
        format!("server-{}.test", self.address)
    }

    /// Ends the process as the kernel would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Loses its data.
    pub(crate) fn wipe(&self) {
        let root = self.place_in_host();
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir_all(&root).unwrap();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.as_ref().expect("it runs");
        let pid = rustix::process::Pid::from_child(process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn place_in(&self, root: &std::path::Path) -> String {
        let inside = format!("/data/{}", self.address);
        let place = root.join(inside.trim_start_matches('/'));
        fs::create_dir_all(&place).unwrap();
        File::create(place.join(format!("{UID}.conf"))).unwrap();
        inside
    }

    fn place_in_host(&self) -> PathBuf {
        image::root(self.image.0).join(format!("data/{}", self.address))
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("log")
    }

    fn told(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
