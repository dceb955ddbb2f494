//! Some servers, from their start: what is said to them by chance.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    chance::Chance,
    commands::{self, MIRROR, ROOT, Said},
    operator::{self, Intent},
    pair::{Difference, Outcome, Pair},
    settle::Settle,
};

/// How long a question may be answered differently.
const PATIENCE: Duration = Duration::from_secs(3);

/// A replica says what it has once within this time.
const ACK: Duration = Duration::from_millis(1100);

/// With these a link may come about that did not before.
const HOPEFUL: [&str; 4] = ["EXEC", "MASTERAUTH", "REPLICAOF", "SETUSER"];

/// What servers are told besides, one line each time.
const PERSISTENCE: [&str; 4] = [
    "--appendonly no",
    "--appendonly yes --appendfsync everysec",
    "--appendonly yes --appendfsync always",
    "--appendonly no --save 1|1",
];

#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) episodes: usize,
    pub(crate) commands: usize,
    pub(crate) acts: usize,
    pub(crate) kills: usize,
    pub(crate) ends: usize,
    pub(crate) freezes: usize,
    pub(crate) restarts_with_data: usize,
    pub(crate) restarts_without: usize,
    pub(crate) settled: usize,
}

/// What the servers of an episode are told when they start.
pub(crate) struct Setting {
    pub(crate) arguments: Vec<Vec<String>>,
    has_snapshots: bool,
}

impl Setting {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let servers = chance.weigh(&[(2, 1), (4, 2), (4, 3)]);
        let persistence = chance.pick(&PERSISTENCE);
        let mut line: Vec<String> = persistence.split(' ').map(|word| word.replace('|', " ")).collect();
        let mut user = |words: &str| line.extend(words.split(' ').map(str::to_owned));
        user(&format!("--user {ROOT} reset on nopass ~* &* +@all"));
        user(&format!("--user {} reset on >{} +psync +replconf +ping", MIRROR.0, MIRROR.1));
        Self { arguments: vec![line; servers], has_snapshots: persistence.contains("save") }
    }
}

pub(crate) struct Episode<'a> {
    pub(crate) pair: Pair,
    pub(super) chance: &'a mut Chance,
    pub(super) settle: Settle,
    pub(super) has_snapshots: bool,
    image: &'static str,
    clients: Vec<Client>,
    /// Whom each server was told to follow last.
    pub(super) follows: Vec<Option<usize>>,
    pub(super) paused: Vec<bool>,
    pub(super) counts: &'a mut Counts,
}

/// One that is connected to a server, again whenever it was sent away.
struct Client {
    server: usize,
    login: Option<String>,
    link: Option<usize>,
    in_transaction: bool,
    listens: bool,
    /// It may be anybody.
    is_root: bool,
    /// Something in its transaction was refused.
    is_aborted: bool,
    /// It changes what others may do, now or at the end of its transaction.
    sets_users: bool,
}

#[derive(Clone, Copy)]
enum Act {
    Command,
    Look,
    Watch,
    Operate,
    Prove,
    Follow,
    Kill,
    End,
    Freeze,
    Pause,
    Subscribe,
    Reconnect,
    Sleep,
}

const WEIGHTS: [(usize, Act); 13] = [
    (1000, Act::Command),
    (15, Act::Look),
    (10, Act::Watch),
    (25, Act::Operate),
    (10, Act::Prove),
    (20, Act::Follow),
    (10, Act::Kill),
    (7, Act::End),
    (7, Act::Freeze),
    (8, Act::Pause),
    (10, Act::Subscribe),
    (15, Act::Reconnect),
    (10, Act::Sleep),
];

impl<'a> Episode<'a> {
    pub(crate) fn new(
        pair: Pair,
        setting: &Setting,
        chance: &'a mut Chance,
        counts: &'a mut Counts,
        image: &'static str,
    ) -> Self {
        let servers = setting.arguments.len();
        let client = |server: usize, kind: usize| Client {
            server,
            login: match kind {
                0 | 1 => None,
                2 => Some(format!("AUTH {ROOT} any")),
                _ => Some(format!("AUTH operlet {}", crate::server::operator().password)),
            },
            link: None,
            in_transaction: false,
            listens: false,
            is_root: kind == 2,
            is_aborted: false,
            sets_users: false,
        };
        let clients = (0..servers).flat_map(|server| (0..4).map(move |kind| client(server, kind))).collect();
        Self {
            pair,
            chance,
            settle: Settle::new(servers, setting.has_snapshots),
            has_snapshots: setting.has_snapshots,
            image,
            clients,
            follows: vec![None; servers],
            paused: vec![false; servers],
            counts,
        }
    }

    /// So many steps, most of them commands, unless before that as many commands were said
    /// as are enough.
    pub(crate) fn run(&mut self, steps: usize, enough: usize) -> Result<(), Difference> {
        self.settled()?;
        if self.chance.percent(85) {
            self.begin()?;
        }
        for _ in 0..steps {
            if self.counts.commands >= enough {
                break;
            }
            self.step()?;
        }
        self.settled()
    }

