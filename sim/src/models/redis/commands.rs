//! Which commands there are, and what is looked at before one is carried out.

/// A command, without regard to what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// How many words it has, itself included; at least so many if it is negative.
    arity: i8,
    pub(super) writes: bool,
    /// It may be told replicas though it writes nothing.
    pub(super) replicates: bool,
    /// Its words that are keys: every so many from the first on.
    keys: Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    None,
    First,
    All,
    EverySecond,
}

const fn command(name: &'static str, arity: i8) -> Command {
    Command { name, arity, writes: false, replicates: false, keys: Keys::None }
}

impl Command {
    const fn writing(mut self) -> Self {
        self.writes = true;
        self
    }

    const fn on(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    const fn replicating(mut self) -> Self {
        self.replicates = true;
        self
    }

    /// Whether it can have so many words.
    pub(super) fn fits(&self, words: usize) -> bool {
        let least = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { words >= least } else { words == least }
    }

    /// The keys among its arguments.
    pub(super) fn keys<'a>(&self, arguments: &'a [Vec<u8>]) -> impl Iterator<Item = &'a [u8]> {
        let (step, most) = match self.keys {
            Keys::None => (1, 0),
            Keys::First => (1, 1),
            Keys::All => (1, usize::MAX),
            Keys::EverySecond => (2, usize::MAX),
        };
        arguments.iter().step_by(step).take(most).map(Vec::as_slice)
    }

    /// Whether it may be said between MULTI and EXEC.
    pub(super) fn fits_transactions(&self) -> bool {
        !["monitor", "psync", "save", "shutdown", "sync"].contains(&self.name)
    }

    /// Whether its first argument is a part of its name.
    pub(super) fn has_subcommands(&self) -> bool {
        ["acl", "client", "config", "module"].contains(&self.name)
    }
}

const COMMANDS: [Command; 40] = [
    command("acl", -2),
    command("append", 3).writing().on(Keys::First),
    command("auth", -2),
    command("client", -2),
    command("config", -2),
    command("dbsize", 1),
    command("del", -2).writing().on(Keys::All),
    command("discard", 1),
    command("echo", 2),
    command("exec", 1),
    command("exists", -2).on(Keys::All),
    command("flushall", -1).writing(),
    command("get", 2).on(Keys::First),
    command("incr", 2).writing().on(Keys::First),
    command("info", -1),
    command("mget", -2).on(Keys::All),
    command("mset", -3).writing().on(Keys::EverySecond),
    command("multi", 1),
    command("ping", -1),
    command("psync", -3),
    command("publish", 3).replicating(),
    command("quit", -1),
    command("replconf", -1),
    command("replicaof", 3),
    command("role", 1),
    command("save", 1),
    command("select", 2),
    command("set", -3).writing().on(Keys::First),
    command("slaveof", 3),
    command("strlen", 2).on(Keys::First),
    command("subscribe", -2),
    command("unsubscribe", -1),
    command("wait", 3),
    command("failover", -1),
    command("sync", 1),
    command("shutdown", -1),
    command("debug", -2),
    command("module", -2),
    command("monitor", 1),
    command("time", 1),
];

/// Subcommands, and how many words they have.
const SUBCOMMANDS: [(&str, &str, i8); 22] = [
    ("acl", "deluser", -3),
    ("acl", "getuser", 3),
    ("acl", "setuser", -3),
    ("acl", "users", 2),
    ("acl", "whoami", 2),
    ("acl", "list", 2),
    ("client", "getname", 2),
    ("client", "id", 2),
    ("client", "info", 2),
    ("client", "kill", -3),
    ("client", "list", -2),
    ("client", "no-evict", 3),
    ("client", "pause", -3),
    ("client", "setname", 3),
    ("client", "unpause", 2),
    ("config", "get", -3),
    ("config", "resetstat", 2),
    ("config", "rewrite", 2),
    ("config", "set", -4),
    ("module", "list", 2),
    ("module", "load", -3),
    ("module", "unload", 3),
];

/// The command of this name, in small letters.
pub(super) fn find(name: &str) -> Option<Command> {
    COMMANDS.into_iter().find(|command| command.name == name)
}

/// Whether there is such a subcommand, and whether it fits so many words.
pub(super) fn subcommand(command: &str, name: &str, words: usize) -> Option<bool> {
    let (.., arity) = SUBCOMMANDS.iter().find(|(of, one, _)| *of == command && *one == name)?;
    Some(self::command("", *arity).fits(words))
}
