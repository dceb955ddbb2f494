//! Commands by chance: good ones, forbidden ones and wrong ones.

use super::{chance::Chance, settle::KEYS};

/// A user with all rights, whose passwords are all right.
pub(crate) const ROOT: &str = "observer";

/// Who replicas may log in as, and the password.
pub(crate) const MIRROR: (&str, &str) = ("mirror", "m");

/// What is said at once on one connection.
pub(crate) struct Said {
    pub(crate) commands: Vec<Vec<String>>,
    /// How many replies there are.
    pub(crate) replies: usize,
    /// It may be asked again when the two worlds differ for a moment.
    pub(crate) is_question: bool,
    /// Only data changes, if anything does.
    pub(crate) is_data: bool,
}

/// What there is to choose from.
#[derive(Clone, Copy)]
enum Kind {
    Data,
    Transaction,
    Wrong,
    Small,
    Login,
    Users,
    Forbidden,
    Get,
    Set,
    Role,
    Follow,
    Kill,
    Clients,
    Info,
    Wait,
    Publish,
}

const WEIGHTS: [(usize, Kind); 16] = [
    (40, Kind::Data),
    (10, Kind::Transaction),
    (6, Kind::Wrong),
    (3, Kind::Small),
    (3, Kind::Login),
    (6, Kind::Users),
    (3, Kind::Forbidden),
    (4, Kind::Get),
    (5, Kind::Set),
    (3, Kind::Role),
    (2, Kind::Follow),
    (2, Kind::Kill),
    (3, Kind::Clients),
    (3, Kind::Info),
    (3, Kind::Wait),
    (2, Kind::Publish),
];

const VALUES: [&str; 9] = ["", "1", "42", "-7", "9223372036854775807", "abc", "a b\r\nc", "é", "012"];

/// Settings that are asked for.
const ASKED: [&str; 14] = [
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "maxmemory",
    "maxmemory-policy",
    "appendonly",
    "appendfsync",
    "save",
    "proc-title-template",
    "masteruser",
    "masterauth",
    "replicaof",
    "min-replicas-*",
    "nonsense",
    "MAXMEMORY",
];

/// Settings and values, right and wrong.
const SET: [&[&str]; 24] = [
    &["min-replicas-to-write", "0"],
    &["min-replicas-to-write", "0"],
    &["min-replicas-to-write", "1"],
    &["min-replicas-to-write", "2"],
    &["min-replicas-to-write", "-1"],
    &["min-replicas-to-write", "x"],
    &["min-replicas-max-lag", "0"],
    &["min-replicas-max-lag", "10"],
    &["min-replicas-max-lag", "5"],
    &["min-replicas-to-write", "0", "min-replicas-max-lag", "7"],
    &["min-replicas-to-write", "1", "nonsense", "7"],
    &["min-replicas-to-write", "1", "min-replicas-to-write", "0"],
    &["min-replicas-to-write"],
    &["maxmemory", "0"],
    &["maxmemory", "100mb"],
    &["maxmemory", "1gb"],
    &["maxmemory", "much"],
    &["proc-title-template", "{title} 0123456789abcdef"],
    &["masteruser", "mirror", "masterauth", "m"],
    &["masteruser", "mirror", "masterauth", "m"],
    &["masteruser", "", "masterauth", ""],
    &["masterauth", "wrong"],
    &["nonsense", "1"],
    &["replicaof", "127.0.0.1 1"],
];

const WRONG: [&str; 34] = [
    "GET",
    "GET a b",
    "SET a",
    "SET a b c",
    "INCR",
    "INCR a b",
    "APPEND a",
    "MSET a",
    "MSET a b c",
    "DEL",
    "EXISTS",
    "DBSIZE x",
    "ECHO",
    "PING a b",
    "AUTH",
    "AUTH a b c",
    "NONSENSE",
    "NONSENSE a b",
    "nonsense {address:0}",
    "CONFIG",
    "CONFIG GET",
    "CONFIG SET",
    "CONFIG NONSENSE",
    "CLIENT",
    "CLIENT KILL",
    "CLIENT NONSENSE a",
    "CLIENT PAUSE x WRITE",
    "CLIENT PAUSE 1 NONSENSE",
    "CLIENT KILL TYPE nonsense",
    "ACL NONSENSE",
    "ACL GETUSER",
    "WAIT 1",
    "WAIT x 1",
    "REPLICAOF x",
];

