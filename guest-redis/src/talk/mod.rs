//! What is said to the servers and what they say: the Redis protocol, what it asks
//! of a process, and how an act of the failover protocol is put into it.

pub mod acts;
pub mod command;
pub mod info;
pub mod look;
pub mod resp;
pub mod users;

use operlet_sdk::{Exchange, Probe, Step, Transport};

use crate::build::users as acl;
use command::Commands;
use users::Operator;

/// The port of every server.
const PORT: u16 = 6379;

/// A frozen server is noticed by this and the timeout of a round.
pub(crate) const WATCH_EVERY_MS: u32 = 1000;

/// How the pods of a Redis are spoken to.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Who the operator is to the servers.
    pub operator: &'a Operator,
    /// Plain, or TLS.
    pub transport: Transport,
    /// Ends each reply: a word that no server can know before. It is made from the
    /// entropy of the reconcile.
    pub nonce: &'a str,
}

/// One pod, as the host finds it.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

impl Line<'_> {
    fn probe(&self, pod: Pod<'_>) -> Exchange {
        Exchange::probe(pod.name, pod.uid, PORT).over(self.transport.clone()).step(self.login())
    }

    fn act(&self, pod: Pod<'_>) -> Exchange {
        Exchange::act(pod.name, pod.uid, PORT).over(self.transport.clone()).step(self.login())
    }

    /// Makes the operator's users known to a server that was started without them.
    #[must_use]
    pub fn introduce(&self, pod: Pod<'_>, password: &[u8]) -> Exchange {
        let password = String::from_utf8_lossy(password);
        let login = Commands::new().then(["AUTH", &*password]);
        let user = |commands: Commands, name: &str, password: &str, rules: &str| {
            let secret = format!(">{password}");
            let words =
                ["ACL", "SETUSER", name, "reset", "on", &secret].into_iter().chain(rules.split_whitespace());
            commands.then(words.collect::<Vec<_>>())
        };
        let operator = self.operator;
        let commands = user(Commands::new(), users::USER, &operator.password, acl::OPERATOR);
        let commands = user(commands, users::PROBE_USER, &operator.probe_password, acl::PROBE);
        Exchange::act(pod.name, pod.uid, PORT)
            .over(self.transport.clone())
            .step(Step::line(login.into_bytes()).expect("+OK\r\n"))
            .step(self.step(commands))
    }

    /// Nothing more is said to a server that does not know the operator. Without TLS
    /// whoever has the pod's address learns the password by this.
    fn login(&self) -> Step {
        login(users::USER, &self.operator.password)
    }

    /// Watches a pod on a connection that is kept. What it answers stays the same while
    /// the server follows whom it followed, with the bound on writes that it had.
    #[must_use]
    pub fn watch(&self, id: String, pod: Pod<'_>, timeout_ms: u32) -> Probe {
        let question = Commands::new().then([
            "CONFIG",
            "GET",
            "replicaof",
            "min-replicas-to-write",
            "min-replicas-max-lag",
        ]);
        // The same word each time: another would be another probe.
        let step = Step::until(question.then(["ECHO", pod.uid]).into_bytes(), format!("{}\r\n", pod.uid));
        let exchange = Exchange::probe(pod.name, pod.uid, PORT).over(self.transport.clone()).step(step);
        Probe::new(id, exchange.within_ms(timeout_ms), WATCH_EVERY_MS)
            .opened_by(vec![login(users::PROBE_USER, &self.operator.probe_password)])
    }

    /// These commands, and an echo that ends the reply.
    fn step(&self, commands: Commands) -> Step {
        Step::until(commands.then(["ECHO", self.nonce]).into_bytes(), format!("{}\r\n", self.nonce))
    }
}

fn login(user: &str, password: &str) -> Step {
    Step::line(Commands::new().then(["AUTH", user, password]).into_bytes()).expect("+OK\r\n")
}
