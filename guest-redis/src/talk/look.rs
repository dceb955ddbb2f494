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
const PATIENCE_MS: u32 = 1000;

/// The same for a pod that was silent before.
const PATIENCE_SILENT_MS: u32 = 100;

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
    pub fn look(&self, pod: Pod<'_>, was_silent: bool) -> Exchange {
        let commands = Commands::new()
            .then(["INFO", "server", "replication", "persistence", "memory", "keyspace"])
            .then(["CLIENT", "LIST", "TYPE", "replica"])
            .then(["ACL", "USERS"])
            .then(["CONFIG", "GET", "min-replicas-to-write", "min-replicas-max-lag", MARKER])
            .then(["ACL", "GETUSER", "default"]);
        self.probe(pod).step(self.step(commands)).within_ms(if was_silent {
            PATIENCE_SILENT_MS
        } else {
            PATIENCE_MS
        })
    }
}

/// What the process in the pod of this uid answered; none if it did not, or not all of
/// it, or if the address led to another pod.
#[must_use]
pub fn read(end: &ExchangeEnd, uid: &str, places: &Places) -> Option<Answer> {
    let ExchangeEnd::Replies(replies) = end else { return None };
    let replies = Reply::read_all(replies.get(1)?).ok()?;
    let [info, clients, users, config, _default, _nonce] = replies.as_slice() else { return None };
    let (info, clients) = (Info::read(info.text()?), clients.text()?);
    // The start script calls the file after the pod.
    let file = info.get("config_file")?.rsplit('/').next()?;
    if file.strip_suffix(".conf") != Some(uid) && file != UNNAMED {
        return None;
    }
    let role = role(&info)?;
    let link = match role {
        Role::Primary => Link::Down { since_s: None },
        Role::Replica(_) => link(&info)?,
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
        data: data(&info),
        members: members(&info, clients, places),
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

/// Whether a server that did not answer the question is alive all the same: it does not
/// know the operator, or its certificate is not the one that is expected.
#[must_use]
pub fn is_alive(end: &ExchangeEnd) -> bool {
    is_stranger(end) || matches!(end, ExchangeEnd::TlsFailed(_))
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
fn data(info: &Info<'_>) -> u64 {
    let keys = info.numbered("db").filter_map(|db| db.get("keys")?.parse::<u64>().ok());
    keys.chain(info.number("number_of_libraries")).fold(0, u64::saturating_add)
}

fn role(info: &Info<'_>) -> Option<Role> {
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

fn link(info: &Info<'_>) -> Option<Link> {
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
fn members(info: &Info<'_>, clients: &str, places: &Places) -> BTreeMap<RunId, bool> {
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

#[cfg(test)]
mod tests {
    use operlet_sdk::PartialReplies;

    use super::*;

    const RUN: &str = "1111111111111111111111111111111111111111";
    const REPLICA: &str = "2222222222222222222222222222222222222222";

    const NOBODY: [bool; 0] = [];

    fn places() -> Places {
        let addresses = [("10.0.0.1", 0), ("10.0.0.2", 1), ("fd00::3", 2)];
        Places {
            addresses: addresses.map(|(address, pod)| (address.parse().unwrap(), pod)).into(),
            names: [("a-0.a.shop.svc", 0), ("a-1.a.shop.svc", 1)]
                .map(|(name, pod)| (name.to_owned(), pod))
                .into(),
        }
    }

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    /// What a server says whose INFO has these lines besides those that all have.
    fn end(info: &[&str], clients: &str) -> ExchangeEnd {
        let all = [
            &format!("run_id:{RUN}"),
            "config_file:/run/redis/the-uid.conf",
            &format!("master_replid:{RUN}"),
            &format!("master_replid2:{}", "0".repeat(40)),
            "master_repl_offset:7",
        ];
        // The first line of a name counts.
        let lines: Vec<&str> = info.iter().copied().chain(all).chain(["loading:0"]).collect();
        let users = format!("*2\r\n{}{}", bulk("default"), bulk(&format!("r-{REPLICA}")));
        let settings = ["min-replicas-to-write", "1", "min-replicas-max-lag", "5", MARKER, "{title} 7"];
        let settings = settings.map(bulk).concat();
        let default =
            format!("*4\r\n{}*1\r\n{}{}*1\r\n{}", bulk("flags"), bulk("on"), bulk("passwords"), bulk("abc"));
        let reply = [
            &bulk(&(lines.join("\r\n") + "\r\n")),
            &bulk(clients),
            &users,
            "*6\r\n",
            &settings,
            &default,
            &bulk("nonce"),
        ];
        ExchangeEnd::Replies(vec![b"+OK\r\n".to_vec(), reply.map(str::to_owned).concat().into_bytes()])
    }

    fn answer(info: &[&str], clients: &str) -> Option<Answer> {
        read(&end(info, clients), "the-uid", &places())
    }

    fn replica_line(address: &str) -> String {
        format!("id=7 addr={address} laddr=10.0.0.1:6379 name= flags=S user=r-{REPLICA} redir=-1\n")
    }

    #[test]
    fn a_primary_says_who_follows_it() {
        let slave = |name: &str, state: &str, lag: u32| {
            format!("slave0:ip={name},port=6379,state={state},offset=7,lag={lag}")
        };
        let members = |slaves: &[String], clients: &str| -> Vec<bool> {
            let lines: Vec<&str> =
                ["role:master"].into_iter().chain(slaves.iter().map(String::as_str)).collect();
            answer(&lines, clients).unwrap().members.into_values().collect()
        };
        let line = replica_line("10.0.0.2:40000");
        let online = slave("a-1.a.shop.svc", "online", 1);
        assert_eq!(members(std::slice::from_ref(&online), &line), [true]);
        assert_eq!(members(&[slave("10.0.0.2", "online", 1)], &line), [true], "before it has a name");
        assert_eq!(members(&[slave("a-1.a.shop.svc", "online", 3)], &line), [false], "it lags");
        assert_eq!(
            members(&[slave("a-1.a.shop.svc", "wait_bgsave", 0)], &line),
            NOBODY,
            "it is not there yet"
        );
        assert_eq!(members(std::slice::from_ref(&online), ""), NOBODY, "nobody knows who logged in");
        assert_eq!(
            members(std::slice::from_ref(&online), &line.replace("user=r-", "user=x-")),
            NOBODY,
            "another user"
        );
        assert_eq!(
            members(std::slice::from_ref(&online), &replica_line("10.0.0.9:1")),
            NOBODY,
            "from nowhere known"
        );
        let twice = [online, slave("a-1.a.shop.svc", "online", 60)];
        assert_eq!(members(&twice, &line), [false], "the worse of two links of one pod counts");
        let six = [slave("fd00::3", "online", 0)];
        assert_eq!(members(&six, &replica_line("[fd00::3]:40000")), [true]);
    }

    #[test]
    fn a_replica_says_whom_it_follows_and_since_when_not() {
        let link = |host: &str, port: &str, lines: &[&str]| {
            let follows = [&format!("master_host:{host}"), &*format!("master_port:{port}")];
            let lines: Vec<&str> =
                ["role:slave"].into_iter().chain(follows).chain(lines.iter().copied()).collect();
            let answer = answer(&lines, "")?;
            Some((answer.role, answer.link))
        };
        let up = |age: &str| {
            link("10.0.0.1", "6379", &["master_link_status:up", &format!("master_last_io_seconds_ago:{age}")])
        };
        let at = Role::Replica(Upstream::Address("10.0.0.1".parse().unwrap()));
        assert_eq!(up("1"), Some((at, Link::Up { io_age_s: 1 })));
        assert_eq!(up("-1"), Some((at, Link::Up { io_age_s: 0 })), "a clock was set back");
        let down = |host: &str, port: &str, since: &str| {
            link(host, port, &["master_link_status:down", &format!("master_link_down_since_seconds:{since}")])
        };
        let dead = |epoch| Role::Replica(Upstream::Dead(epoch));
        assert_eq!(down("127.0.0.1", "1", "-1"), Some((dead(1), Link::Down { since_s: None })));
        assert_eq!(down("127.1.2.3", "1", "9"), Some((dead(0x01_0203), Link::Down { since_s: Some(9) })));
        let other = Role::Replica(Upstream::Other);
        for (host, port) in [("127.0.0.1", "6379"), ("10.0.0.1", "1"), ("a-0.a.shop.svc", "6379")] {
            let expected = if host == "127.0.0.1" {
                Role::Replica(Upstream::Address(host.parse().unwrap()))
            } else {
                other
            };
            assert_eq!(down(host, port, "0").map(|(role, _)| role), Some(expected), "{host} {port}");
        }
        assert_eq!(link("10.0.0.1", "6379", &["master_link_status:up"]), None, "not all of it");
    }

    #[test]
    fn data_that_comes_or_is_there_is_seen() {
        let loading = |line: &str| answer(&["role:master", line], "").unwrap().loading;
        assert!(!loading("x:y") && loading("loading:1") && loading("async_loading:1"));
        let data = |lines: &[&str]| answer(&[&["role:master"], lines].concat(), "").unwrap().data;
        assert_eq!(data(&[]), 0);
        assert_eq!(data(&["db0:keys=3,expires=0", "db15:keys=4,expires=4"]), 7);
        assert_eq!(data(&["number_of_libraries:2"]), 2, "functions are data");
    }

    #[test]
    fn what_another_pod_says_or_half_of_it_is_no_answer() {
        let whole = end(&["role:master"], "");
        assert!(read(&whole, "the-uid", &places()).is_some());
        for uid in ["", "uid", "the-uid.conf", "another"] {
            assert_eq!(read(&whole, uid, &places()), None, "{uid}");
        }
        let ExchangeEnd::Replies(replies) = whole else { panic!() };
        let partial = || PartialReplies { replies: replies.clone(), rest: Vec::new() };
        for end in [ExchangeEnd::Timeout(partial()), ExchangeEnd::Unexpected(partial()), ExchangeEnd::Refused]
        {
            assert_eq!(read(&end, "the-uid", &places()), None, "{end:?}");
        }
        let cut = vec![replies[0].clone(), replies[1][..replies[1].len() - 20].to_vec()];
        assert_eq!(read(&ExchangeEnd::Replies(cut), "the-uid", &places()), None);
        assert_eq!(answer(&["role:sentinel"], ""), None);
        assert_eq!(answer(&["role:master", "run_id:short"], ""), None);
        assert_eq!(answer(&["role:master", "config_file:"], ""), None, "started by hand");
    }

    #[test]
    fn a_dead_address_holds_its_epoch() {
        for epoch in [1, 2, 255, 256, 0x00ff_ffff] {
            let upstream = upstream(&dead_address(epoch), DEAD_PORT);
            assert_eq!(upstream, Upstream::Dead(epoch));
        }
    }
}
