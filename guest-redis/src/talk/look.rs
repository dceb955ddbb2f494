//! How a process is asked how it is, and what it answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use operlet_sdk::{Exchange, ExchangeEnd};

use super::{
    Line, Pod,
    command::Commands,
    info::{Info, Pairs},
    resp::Reply,
    users,
};
use crate::build::MARKER;
use crate::protocol::{
    facts::{Answer, Link, Role, Upstream},
    record::{Epoch, Ordinal, ReplId, RunId},
};

/// A pod that does not answer within this time is silent: all pods are asked side by
/// side, and the slowest is waited for.
const PATIENCE_MS: u32 = 200;

/// The port of a dead address: nobody listens there.
pub(super) const DEAD_PORT: u16 = 1;

/// What `master_link_down_since_seconds` is for one that was never linked.
const NEVER_LINKED: i64 = -1;

/// The file of a server that was started before files were called after pods.
const UNNAMED: &str = "redis.conf";

/// A replica acknowledges each second; with twice that its lag is small.
const LAG_SMALL_S: u32 = 2;

/// Where the replicas of a primary are found.
#[derive(Debug, Default)]
pub struct Places {
    /// Pods by their addresses.
    pub addresses: BTreeMap<IpAddr, Ordinal>,
    /// Pods by the names that they announce.
    pub names: BTreeMap<String, Ordinal>,
}

impl Line<'_> {
    /// The question how a process is.
    #[must_use]
    pub fn look(&self, pod: Pod<'_>) -> Exchange {
        let commands = Commands::new()
            .then(["INFO", "server", "replication", "persistence", "memory", "keyspace"])
            .then(["CLIENT", "LIST", "TYPE", "replica"])
            .then(["ACL", "USERS"])
            .then(["CONFIG", "GET", "min-replicas-to-write", "min-replicas-max-lag", MARKER])
            .then(["ACL", "GETUSER", "default"]);
        self.probe(pod).step(self.step(commands)).within_ms(PATIENCE_MS)
    }
}

/// What the process in the pod of this uid answered; none if it did not, or not all of
/// it, or if the address led to another pod.
#[must_use]
pub fn read(end: &ExchangeEnd, uid: &str, places: &Places) -> Option<Answer> {
    let ExchangeEnd::Replies(replies) = end else { return None };
    let replies = Reply::read_all(replies.get(1)?).ok()?;
    let [info, clients, users, config, _default, _nonce] = replies.as_slice() else { return None };
    let (info, clients) = (Info(info.text()?), clients.text()?);
    // The start script calls the file after the pod.
    let file = info.get("config_file")?.rsplit('/').next()?;
    if file.strip_suffix(".conf") != Some(uid) && file != UNNAMED {
        return None;
    }
    let role = role(info)?;
    let link = match role {
        Role::Primary => Link::Down { since_s: None },
        Role::Replica(_) => link(info)?,
    };
    Some(Answer {
        run: users::run_id(info.get("run_id")?)?,
        role,
        link,
        replid: ReplId(users::digits(info.get("master_replid")?)?),
        replid2: ReplId(users::digits(info.get("master_replid2")?)?),
        // Of a replica, what it has taken in; `slave_repl_offset` is the same but for one
        // that was never linked, where it is 1.
        offset: info.number("master_repl_offset")?,
        loading: info.get("loading")? != "0" || info.get("async_loading").is_some_and(|now| now != "0"),
        data: data(info),
        members: members(info, clients, places),
        users: users.elements()?.iter().filter_map(|user| users::replica_of(user.text()?)).collect(),
        min_replicas: setting(config, "min-replicas-to-write")?.min(u32::from(u8::MAX)).try_into().ok()?,
        max_lag_s: setting(config, "min-replicas-max-lag")?,
    })
}

/// Whether a server answered that it does not know the operator.
#[must_use]
pub fn is_stranger(end: &ExchangeEnd) -> bool {
    let ExchangeEnd::Unexpected(partial) = end else { return false };
    partial.replies.first().is_some_and(|reply| reply.starts_with(b"-WRONGPASS"))
}

/// What a server has of what it is told beside the protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkept {
    /// Says which settings it runs with.
    pub marker: String,
    /// Hashes of the passwords that the application may use.
    pub passwords: Vec<String>,
}

