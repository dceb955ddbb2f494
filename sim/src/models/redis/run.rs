//! Carries out commands of clients.

use std::time::Duration;

use super::{
    Redis,
    client::{Client, Queued, Waits},
    commands::{self, Command},
    resp::{Reply, Words},
    users::DEFAULT,
};
use crate::world::{Act, Connection};

/// What one may say that only listens.
const LISTENING: [&str; 4] = ["ping", "quit", "subscribe", "unsubscribe"];

impl Redis {
    /// Answers a command, unless it must wait: then it stays in the input.
    pub(super) fn process(&mut self, at: Connection, words: &Words) -> bool {
        let name = words.first().map(|name| lower(name)).unwrap_or_default();
        let command = match self.admit(at, &name, words) {
            Ok(command) => command,
            Err(refusal) => {
                if let Some(client) = self.clients.get_mut(&at) {
                    if let Some(queued) = &mut client.queued {
                        queued.failed = true;
                    }
                    if name == "exec" {
                        client.queued = None;
                        client.answer(refusal.aborting());
                    } else {
                        client.answer(refusal);
                    }
                }
                return true;
            }
        };
        let is_paused = self.is_paused();
        let Some(client) = self.clients.get_mut(&at) else { return true };
        let queues = client.queued.is_some() && !["exec", "discard", "multi", "quit"].contains(&command.name);
        let affects = |command: &Command| command.writes || command.replicates;
        let executes = |queued: &Queued| {
            queued.commands.iter().any(|words| known(words).is_some_and(|command| affects(&command)))
        };
        let held =
            affects(&command) || (command.name == "exec" && client.queued.as_ref().is_some_and(executes));
        if held && is_paused {
            client.waits = Some(Waits::Pause(self.held));
            self.held += 1;
            return false;
        }
        if queues {
            if let Some(queued) = client.queued.as_mut().filter(|queued| !queued.failed) {
                queued.commands.push(words.clone());
            }
            client.answer(Reply::simple("QUEUED"));
            return true;
        }
        let reply = self.run(at, command, words);
        self.propagate();
        let offset = self.history.offset;
        if let Some(client) = self.clients.get_mut(&at) {
            if client.waits.is_none() {
                client.wrote = offset;
            }
            client.answer(reply);
        }
        true
    }