const FORBIDDEN: [&str; 18] = [
    "REPLICAOF NO ONE",
    "SLAVEOF NO ONE",
    "FAILOVER",
    "PSYNC ? -1",
    "SYNC",
    "REPLCONF ACK 0",
    "SHUTDOWN NOSAVE",
    "MODULE LIST",
    "ACL USERS",
    "ACL SETUSER shop +@all",
    "CONFIG SET min-replicas-to-write 0",
    "CONFIG REWRITE",
    "CLIENT PAUSE 1 WRITE",
    "CLIENT UNPAUSE",
    "CLIENT KILL TYPE normal",
    "GET a",
    "SET a b",
    "FLUSHALL",
];

const RULES: [&str; 22] = [
    "reset on >m +psync +replconf +ping",
    "reset on >s ~shop:* +get +set +ping",
    "on",
    "off",
    ">s",
    ">m",
    "<s",
    "<nobody",
    "nopass",
    "resetpass",
    "+@all",
    "-@all",
    "+get",
    "-get",
    "+config|get",
    "-config|set",
    "~*",
    "resetkeys ~a",
    "&*",
    "resetchannels &news",
    "+nonsense",
    "nonsense",
];

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// What is said next. `in_transaction`: commands are queued on this connection;
/// `is_root`: it may have all rights.
pub(crate) fn said(chance: &mut Chance, servers: usize, in_transaction: bool, is_root: bool) -> Said {
    if in_transaction && chance.percent(30) {
        let end = if chance.percent(80) { "EXEC" } else { "DISCARD" };
        return one(words(end), false, false);
    }
    let kind = match chance.weigh(&WEIGHTS) {
        // Whom nothing is forbidden could stop the server with these, or be its replica.
        Kind::Forbidden if is_root => Kind::Role,
        kind => kind,
    };
    let (mut command, is_question, is_data) = command(chance, kind, servers);
    if chance.percent(15) {
        command[0] = command[0].to_lowercase();
    }
    let mut said = one(command, is_question && !in_transaction, is_data);
    if matches!(kind, Kind::Data) && chance.percent(5) {
        said.commands.extend((0..2).map(|_| data(chance)));
        said.replies = said.commands.len();
        said.is_question = false;
    }
    said
}

fn one(command: Vec<String>, is_question: bool, is_data: bool) -> Said {
    Said { commands: vec![command], replies: 1, is_question, is_data }
}

fn command(chance: &mut Chance, kind: Kind, servers: usize) -> (Vec<String>, bool, bool) {
    let server = chance.below(servers);
    match kind {
        Kind::Data => {
            let words = data(chance);
            let is_question = ["GET", "EXISTS", "DBSIZE"].contains(&words[0].as_str());
            (words, is_question, true)
        }
        Kind::Transaction => {
            let one =
                chance.weigh(&[(70, "MULTI"), (5, "EXEC"), (5, "DISCARD"), (10, "EXEC x"), (10, "MULTI x")]);
            (words(one), false, true)
        }
        Kind::Wrong => (words(chance.pick(&WRONG)), false, true),
        Kind::Small => (words(chance.pick(&["PING", "PING x", "ECHO x", "ECHO é"])), true, true),
        Kind::Login => (login(chance), false, true),
        Kind::Users => (users(chance, server), false, false),
        Kind::Forbidden => (words(chance.pick(&FORBIDDEN)), false, false),
        Kind::Get => (settings(chance), true, true),
        Kind::Set => {
            let set = chance.pick(&SET);
            (["CONFIG", "SET"].iter().chain(set).map(|&word| word.to_owned()).collect(), false, false)
        }
        Kind::Role => (words("ROLE"), true, true),
        Kind::Follow => (follow(chance), false, false),
        Kind::Kill => {
            let kills = [
                "CLIENT KILL TYPE normal",
                "CLIENT KILL TYPE pubsub",
                "CLIENT KILL TYPE replica",
                "CLIENT KILL TYPE slave",
                "CLIENT KILL USER operlet",
                "CLIENT KILL USER default",
                "CLIENT KILL USER mirror",
                "CLIENT KILL USER nobody",
            ];
            (words(chance.pick(&kills)), false, false)
        }
        Kind::Clients => {
            let clients =
                ["CLIENT LIST TYPE replica", "CLIENT SETNAME me", "CLIENT GETNAME", "CLIENT UNPAUSE"];
            let one = chance.pick(&clients);
            (words(one), one == clients[0], one != clients[3])
        }
        Kind::Info => {
            let sections = [
                "INFO",
                "INFO replication",
                "INFO server replication",
                "INFO server replication persistence memory keyspace",
                "INFO nonsense",
            ];
            (words(chance.pick(&sections)), true, true)
        }
        Kind::Wait => {
            let (count, timeout_ms) = (chance.below(3), 1 + chance.below(150));
            (words(&format!("WAIT {count} {timeout_ms}")), true, true)
        }
        Kind::Publish => {
            let one =
                chance.weigh(&[(5, "PUBLISH news x"), (3, "PUBLISH operlet:ack y"), (1, "UNSUBSCRIBE news")]);
            (words(one), false, true)
        }
    }
}