    /// One is made the primary, and the others follow it.
    fn begin(&mut self) -> Result<(), Difference> {
        let servers = self.follows.len();
        let first = self.chance.below(servers);
        operator::act(&mut self.pair, &Intent::promote(first))?;
        self.settled()?;
        for other in (0..servers).filter(|other| *other != first) {
            for intent in Intent::attach(other, first) {
                operator::act(&mut self.pair, &intent)?;
            }
            self.follows[other] = Some(first);
            // Copies are as old as each other or not, in both worlds.
            self.settled()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Difference> {
        let server = self.chance.below(self.follows.len());
        let act = self.chance.weigh(&WEIGHTS);
        if !matches!(act, Act::Command) {
            // Who would end at the same moment, or a moment before?
            self.pair.rest()?;
        }
        match act {
            Act::Command => return self.command(),
            Act::Look => drop(operator::looks(&mut self.pair, server)?),
            Act::Watch => operator::watch(&mut self.pair, server)?,
            Act::Operate => self.operate(server)?,
            Act::Prove => {
                let acks = u8::try_from(self.chance.below(3)).unwrap();
                operator::prove(&mut self.pair, server, acks)?;
            }
            Act::Follow => self.follow(server)?,
            Act::Kill => self.kill(server)?,
            Act::End => self.end(server)?,
            Act::Freeze => self.freeze(server)?,
            Act::Pause => self.pause(server)?,
            Act::Subscribe => {
                let client = self.chance.below(self.clients.len());
                let channel = self.chance.pick(&["news", "operlet:ack"]);
                self.say(client, one(&format!("SUBSCRIBE {channel}")))?;
                self.clients[client].listens = true;
            }
            Act::Reconnect => {
                let client = self.chance.below(self.clients.len());
                self.hang_up(client);
            }
            Act::Sleep => sleep(Duration::from_millis(self.chance.next() % 1300)),
        }
        self.counts.acts += 1;
        self.settled()
    }

    pub(super) fn settled(&mut self) -> Result<(), Difference> {
        self.counts.settled += 1;
        self.settle.settle(&mut self.pair)
    }

    pub(super) fn command(&mut self) -> Result<(), Difference> {
        let servers = self.follows.len();
        let number = self.chance.below(self.clients.len());
        let client = &self.clients[number];
        let server = client.server;
        if self.pair.frozen[server] {
            return Ok(());
        }
        let (in_transaction, is_root) = (client.in_transaction, client.is_root);
        if client.listens && self.chance.percent(80) {
            return Ok(());
        }
        let waits = client.link.is_some_and(|link| self.pair.waits(link));
        if self.paused[server] && (waits || self.chance.percent(10)) {
            self.paused[server] = false;
            self.demand(server, "CLIENT UNPAUSE")?;
            return self.settled();
        }
        let mut said = commands::said(self.chance, servers, in_transaction, is_root);
        let kills = said.commands[0].get(1).is_some_and(|word| word.eq_ignore_ascii_case("kill"));
        let whom = said.commands[0].last().map_or("", String::as_str);
        if kills && self.is_followed(server) && ["normal", "default", "mirror"].contains(&whom) {
            // A replica that cannot be linked counts for the moment in which it tries.
            said = one("CLIENT KILL TYPE pubsub");
        }
        let is_odd = match said.commands[0][0].to_uppercase().as_str() {
            // Since 7.2 a wrong password within a transaction has no answer at all.
            "AUTH" => in_transaction,
            // Valkey gives up the transaction then.
            "MULTI" => in_transaction && self.image.starts_with("valkey"),
            // Valkey forgets then that there were writes, and why else it would be refused.
            "EXEC" => self.clients[number].is_aborted && self.image.starts_with("valkey"),
            // Since 7.2 it is for what the client itself has written.
            "WAIT" => in_transaction && self.image != "redis-7.0",
            _ => false,
        };
        if is_odd {
            said = one("PING");
        }
        let is_data = said.is_data && !self.clients[number].in_transaction;
        self.say(number, said)?;
        let client = &mut self.clients[number];
        if !client.in_transaction && std::mem::take(&mut client.sets_users) && self.is_followed(server) {
            // Whoever may not say any more what it has is sent away when it does.
            sleep(ACK);
        }
        if is_data { Ok(()) } else { self.settled() }
    }

    pub(super) fn is_followed(&self, server: usize) -> bool {
        self.follows.contains(&Some(server))
    }

    /// Says something with all rights, and not within a transaction.
    pub(super) fn demand(&mut self, server: usize, command: &str) -> Result<(), Difference> {
        let root = self.root(server);
        let client = &self.clients[root];
        let waits = client.link.is_some_and(|link| self.pair.waits(link));
        if client.in_transaction || client.listens || waits {
            self.hang_up(root);
        }
        self.say(root, one(command))
    }

    /// A client with all rights.
    fn root(&self, server: usize) -> usize {
        let is_root = |client: &Client| {
            client.server == server && client.login.as_ref().is_some_and(|login| login.contains(ROOT))
        };
        self.clients.iter().position(is_root).expect("each server has one")
    }

    fn say(&mut self, number: usize, said: Said) -> Result<(), Difference> {
        let link = self.link(number)?;
        let client = &mut self.clients[number];
        let first = &said.commands[0];
        client.is_root |= first[0].eq_ignore_ascii_case("auth");
        client.sets_users |= first.get(1).is_some_and(|word| word.eq_ignore_ascii_case("setuser"));
        match first[0].to_uppercase().as_str() {
            "MULTI" if first.len() == 1 => client.in_transaction = true,
            "EXEC" if first.len() == 1 => client.in_transaction = false,
            _ => {}
        }
        let discards = first[0].eq_ignore_ascii_case("discard");
        let server = client.server;
        let hopeful = |word: &String| HOPEFUL.contains(&word.to_uppercase().as_str());
        if said.commands.iter().flatten().any(hopeful) {
            self.settle.hope();
        }
        if self.follows[server].is_some() && said.is_question {
            // What its primary has just been told is on its way.
            sleep(Duration::from_millis(2));
        }
        self.counts.commands += said.commands.len();
        let cut = self.chance.percent(5).then(|| self.chance.below(40));
        let begun = Instant::now();
        loop {
            match self.pair.say(link, &said.commands, said.replies, cut) {
                Err(_) if said.is_question && begun.elapsed() < PATIENCE && self.pair.is_open(link) => {
                    sleep(Duration::from_millis(50));
                }
                Ok(Outcome::Closed) => {
                    self.hang_up(number);
                    return Ok(());
                }
                answered => {
                    let client = &mut self.clients[number];
                    if discards && !self.pair.is_refused(link, "NOPERM") {
                        client.in_transaction = false;
                    }
                    client.is_aborted &= client.in_transaction;
                    client.is_aborted |= client.in_transaction && self.pair.is_refused(link, "");
                    return answered.map(|_| ());
                }
            }
        }
    }

    /// The connection of a client, a new one if it has none.
    fn link(&mut self, number: usize) -> Result<usize, Difference> {
        let open = self.clients[number].link.filter(|link| self.pair.is_open(*link));
        if let Some(link) = open {
            return Ok(link);
        }
        self.hang_up(number);
        let client = &mut self.clients[number];
        let link = self.pair.connect(client.server, false).expect("it runs");
        client.link = Some(link);
        if let Some(login) = &client.login {
            let login = one(login);
            self.pair.say(link, &login.commands, 1, None)?;
        }
        Ok(link)
    }

    fn hang_up(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.in_transaction = false;
        client.listens = false;
        client.is_aborted = false;
        client.sets_users = false;
        client.is_root = client.login.as_ref().is_some_and(|login| login.contains(ROOT));
        if let Some(link) = client.link.take() {
            self.pair.hang_up(link);
        }
    }

    pub(super) fn operate(&mut self, server: usize) -> Result<(), Difference> {
        let other = self.chance.below(self.follows.len());
        let intent = Intent::draw(self.chance, server, other);
        match intent.follows() {
            _ if self.pair.frozen[server] || self.pair.frozen[other] => return Ok(()),
            Some(Some(primary)) if self.leads_to(primary, server) => return Ok(()),
            Some(follows) => self.follows[server] = follows,
            None => {}
        }
        self.settle.hope();
        operator::act(&mut self.pair, &intent)
    }

    /// Whether one follows another, at whatever distance. Rings come to nothing or to
    /// something, as it happens.
    fn leads_to(&self, mut from: usize, to: usize) -> bool {
        for _ in 0..=self.follows.len() {
            match self.follows[from] {
                _ if from == to => return true,
                Some(next) => from = next,
                None => return false,
            }
        }
        true
    }

    /// One follows another, as a person would tell it.
    fn follow(&mut self, server: usize) -> Result<(), Difference> {
        let primary = self.chance.below(self.follows.len());
        if self.leads_to(primary, server) {
            self.follows[server] = None;
            return self.demand(server, "REPLICAOF NO ONE");
        }
        if self.chance.percent(70) {
            self.demand(primary, "ACL SETUSER mirror reset on >m +psync +replconf +ping")?;
        }
        if self.chance.percent(50) && self.follows[primary].is_none() {
            self.demand(primary, "REPLICAOF NO ONE")?;
        }
        self.demand(server, "CONFIG SET masteruser mirror masterauth m")?;
        self.follows[server] = Some(primary);
        self.demand(server, &format!("REPLICAOF {{address:{primary}}} 6379"))
    }

    fn pause(&mut self, server: usize) -> Result<(), Difference> {
        let is_long = self.chance.percent(60);
        if is_long {
            self.paused[server] = true;
            return self.demand(server, "CLIENT PAUSE 60000 WRITE");
        }
        self.demand(server, "CLIENT PAUSE 300 WRITE")?;
        for _ in 0..3 {
            self.command()?;
        }
        self.paused[server] = false;
        sleep(Duration::from_millis(350));
        Ok(())
    }
}

fn one(command: &str) -> Said {
    let words = command.split(' ').map(str::to_owned).collect();
    Said { commands: vec![words], replies: 1, is_question: false, is_data: false }
}