    /// Whether a command may be carried out.
    fn admit(&self, at: Connection, name: &str, words: &Words) -> Result<Command, Reply> {
        let Some(command) = commands::find(name) else {
            let mut arguments = String::new();
            for word in words.iter().skip(1) {
                arguments.push_str(&format!("'{}' ", String::from_utf8_lossy(word)));
            }
            let given =
                words.first().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
            let text = format!("ERR unknown command '{given}', with args beginning with: {arguments}");
            return Err(Reply::error(&text));
        };
        let sub = words.get(1).filter(|_| command.has_subcommands()).map(|word| lower(word));
        let full = sub.as_ref().map_or_else(|| name.to_owned(), |sub| format!("{name}|{sub}"));
        let fits = match &sub {
            Some(sub) => commands::subcommand(name, sub, words.len()).ok_or_else(|| {
                let given = words.get(1).map(|word| String::from_utf8_lossy(word).into_owned());
                let text = format!(
                    "ERR unknown subcommand '{}'. Try {} HELP.",
                    given.unwrap_or_default(),
                    name.to_uppercase()
                );
                Reply::error(&text)
            })?,
            None => command.fits(words.len()),
        };
        if !fits {
            return Err(Reply::error(&format!("ERR wrong number of arguments for '{full}' command")));
        }
        let client = self.clients.get(&at).ok_or_else(Reply::none)?;
        if name == "quit" {
            return Ok(command);
        }
        if name != "auth" {
            let user = self.user(client)?;
            if client.queued.is_some() && !command.fits_transactions() {
                return Err(Reply::error("ERR Command not allowed inside a transaction"));
            }
            self.permit(user, &command, sub.as_deref(), words)?;
        }
        let queued = client.queued.as_ref();
        let writes = command.writes
            || (name == "exec"
                && queued.is_some_and(|queued| {
                    queued.commands.iter().any(|words| known(words).is_some_and(|command| command.writes))
                }));
        if writes && self.master.is_none() && !self.has_enough_replicas() {
            return Err(Reply::error("NOREPLICAS Not enough good replicas to write."));
        }
        if writes && self.master.is_some() && self.settings.is_on("replica-read-only") {
            return Err(Reply::error("READONLY You can't write against a read only replica."));
        }
        if !client.channels.is_empty() && !LISTENING.contains(&name) {
            let text = format!(
                "ERR Can't execute '{full}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            );
            return Err(Reply::error(&text));
        }
        Ok(command)
    }

    /// The name of the user that a client is.
    fn user<'a>(&self, client: &'a Client) -> Result<&'a str, Reply> {
        let default = self.users.get(DEFAULT);
        match &client.user {
            Some(name) => Ok(name),
            None if default.is_some_and(super::users::User::is_open) => Ok(DEFAULT),
            None => Err(Reply::error("NOAUTH Authentication required.")),
        }
    }

    fn permit(&self, name: &str, command: &Command, sub: Option<&str>, words: &Words) -> Result<(), Reply> {
        let refused = |what: &str| Reply::error(&format!("NOPERM this user has no permissions to {what}"));
        let Some(user) = self.users.get(name) else { return Err(refused("do anything")) };
        let arguments = words.get(1..).unwrap_or_default();
        if !user.may(command.name, sub) {
            let full = sub.map_or_else(|| command.name.to_owned(), |sub| format!("{}|{sub}", command.name));
            return Err(refused(&format!("run the '{full}' command")));
        }
        if command.keys(arguments).any(|key| !user.may_use(key)) {
            return Err(refused("access one of the keys used as arguments"));
        }
        let channels = match command.name {
            "publish" => arguments.get(..1),
            "subscribe" => Some(arguments),
            _ => None,
        };
        if channels.into_iter().flatten().any(|channel| !user.may_speak(channel)) {
            return Err(refused("access one of the channels used as arguments"));
        }
        Ok(())
    }

    fn run(&mut self, at: Connection, command: Command, words: &Words) -> Reply {
        let arguments = words.get(1..).unwrap_or_default();
        let texts: Vec<String> =
            arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        match (command.name, texts.as_slice()) {
            ("acl", [sub, rest @ ..]) => self.acl(at, &sub.to_lowercase(), rest),
            ("auth", _) => self.log_in(at, arguments),
            ("client", [sub, rest @ ..]) => self.client(at, &sub.to_lowercase(), rest),
            ("config", [sub, rest @ ..]) => self.config(&sub.to_lowercase(), rest),
            ("discard", _) => match self.clients.get_mut(&at).and_then(|client| client.queued.take()) {
                Some(_) => Reply::ok(),
                None => Reply::error("ERR DISCARD without MULTI"),
            },
            ("echo", _) => arguments.first().map_or_else(Reply::null, Reply::bulk),
            ("exec", _) => self.execute(at),
            ("info", asked) => self.info(&asked.iter().map(|one| one.to_lowercase()).collect::<Vec<_>>()),
            ("multi", _) => self.begin(at),
            ("ping", _) => self.ping(at, arguments),
            ("psync", _) => self.sync(at, words),
            ("publish", _) => match arguments {
                [channel, message] => {
                    let heard = self.publish(channel, message);
                    self.pending.push(words.clone());
                    Reply::count(heard)
                }
                _ => Reply::none(),
            },
            ("quit", _) => {
                if let Some(client) = self.clients.get_mut(&at) {
                    client.closes = true;
                }
                Reply::ok()
            }
            ("replconf", _) => self.announced(at, words),
            ("replicaof" | "slaveof", [host, port]) => self.replicaof(host, port),
            ("role", _) => self.role(),
            ("save", _) => {
                self.save();
                Reply::ok()
            }
            ("select", [database]) => match database.parse::<u8>() {
                Ok(0..16) => Reply::ok(),
                Ok(_) => Reply::error("ERR DB index is out of range"),
                Err(_) => Reply::error("ERR value is not an integer or out of range"),
            },
            ("subscribe", _) => self.subscribe(at, arguments),
            ("unsubscribe", _) => self.unsubscribe(at, arguments),
            ("wait", [count, time]) => self.wait(at, count, time),
            (name, _) => match self.data.run(name, arguments) {
                Some((reply, changed)) => {
                    if changed {
                        self.log(words);
                        self.pending.push(words.clone());
                    }
                    reply
                }
                None => Reply::error(&format!("ERR the model does not know what '{name}' does")),
            },
        }
    }

    fn begin(&mut self, at: Connection) -> Reply {
        let Some(client) = self.clients.get_mut(&at) else { return Reply::none() };
        if client.queued.is_some() {
            return Reply::error("ERR MULTI calls can not be nested");
        }
        client.queued = Some(Queued::default());
        Reply::ok()
    }

    fn execute(&mut self, at: Connection) -> Reply {
        let Some(queued) = self.clients.get_mut(&at).and_then(|client| client.queued.take()) else {
            return Reply::error("ERR EXEC without MULTI");
        };
        if queued.failed {
            return Reply::error("EXECABORT Transaction discarded because of previous errors.");
        }
        let mut replies = Vec::new();
        self.executes = true;
        for words in &queued.commands {
            let Some(command) = known(words) else { continue };
            let sub = words.get(1).filter(|_| command.has_subcommands()).map(|word| lower(word));
            let permitted = match self.clients.get(&at) {
                Some(client) => {
                    self.user(client).and_then(|name| self.permit(name, &command, sub.as_deref(), words))
                }
                None => Ok(()),
            };
            replies.push(match permitted {
                Ok(()) => self.run(at, command, words),
                Err(refusal) => refusal,
            });
        }
        self.executes = false;
        Reply::array(replies)
    }

    fn log_in(&mut self, at: Connection, words: &[Vec<u8>]) -> Reply {
        let (name, password) = match words {
            [password] if self.users.get(DEFAULT).is_some_and(super::users::User::needs_no_password) => {
                let _ = password;
                return Reply::error(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
                );
            }
            [password] => (DEFAULT.to_owned(), password),
            [name, password] => (String::from_utf8_lossy(name).into_owned(), password),
            _ => return Reply::error("ERR syntax error"),
        };
        if !self.users.admits(&name, password) {
            return Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
        }
        if let Some(client) = self.clients.get_mut(&at) {
            client.user = Some(name);
        }
        Reply::ok()
    }

    fn ping(&self, at: Connection, words: &[Vec<u8>]) -> Reply {
        let listens = self.clients.get(&at).is_some_and(|client| !client.channels.is_empty());
        match words {
            [] if listens => Reply::array([Reply::bulk("pong"), Reply::bulk("")]),
            [text] if listens => Reply::array([Reply::bulk("pong"), Reply::bulk(text)]),
            [] => Reply::simple("PONG"),
            [text] => Reply::bulk(text),
            _ => Reply::error("ERR wrong number of arguments for 'ping' command"),
        }
    }

    fn acl(&mut self, at: Connection, sub: &str, words: &[&str]) -> Reply {
        match (sub, words) {
            ("whoami", _) => {
                let user = self.clients.get(&at).and_then(|client| client.user.clone());
                Reply::bulk(user.unwrap_or_else(|| DEFAULT.to_owned()))
            }
            ("users", _) => Reply::array(self.users.names().map(Reply::bulk)),
            ("getuser", [name]) => self.users.get(name).map_or_else(Reply::null, super::users::User::told),
            ("setuser", [name, rules @ ..]) => {
                let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
                self.users.set(name, &rules).map_or_else(|refusal| refusal, |()| Reply::ok())
            }
            ("deluser", names) if names.contains(&DEFAULT) => {
                Reply::error("ERR The 'default' user cannot be removed")
            }
            ("deluser", names) => {
                let gone: Vec<&&str> = names.iter().filter(|name| self.users.remove(name)).collect();
                let count = gone.len();
                for name in gone {
                    self.kill_later(at, name);
                }
                Reply::count(count)
            }
            _ => Reply::error("ERR syntax error"),
        }
    }

    fn config(&mut self, sub: &str, words: &[&str]) -> Reply {
        let texts: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match sub {
            "get" => {
                let master = self.master.as_ref().map(|(host, port)| format!("{host} {port}"));
                self.settings.told(&texts, master.as_deref())
            }
            "set" if !texts.len().is_multiple_of(2) => {
                Reply::error("ERR wrong number of arguments for 'config|set' command")
            }
            "set" => {
                let pairs: Vec<(String, String)> = texts
                    .chunks_exact(2)
                    .filter_map(|pair| match pair {
                        [name, value] => Some((name.clone(), value.clone())),
                        _ => None,
                    })
                    .collect();
                let logged = self.settings.is_on("appendonly");
                match self.settings.set(&pairs) {
                    Ok(()) => {
                        if !logged && self.settings.is_on("appendonly") {
                            self.rewrite_log();
                        }
                        self.count_good();
                        Reply::ok()
                    }
                    Err(refusal) => refusal,
                }
            }
            _ => Reply::ok(),
        }
    }

    fn client(&mut self, at: Connection, sub: &str, words: &[&str]) -> Reply {
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let kind = |name: &str| if name == "slave" { "replica" } else { name }.to_owned();
        match (sub, lower.as_slice()) {
            ("id", _) => self.clients.get(&at).map_or_else(Reply::null, |client| {
                Reply::integer(i64::try_from(client.id).unwrap_or(i64::MAX))
            }),
            ("list", filter) => {
                let wanted = match filter {
                    ["type", name] => Some(kind(name)),
                    _ => None,
                };
                let mut all: Vec<&Client> = self.clients.values().collect();
                all.sort_by_key(|client| client.id);
                let shown = all
                    .into_iter()
                    .filter(|client| wanted.as_deref().is_none_or(|kind| kind == client.kind()));
                Reply::bulk(shown.map(Client::told).collect::<String>())
            }
            ("info", _) => {
                self.clients.get(&at).map_or_else(Reply::null, |client| Reply::bulk(client.told()))
            }
            ("kill", ["type", name]) => {
                let name = kind(name);
                if !["normal", "replica", "pubsub", "master"].contains(&name.as_str()) {
                    return Reply::error(&format!("ERR Unknown client type '{name}'"));
                }
                if name == "master" {
                    return Reply::count(self.kill_link());
                }
                Reply::count(self.kill(at, |client| client.kind() == name))
            }
            ("kill", ["user", _]) => match words.get(1).filter(|user| self.users.get(user).is_some()) {
                Some(user) => {
                    Reply::count(self.kill(at, |client| client.user.as_deref().unwrap_or(DEFAULT) == *user))
                }
                None => Reply::error(&format!("ERR No such user '{}'", words.get(1).unwrap_or(&""))),
            },
            ("pause", [time, rest @ ..]) => {
                if !matches!(rest, [] | ["write" | "all"]) {
                    return Reply::error("ERR CLIENT PAUSE mode must be WRITE or ALL");
                }
                let Ok(time) = time.parse() else {
                    return Reply::error("ERR timeout is not an integer or out of range");
                };
                let until = self.now + Duration::from_millis(time);
                self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
                Reply::ok()
            }
            ("unpause", _) => {
                self.unpause();
                Reply::ok()
            }
            ("setname", _) => {
                let name = words.first().copied().unwrap_or_default();
                if name.contains(|letter: char| !('!'..='~').contains(&letter)) {
                    return Reply::error(
                        "ERR Client names cannot contain spaces, newlines or special characters.",
                    );
                }
                if let Some(client) = self.clients.get_mut(&at) {
                    name.clone_into(&mut client.name);
                }
                Reply::ok()
            }
            ("getname", _) => {
                let name = self.clients.get(&at).map(|client| &client.name);
                name.filter(|name| !name.is_empty()).map_or_else(Reply::null, Reply::bulk)
            }
            ("no-evict", _) => Reply::ok(),
            _ => Reply::error("ERR syntax error"),
        }
    }

    /// Closes the connections of these clients but of the one that asks for it, and says
    /// how many they are.
    fn kill(&mut self, at: Connection, of: impl Fn(&Client) -> bool) -> usize {
        let mut found: Vec<Connection> =
            self.clients.iter().filter(|(_, client)| of(client)).map(|(connection, _)| *connection).collect();
        found.retain(|connection| *connection != at);
        for connection in &found {
            if let Some(client) = self.clients.remove(connection) {
                self.acts.push(Act::Close { connection: *connection });
                self.forget(&client);
            }
        }
        found.len()
    }

    /// Closes the connections of a user that is no more, once the command is done. The one
    /// that asks for it still has its answer.
    fn kill_later(&mut self, at: Connection, user: &str) {
        for (connection, client) in &mut self.clients {
            if client.user.as_deref() == Some(user) {
                client.closes = true;
                client.is_killed = *connection != at;
            }
        }
    }

    fn kill_link(&mut self) -> usize {
        let Some(link) = self.link.as_ref().filter(|link| link.is_up()) else { return 0 };
        let connection = link.connection;
        self.acts.push(Act::Close { connection });
        self.lost(connection);
        1
    }

    fn replicaof(&mut self, host: &str, port: &str) -> Reply {
        if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
            self.follow_nobody();
            return Reply::ok();
        }
        match port.parse::<i64>() {
            Ok(port) => match u16::try_from(port) {
                Ok(port) => self.follow(host, port),
                Err(_) => Reply::error("ERR Invalid master port"),
            },
            Err(_) => Reply::error("ERR Invalid master port"),
        }
    }

    /// Whoever waits for replicas waits in vain on a replica.
    pub(super) fn unblock(&mut self) {
        for client in self.clients.values_mut() {
            if let Some(Waits::Acks { .. }) = client.waits {
                client.waits = None;
                client.answer(Reply::error(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                ));
                client.closes = true;
            }
        }
    }

    fn wait(&mut self, at: Connection, count: &str, time: &str) -> Reply {
        if self.master.is_some() {
            return Reply::error(
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
            );
        }
        let (Ok(wanted), Ok(time)) = (count.parse::<i64>(), time.parse::<u64>()) else {
            return Reply::error("ERR value is not an integer or out of range");
        };
        let wanted = usize::try_from(wanted).unwrap_or_default();
        let Some(client) = self.clients.get(&at) else { return Reply::none() };
        let acks = self.acks(client.wrote);
        if acks >= wanted || self.executes {
            return Reply::count(acks);
        }
        let until = (time > 0).then(|| self.now + Duration::from_millis(time));
        if let Some(client) = self.clients.get_mut(&at) {
            client.waits = Some(Waits::Acks { wanted, until });
        }
        self.asks_acks = true;
        Reply::none()
    }

    /// Tells those who listen, and says how many they are.
    pub(super) fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let mut heard = 0;
        for client in self.clients.values_mut().filter(|client| client.channels.contains(channel)) {
            client.answer(Reply::array([Reply::bulk("message"), Reply::bulk(channel), Reply::bulk(message)]));
            heard += 1;
        }
        heard
    }

    fn subscribe(&mut self, at: Connection, channels: &[Vec<u8>]) -> Reply {
        let Some(client) = self.clients.get_mut(&at) else { return Reply::none() };
        channels.iter().fold(Reply::none(), |reply, channel| {
            client.channels.insert(channel.clone());
            let count = Reply::count(client.channels.len());
            reply.and(Reply::array([Reply::bulk("subscribe"), Reply::bulk(channel), count]))
        })
    }

    fn unsubscribe(&mut self, at: Connection, channels: &[Vec<u8>]) -> Reply {
        let Some(client) = self.clients.get_mut(&at) else { return Reply::none() };
        let all: Vec<Vec<u8>> =
            if channels.is_empty() { client.channels.iter().cloned().collect() } else { channels.to_vec() };
        if all.is_empty() {
            return Reply::array([Reply::bulk("unsubscribe"), Reply::null(), Reply::integer(0)]);
        }
        all.iter().fold(Reply::none(), |reply, channel| {
            client.channels.remove(channel);
            let count = Reply::count(client.channels.len());
            reply.and(Reply::array([Reply::bulk("unsubscribe"), Reply::bulk(channel), count]))
        })
    }
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_lowercase()
}

fn known(words: &Words) -> Option<Command> {
    commands::find(&lower(words.first()?))
}
