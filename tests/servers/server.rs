//! A server as its own process, in the root of its image.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
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

/// Each run of tests begins so many bits of addresses after the one before.
const PLACES_BITS: u32 = 6;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The uid of every pod here: a server's configuration file is called after it.
pub(crate) const UID: &str = "u";

pub(crate) fn operator() -> Operator {
    Operator::from_key(&[b'k'; 32]).expect("the key is long enough")
}

/// A line of a configuration file: its first word, and the others.
pub(crate) type Directive = (String, Vec<String>);

/// What every server here is told.
const DIRECTIVES: [&str; 8] = [
    "port 6379",
    "protected-mode no",
    "save ",
    "replicaof 127.0.0.1 1",
    "repl-diskless-sync-delay 0",
    "repl-backlog-ttl 0",
    "repl-ping-replica-period 1",
    "repl-timeout 5",
];

fn directive<'a>(words: impl IntoIterator<Item = &'a str>) -> Directive {
    let mut words = words.into_iter().map(str::to_owned);
    (words.next().unwrap_or_default(), words.collect())
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
        static LAST: AtomicU16 = AtomicU16::new(0);
        // Tests that run at the same time are not each other's.
        let first = std::process::id().wrapping_shl(PLACES_BITS);
        let place = first.wrapping_add(u32::from(LAST.fetch_add(1, Ordering::Relaxed)) + 1);
        let [_, _, high, low] = place.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 77, high, low));
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
        let place = self.place_in(&root);
        let log = File::create(self.log()).unwrap();
        let mut command = Command::new("chroot");
        command.arg(&root).arg(format!("/usr/bin/{program}")).arg(self.config_file());
        // The image has no other language.
        command.env("LC_ALL", "C");
        for (name, arguments) in self.directives() {
            command.arg(format!("--{name}")).args(arguments);
        }
        command.args(["--daemonize", "no", "--dir", &place]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().expect("chroot is there"));
        let begun = Instant::now();
        while TcpStream::connect((self.address, PORT)).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {}", self.told());
            sleep(Duration::from_millis(10));
        }
    }

    /// What it is told, as lines of its configuration file would be.
    pub(crate) fn directives(&self) -> Vec<Directive> {
        let operator = operator();
        let address = self.address.to_string();
        let mut directives = DIRECTIVES.map(|line| directive(line.split(' '))).to_vec();
        directives.extend([
            directive(["bind", &address]),
            directive(["bind-source-addr", &address]),
            directive(["replica-announce-ip", &self.name()]),
        ]);
        // What each may do is what it may do in a cluster, so that a right that lacks shows.
        let secret = |password: &str| format!(">{password}");
        let users = [
            (users::USER, secret(&operator.password), acl::OPERATOR),
            (users::PROBE_USER, secret(&operator.probe_password), acl::PROBE),
            ("default", "nopass".to_owned(), acl::DEFAULT),
        ];
        directives.extend(users.iter().map(|(user, secret, rules)| {
            directive(["user", user, "reset", "on", secret].into_iter().chain(rules.split_whitespace()))
        }));
        for argument in &self.arguments {
            match (argument.strip_prefix("--"), directives.last_mut()) {
                (None, Some((_, arguments))) => arguments.push(argument.clone()),
                _ => directives.push(directive([argument.trim_start_matches('-')])),
            }
        }
        directives
    }

    /// Where the process finds its configuration file.
    pub(crate) fn config_file(&self) -> String {
        format!("{}/{UID}.conf", self.inside())
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

    /// Whether the process has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some());
        if ended {
            self.process = None;
        }
        ended
    }

    /// Stops it where it stands, lets it go on, or asks it to end.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.as_ref().expect("it runs");
        let pid = rustix::process::Pid::from_child(process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its directory, as the process sees it.
    fn inside(&self) -> String {
        format!("/data/{}", self.address)
    }

    fn place_in(&self, root: &std::path::Path) -> String {
        let inside = self.inside();
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
