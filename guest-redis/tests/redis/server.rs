//! Servers as far as the operator can see them: what they say to the commands it knows.

use std::{collections::BTreeMap, fmt::Write as _};

use operlet_redis::talk::{
    resp::Reply,
    users::{Operator, hex},
};
use operlet_sdk::{Exchange, ExchangeEnd, PartialReplies};
use sha2::{Digest as _, Sha256};

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// The uid of its pod.
    pub(crate) uid: String,
    pub(crate) run: String,
    pub(crate) address: String,
    /// The name that it announces.
    pub(crate) name: String,
    /// Whom it follows; none if it is a primary.
    pub(crate) upstream: Option<(String, String)>,
    pub(crate) replid: String,
    replid2: String,
    pub(crate) offset: u64,
    /// Without a backlog a primary takes a new id with its first replica.
    has_backlog: bool,
    pub(crate) is_linked: bool,
    down_since_ms: Option<u64>,
    /// How many keys it holds.
    pub(crate) keys: u64,
    /// `r-*` users and their passwords.
    pub(crate) users: BTreeMap<String, String>,
    /// What its configuration file says, and what it was told since.
    settings: BTreeMap<String, String>,
    /// Hashes of the passwords of the application.
    pub(crate) passwords: Vec<String>,
    /// It is there, and says nothing.
    pub(crate) is_frozen: bool,
    /// Nobody listens at its address any more; links that there are stay.
    pub(crate) refuses: bool,
    /// Its offset never is the primary's.
    pub(crate) is_ahead: bool,
}

/// An id of 40 digits that nothing else here has.
fn id(class: char, number: u64) -> String {
    format!("{class}{number:039x}")
}

impl Server {
    /// A process that just booted: a replica of nobody.
    pub(crate) fn boot(number: u64, uid: &str, address: &str, name: &str, keys: u64) -> Self {
        let defaults = [("min-replicas-to-write", "0"), ("min-replicas-max-lag", "10")];
        Self {
            uid: uid.to_owned(),
            run: id('a', number),
            address: address.to_owned(),
            name: name.to_owned(),
            upstream: Some(("127.0.0.1".to_owned(), "1".to_owned())),
            replid: id('b', number),
            replid2: "0".repeat(40),
            offset: 0,
            has_backlog: false,
            is_linked: false,
            down_since_ms: None,
            keys,
            users: BTreeMap::new(),
            settings: defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            passwords: Vec::new(),
            is_frozen: false,
            refuses: false,
            is_ahead: false,
        }
    }

    /// With what the mounted files say.
    pub(crate) fn with_files(mut self, redis_conf: &str, password: &str) -> Self {
        let lines = redis_conf.lines().filter_map(|line| line.split_once(' '));
        let lines = lines.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
        self.settings.extend(lines);
        self.passwords = vec![hash(password)];
        self
    }

    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    fn follow(&mut self, upstream: Option<(&str, &str)>, now_ms: u64) {
        if upstream.is_none() && self.upstream.is_some() {
            self.replid2 = std::mem::replace(&mut self.replid, id('c', self.offset + now_ms));
        }
        self.upstream = upstream.map(|(host, port)| (host.to_owned(), port.to_owned()));
        self.unlink(now_ms);
    }

    fn unlink(&mut self, now_ms: u64) {
        if std::mem::take(&mut self.is_linked) {
            self.down_since_ms = Some(now_ms);
        }
    }

    fn info(&self, replicas: &[Replica], now_ms: u64) -> String {
        let mut text = format!(
            "# Server\r\nrun_id:{}\r\nconfig_file:/run/redis/{}.conf\r\n# Replication\r\n",
            self.run, self.uid
        );
        match &self.upstream {
            None => text += "role:master\r\n",
            Some((host, port)) => {
                let _ = write!(text, "role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\n");
                text += match self.is_linked {
                    true => "master_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n",
                    false => "master_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n",
                };
                if !self.is_linked {
                    let since = self.down_since_ms.map(|since| now_ms.saturating_sub(since) / 1000);
                    let since = since.map_or("-1".to_owned(), |seconds| seconds.to_string());
                    let _ = write!(text, "master_link_down_since_seconds:{since}\r\n");
                }
            }
        }
        for (number, replica) in replicas.iter().enumerate() {
            let (name, offset) = (&replica.name, self.offset);
            let _ = write!(text, "slave{number}:ip={name},port=6379,state=online,offset={offset},lag=0\r\n");
        }
        let _ = write!(
            text,
            "master_replid:{}\r\nmaster_replid2:{}\r\nmaster_repl_offset:{}\r\nloading:0\r\n# Keyspace\r\n",
            self.replid, self.replid2, self.offset
        );
        if self.keys > 0 {
            let _ = write!(text, "db0:keys={},expires=0\r\n", self.keys);
        }
        text
    }

