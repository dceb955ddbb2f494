//! Acts of the failover protocol as exchanges. Each first expects the very process
//! that was examined: its run id, its role, and what it follows. Only then is
//! anything changed, in one transaction.

use operlet_sdk::{Exchange, ExchangeEnd, Step};

use super::{
    Line, Pod,
    command::Commands,
    look::{DEAD_PORT, dead_address},
    resp::{Malformed, Reply},
    users,
};
use crate::protocol::{
    facts::{Answer, Proof, Role, Upstream},
    record::{Effective, RunId},
    step::{Act, Order},
};

/// What an act may take: a loaded server answers late, and one that does not answer
/// is looked at again.
const ACT_MS: u32 = 1000;

/// How long acknowledgements are waited for.
const ACKS_MS: u32 = 1000;

/// The channel of what is published to be acknowledged. Who listens hears nothing.
const ACK_CHANNEL: &str = "operlet:ack";

impl Line<'_> {
    /// An act on the process that gave this answer.
    #[must_use]
    pub fn order(&self, pod: Pod<'_>, act: &Act, answer: &Answer) -> Exchange {
        let exchange = self.act(pod).step(self.examine(&act.on.run, &act.expect)).within_ms(ACT_MS);
        exchange.step(self.step(self.commands(act, answer)))
    }

    /// A write of the operator's own on the primary, and how many replicas have it.
    #[must_use]
    pub fn prove(&self, pod: Pod<'_>, run: &RunId, acks: u8) -> Exchange {
        let commands = Commands::new().then(["PUBLISH", ACK_CHANNEL, ""]).then([
            "WAIT",
            &acks.to_string(),
            &ACKS_MS.to_string(),
        ]);
        let exchange = self.act(pod).step(self.examine(run, &Role::Primary));
        exchange.step(self.step(commands)).within_ms(ACT_MS + ACKS_MS)
    }

    /// Something that is not the protocol's, told to the process that answered.
    #[must_use]
    pub fn keep(&self, pod: Pod<'_>, run: &RunId, role: &Role, commands: Commands) -> Exchange {
        let exchange = self.act(pod).step(self.examine(run, role)).within_ms(ACT_MS);
        exchange.step(self.step(commands))
    }

    /// Nothing more is said to another process, or one that is not as it was seen.
    fn examine(&self, run: &RunId, role: &Role) -> Step {
        let commands = Commands::new().then(["INFO", "server", "replication"]);
        let step = self.step(commands).expect(format!("run_id:{}\r\n", users::hex(&run.0)));
        let host = |host: &str, port: u16| format!("master_host:{host}\r\nmaster_port:{port}\r\n");
        match role {
            Role::Primary => step.expect("role:master\r\n"),
            Role::Replica(Upstream::Dead(epoch)) => {
                step.expect("role:slave\r\n").expect(host(&dead_address(*epoch), DEAD_PORT))
            }
            Role::Replica(Upstream::Address(address)) => {
                step.expect("role:slave\r\n").expect(host(&address.to_string(), super::PORT))
            }
            Role::Replica(Upstream::Other) => step.expect("role:slave\r\n"),
        }
    }

    fn commands(&self, act: &Act, answer: &Answer) -> Commands {
        let drop_all = || drop_users(Commands::new(), answer.users.iter());
        let changed = match &act.order {
            Order::ToDead(epoch) => {
                let dead = dead_address(*epoch);
                let commands = Commands::new().then(["REPLICAOF", &dead, &DEAD_PORT.to_string()]);
                commands.and(drop_all())
            }
            Order::Promote(effective) => {
                set_min_replicas(effective).then(["REPLICAOF", "NO", "ONE"]).and(drop_all())
            }
            Order::Attach(address) => {
                let (user, password) =
                    (users::replica_user(&act.on.run), self.operator.replica_password(&act.on.run));
                Commands::new().then(["CONFIG", "SET", "masteruser", &user, "masterauth", &password]).then([
                    "REPLICAOF",
                    &address.to_string(),
                    &super::PORT.to_string(),
                ])
            }
            Order::Users { set, drop } => {
                drop_users(set.iter().fold(Commands::new(), |all, run| self.add_user(all, run)), drop.iter())
            }
            Order::Configure(effective) => set_min_replicas(effective),
            Order::Pause(pause_ms) => {
                Commands::new().then(["CLIENT", "PAUSE", &pause_ms.to_string(), "WRITE"])
            }
            Order::Unpause => Commands::new().then(["CLIENT", "UNPAUSE"]),
            Order::KickClients => Commands::new().then(["CLIENT", "KILL", "TYPE", "pubsub"]),
        };
        let changed = if act.order.kills_clients() {
            changed.then(["CLIENT", "KILL", "TYPE", "normal"])
        } else {
            changed
        };
        // A pause outlives a change of role and then silently stops replication.
        let changed = match &act.order {
            Order::ToDead(_) | Order::Promote(_) => changed.then(["CLIENT", "UNPAUSE"]),
            _ => changed,
        };
        // An older act that is still on its way dies with its connection. Nothing but
        // looks and acts logs in as this user, and none of them runs beside this one.
        let changed = changed.then(["CLIENT", "KILL", "USER", users::USER]);
        Commands::new().then(["MULTI"]).and(changed).then(["ROLE"]).then(["EXEC"])
    }

    /// It may do what a replica does to its primary, and nothing else.
    fn add_user(&self, commands: Commands, run: &RunId) -> Commands {
        let (user, password) = (users::replica_user(run), self.operator.replica_password(run));
        let secret = format!(">{password}");
        commands.then(["ACL", "SETUSER", &user, "reset", "on", &secret, "+psync", "+replconf", "+ping"])
    }
}