fn data(chance: &mut Chance) -> Vec<String> {
    let key = || -> Vec<String> { Vec::new() };
    let mut parts = key();
    let keys = |chance: &mut Chance, parts: &mut Vec<String>| {
        for _ in 0..=chance.below(3) {
            parts.push(chance.pick(&KEYS).to_owned());
        }
    };
    let name = chance.weigh(&[
        (8, "GET"),
        (8, "SET"),
        (2, "DEL"),
        (4, "INCR"),
        (3, "APPEND"),
        (2, "EXISTS"),
        (2, "DBSIZE"),
        (2, "MSET"),
        (1, "FLUSHALL"),
    ]);
    parts.push(name.to_owned());
    match name {
        "GET" | "INCR" => parts.push(chance.pick(&KEYS).to_owned()),
        "SET" | "APPEND" => {
            parts.push(chance.pick(&KEYS).to_owned());
            parts.push(chance.pick(&VALUES).to_owned());
        }
        "DEL" | "EXISTS" => keys(chance, &mut parts),
        "MSET" => {
            for _ in 0..=chance.below(3) {
                parts.push(chance.pick(&KEYS).to_owned());
                parts.push(chance.pick(&VALUES).to_owned());
            }
        }
        _ => {}
    }
    parts
}

fn login(chance: &mut Chance) -> Vec<String> {
    let logins = [
        "AUTH x",
        "AUTH default x",
        "AUTH operlet wrong",
        "AUTH nobody x",
        "AUTH mirror m",
        "AUTH mirror s",
        "AUTH shop s",
        "AUTH shop s",
        "AUTH observer x",
        "AUTH observer x",
        "AUTH observer x",
        "ACL WHOAMI",
        "ACL WHOAMI",
    ];
    words(chance.pick(&logins))
}

fn users(chance: &mut Chance, server: usize) -> Vec<String> {
    let user = match chance.below(6) {
        0 => format!("r-{{run:{server}}}"),
        1 => "mirror".to_owned(),
        2 => "default".to_owned(),
        3 => "nobody".to_owned(),
        _ => "shop".to_owned(),
    };
    match chance.below(10) {
        0..4 => {
            // What the default user may do is kept, or else little is left to do.
            let user = if user == "default" { "shop".to_owned() } else { user };
            let mut parts = vec!["ACL".to_owned(), "SETUSER".to_owned(), user];
            for _ in 0..=chance.below(2) {
                parts.extend(words(chance.pick(&RULES)));
            }
            parts
        }
        4 => {
            let user = if user == "mirror" { "shop".to_owned() } else { user };
            vec!["ACL".to_owned(), "DELUSER".to_owned(), user]
        }
        5 | 6 => words("ACL USERS"),
        _ => vec!["ACL".to_owned(), "GETUSER".to_owned(), user],
    }
}

fn settings(chance: &mut Chance) -> Vec<String> {
    let mut parts = words("CONFIG GET");
    for _ in 0..=chance.below(3) {
        parts.push(chance.pick(&ASKED).to_owned());
    }
    parts
}

/// To nobody, or to a dead address. Whom to follow is the episode's to say.
fn follow(chance: &mut Chance) -> Vec<String> {
    match chance.below(6) {
        0 => words("REPLICAOF NO ONE"),
        1 => words("replicaof no one"),
        2 => words("REPLICAOF 127.0.0.1 x"),
        3 => words("REPLICAOF 127.0.0.1 70000"),
        _ => vec!["REPLICAOF".to_owned(), format!("127.0.0.{}", 2 + chance.below(3)), "1".to_owned()],
    }
}