    fn execute(&mut self, words: &[&str], operator: &Operator, replicas: &[Replica], now_ms: u64) -> String {
        match words {
            ["AUTH", "operlet", password] if *password == operator.password => simple("OK"),
            ["AUTH", "operlet-probe", password] if *password == operator.probe_password => simple("OK"),
            ["AUTH", ..] => "-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_owned(),
            ["ECHO", word] => bulk(word),
            ["INFO", ..] => bulk(&self.info(replicas, now_ms)),
            ["ROLE"] => array([bulk(if self.upstream.is_none() { "master" } else { "slave" })]),
            ["CLIENT", "LIST", ..] => bulk(&replicas.iter().map(Replica::line).collect::<String>()),
            ["CLIENT", "KILL", ..] | ["PUBLISH", ..] => ":0\r\n".to_owned(),
            ["CLIENT", "PAUSE" | "UNPAUSE", ..] => simple("OK"),
            ["ACL", "USERS"] => {
                let own = ["default", "operlet", "operlet-health", "operlet-probe"];
                array(own.into_iter().chain(self.users.keys().map(String::as_str)).map(bulk))
            }
            ["ACL", "GETUSER", "default"] => {
                let passwords = array(self.passwords.iter().map(|password| bulk(password)));
                array([bulk("flags"), array([bulk("on")]), bulk("passwords"), passwords])
            }
            ["ACL", "SETUSER", "default", rules @ ..] => {
                for rule in rules {
                    match rule.strip_prefix('#') {
                        Some(password) => self.passwords.push(password.to_owned()),
                        None => self.passwords.clear(),
                    }
                }
                simple("OK")
            }
            ["ACL", "SETUSER", user, rules @ ..] => {
                let password = rules.iter().find_map(|rule| rule.strip_prefix('>')).unwrap();
                self.users.insert((*user).to_owned(), password.to_owned());
                simple("OK")
            }
            ["ACL", "DELUSER", user] => format!(":{}\r\n", u8::from(self.users.remove(*user).is_some())),
            ["CONFIG", "GET", names @ ..] => {
                let followed = self.upstream.as_ref().map(|(host, port)| format!("{host} {port}"));
                let value = |name: &str| match name {
                    "replicaof" => followed.clone().unwrap_or_default(),
                    _ => self.setting(name).to_owned(),
                };
                array(names.iter().flat_map(|name| [bulk(name), bulk(&value(name))]))
            }
            ["CONFIG", "SET", pairs @ ..] => {
                let pairs = pairs.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
                self.settings.extend(pairs);
                simple("OK")
            }
            ["REPLICAOF", "NO", "ONE"] => {
                self.follow(None, now_ms);
                simple("OK")
            }
            ["REPLICAOF", host, port] => {
                self.follow(Some((host, port)), now_ms);
                simple("OK")
            }
            ["WAIT", wanted, _] => format!(":{}\r\n", replicas.len().min(wanted.parse().unwrap())),
            other => panic!("{other:?} is nothing that the operator says"),
        }
    }
}

/// A replica as its primary sees it.
struct Replica {
    name: String,
    address: String,
    user: String,
}

impl Replica {
    fn line(&self) -> String {
        format!(
            "id=7 addr={}:40000 laddr=10.0.0.1:6379 flags=S db=0 user={} resp=2\n",
            self.address, self.user
        )
    }
}

/// All processes, by the ordinals of their pods.
#[derive(Debug, Clone, Default)]
pub(crate) struct Servers(pub(crate) BTreeMap<u8, Server>);