fn set_min_replicas(effective: &Effective) -> Commands {
    Commands::new().then([
        "CONFIG",
        "SET",
        "min-replicas-to-write",
        &effective.min_replicas.to_string(),
        "min-replicas-max-lag",
        &effective.max_lag_s.to_string(),
    ])
}

fn drop_users<'a>(commands: Commands, runs: impl Iterator<Item = &'a RunId>) -> Commands {
    runs.fold(commands, |all, run| all.then(["ACL", "DELUSER", &users::replica_user(run)]))
}

/// How many replicas acknowledged; none if that is not known.
#[must_use]
pub fn acks(end: &ExchangeEnd, run: &RunId) -> Option<Proof> {
    let ExchangeEnd::Replies(replies) = end else { return None };
    let replies = Reply::read_all(replies.get(2)?).ok()?;
    let [Reply::Integer(_), Reply::Integer(acks), _nonce] = replies.as_slice() else { return None };
    Some(Proof { run: *run, acks: u8::try_from(*acks).unwrap_or(u8::MAX) })
}

/// Whether every command of a step was carried out; else why not.
///
/// # Errors
///
/// What the server said against it, or how the exchange ended.
pub fn done(end: &ExchangeEnd) -> Result<(), String> {
    let ExchangeEnd::Replies(replies) = end else { return Err(ended(end).to_owned()) };
    let third = replies.get(2).map(Vec::as_slice).unwrap_or_default();
    let replies = Reply::read_all(third).map_err(|Malformed| "the reply is malformed".to_owned())?;
    replies.iter().find_map(error).map_or(Ok(()), Err)
}

fn error(reply: &Reply<'_>) -> Option<String> {
    if let Reply::Error(error) = reply { Some((*error).to_owned()) } else { None }
}

/// How an exchange ended that brought no replies. What had come is not told: it may be
/// anything.
fn ended(end: &ExchangeEnd) -> &'static str {
    match end {
        ExchangeEnd::Replies(_) => "it was answered",
        ExchangeEnd::Refused => "nobody listens",
        ExchangeEnd::Timeout(_) => "it was not answered in time",
        ExchangeEnd::Reset(_) => "the connection was closed",
        ExchangeEnd::TooLarge(_) => "the answer is too large",
        ExchangeEnd::Unexpected(_) => "the server is not as it was seen, or does not know the operator",
        ExchangeEnd::Stale => "the resource changed meanwhile",
        ExchangeEnd::Denied(_) => "the host forbids it",
        ExchangeEnd::Gone => "the pod is gone",
        ExchangeEnd::TlsFailed(_) => "the TLS handshake failed",
        ExchangeEnd::Unreachable(_) => "the pod cannot be reached",
    }
}

/// Whether a transaction was carried out, every command of it; else why not.
///
/// # Errors
///
/// What the server said against it, or how the exchange ended.
pub fn carried_out(end: &ExchangeEnd) -> Result<(), String> {
    let ExchangeEnd::Replies(replies) = end else { return Err(ended(end).to_owned()) };
    let third = replies.get(2).map(Vec::as_slice).unwrap_or_default();
    let replies = Reply::read_all(third).map_err(|Malformed| "the reply is malformed".to_owned())?;
    let [.., executed, _nonce] = replies.as_slice() else { return Err("the reply is too short".to_owned()) };
    let done = executed.elements().ok_or_else(|| format!("it was not executed: {executed:?}"))?;
    done.iter().find_map(error).map_or(Ok(()), Err)
}