/// The same answer once more, for this.
#[must_use]
pub fn upkept(end: &ExchangeEnd) -> Option<Upkept> {
    let ExchangeEnd::Replies(replies) = end else { return None };
    let replies = Reply::read_all(replies.get(1)?).ok()?;
    let [_info, _clients, _users, config, default, _nonce] = replies.as_slice() else { return None };
    let passwords = entry(default, "passwords")?.elements()?.iter();
    Some(Upkept {
        marker: entry(config, MARKER).and_then(|marker| marker.text()).unwrap_or_default().to_owned(),
        passwords: passwords.filter_map(|password| Some(password.text()?.to_owned())).collect(),
    })
}

/// The value after a name.
fn entry<'a, 'b>(pairs: &'a Reply<'b>, name: &str) -> Option<&'a Reply<'b>> {
    let mut pairs = pairs.elements()?.chunks_exact(2);
    pairs.find_map(|pair| match pair {
        [key, value] if key.text() == Some(name) => Some(value),
        _ => None,
    })
}

/// Keys, and libraries of functions, which are data as well.
fn data(info: Info<'_>) -> u64 {
    let keys = info.numbered("db").filter_map(|db| db.get("keys")?.parse::<u64>().ok());
    keys.chain(info.number("number_of_libraries")).fold(0, u64::saturating_add)
}

fn role(info: Info<'_>) -> Option<Role> {
    match info.get("role")? {
        "master" => Some(Role::Primary),
        "slave" => Some(Role::Replica(upstream(info.get("master_host")?, info.number("master_port")?))),
        _ => None,
    }
}

fn upstream(host: &str, port: u16) -> Upstream {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_loopback() && port == DEAD_PORT => {
            let [_, high, middle, low] = address.octets();
            Upstream::Dead(Epoch::from_be_bytes([0, high, middle, low]))
        }
        Ok(address) if port == super::PORT => Upstream::Address(address),
        _ => Upstream::Other,
    }
}

/// The dead address of an epoch: 127.a.b.c, with the epoch in its last three bytes.
#[must_use]
pub fn dead_address(epoch: Epoch) -> String {
    let [_, high, middle, low] = epoch.to_be_bytes();
    format!("127.{high}.{middle}.{low}")
}

fn link(info: Info<'_>) -> Option<Link> {
    if info.get("master_link_status")? == "up" {
        // A clock that is set back makes it negative.
        return Some(Link::Up { io_age_s: seconds(info.number("master_last_io_seconds_ago")?) });
    }
    let since: i64 = info.number("master_link_down_since_seconds")?;
    Some(Link::Down { since_s: (since != NEVER_LINKED).then(|| seconds(since)) })
}

fn seconds(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// The replicas that are online. `CLIENT LIST` says which user is at which address,
/// `INFO` which announced name is how far; a pod has both. Where two lines speak of
/// one pod, an earlier link of it lives on, and the worse one counts.
fn members(info: Info<'_>, clients: &str, places: &Places) -> BTreeMap<RunId, bool> {
    let mut small = BTreeMap::<Ordinal, bool>::new();
    for replica in info.numbered("slave") {
        let pod = replica.get("ip").and_then(|name| places.pod(name));
        let online = replica.get("state") == Some("online");
        if let (Some(pod), true) = (pod, online) {
            let lag = replica.get("lag").and_then(|lag| lag.parse::<u32>().ok());
            let is_small = lag.is_some_and(|lag| lag <= LAG_SMALL_S);
            small.entry(pod).and_modify(|so_far| *so_far &= is_small).or_insert(is_small);
        }
    }
    let clients = clients.lines().map(|line| Pairs(line, ' '));
    let member = |client: Pairs<'_>| {
        let run = users::replica_of(client.get("user")?)?;
        let (address, _port) = client.get("addr")?.rsplit_once(':')?;
        let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
        let pod = places.addresses.get(&address)?;
        Some((run, *small.get(pod)?))
    };
    clients.filter_map(member).collect()
}

impl Places {
    fn pod(&self, name: &str) -> Option<Ordinal> {
        let address = || name.parse().ok().and_then(|address: IpAddr| self.addresses.get(&address));
        self.names.get(name).or_else(address).copied()
    }
}

fn setting(config: &Reply<'_>, name: &str) -> Option<u32> {
    entry(config, name)?.text()?.parse().ok()
}