impl Servers {
    /// What an exchange brings, as the host makes it.
    pub(crate) fn say(&mut self, exchange: &Exchange, operator: &Operator, now_ms: u64) -> ExchangeEnd {
        let Some((ordinal, server)) = self.0.iter().find(|(_, server)| server.uid == exchange.pod_uid) else {
            return ExchangeEnd::Gone;
        };
        let ordinal = *ordinal;
        let mut replies = Vec::new();
        if server.refuses {
            return ExchangeEnd::Refused;
        }
        if server.is_frozen {
            return ExchangeEnd::Timeout(PartialReplies { replies, rest: Vec::new() });
        }
        for step in &exchange.steps {
            let reply = self.reply(ordinal, &step.send, operator, now_ms).into_bytes();
            let holds = |bytes: &Vec<u8>| reply.windows(bytes.len()).any(|part| part == bytes.as_slice());
            let expected = step.expect.iter().all(holds);
            replies.push(reply);
            if !expected {
                return ExchangeEnd::Unexpected(PartialReplies { replies, rest: Vec::new() });
            }
            self.replicate(now_ms);
        }
        ExchangeEnd::Replies(replies)
    }

    fn reply(&mut self, ordinal: u8, commands: &[u8], operator: &Operator, now_ms: u64) -> String {
        let replicas = self.replicas(ordinal);
        let server = self.0.get_mut(&ordinal).unwrap();
        let mut reply = String::new();
        let mut queued: Option<Vec<String>> = None;
        for command in Reply::read_all(commands).unwrap() {
            let words: Vec<&str> =
                command.elements().unwrap().iter().map(|word| word.text().unwrap()).collect();
            match (words.as_slice(), &mut queued) {
                (["MULTI"], _) => {
                    queued = Some(Vec::new());
                    reply += "+OK\r\n";
                }
                (["EXEC"], queued) => reply += &array(queued.take().unwrap()),
                // Nobody else speaks meanwhile, so it may as well be done now.
                (words, Some(queued)) => {
                    queued.push(server.execute(words, operator, &replicas, now_ms));
                    reply += "+QUEUED\r\n";
                }
                (words, None) => reply += &server.execute(words, operator, &replicas, now_ms),
            }
        }
        reply
    }

    /// Links whoever may log in where it was told to, and unlinks the others.
    pub(crate) fn replicate(&mut self, now_ms: u64) {
        let ordinals: Vec<u8> = self.0.keys().copied().collect();
        for ordinal in ordinals {
            let Some(source) = self.source(ordinal) else {
                self.0.get_mut(&ordinal).unwrap().unlink(now_ms);
                continue;
            };
            let primary = self.0.get_mut(&source).unwrap();
            if !std::mem::replace(&mut primary.has_backlog, true) {
                (primary.replid, primary.replid2) = (id('d', now_ms + u64::from(source)), "0".repeat(40));
            }
            let (replid, replid2) = (primary.replid.clone(), primary.replid2.clone());
            let (offset, keys) = (primary.offset, primary.keys);
            let replica = self.0.get_mut(&ordinal).unwrap();
            (replica.replid, replica.replid2, replica.offset, replica.keys) = (replid, replid2, offset, keys);
            replica.offset += u64::from(replica.is_ahead);
            (replica.is_linked, replica.has_backlog) = (true, true);
        }
    }

    /// The primary that this one follows, if it lets it.
    fn source(&self, ordinal: u8) -> Option<u8> {
        let replica = self.0.get(&ordinal).filter(|server| !server.is_frozen)?;
        let (host, _port) = replica.upstream.as_ref()?;
        let (source, primary) = self.0.iter().find(|(_, server)| server.address == *host)?;
        let password = primary.users.get(replica.setting("masteruser"));
        let allowed = password.is_some_and(|password| password == replica.setting("masterauth"))
            && (replica.is_linked || !primary.refuses);
        (allowed && primary.upstream.is_none() && !primary.is_frozen).then_some(*source)
    }

    fn replicas(&self, of: u8) -> Vec<Replica> {
        let linked =
            self.0.iter().filter(|(ordinal, server)| server.is_linked && self.source(**ordinal) == Some(of));
        let replica = |(_, server): (&u8, &Server)| Replica {
            name: server.name.clone(),
            address: server.address.clone(),
            user: server.setting("masteruser").to_owned(),
        };
        linked.map(replica).collect()
    }
}

/// As servers tell passwords from one another.
fn hash(password: &str) -> String {
    hex(&Sha256::digest(password.as_bytes()))
}

fn simple(text: &str) -> String {
    format!("+{text}\r\n")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn array(elements: impl IntoIterator<Item = String>) -> String {
    let elements: Vec<String> = elements.into_iter().collect();
    format!("*{}\r\n{}", elements.len(), elements.concat())
}
