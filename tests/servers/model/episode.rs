//! Some servers, from their start: what is said to them by chance, and who kills them.

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
    chance: &'a mut Chance,
    settle: Settle,
    has_snapshots: bool,
    image: &'static str,
    clients: Vec<Client>,
    /// Whom each server was told to follow last.
    follows: Vec<Option<usize>>,
    paused: Vec<bool>,
    counts: &'a mut Counts,
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
    Pause,
    Subscribe,
    Reconnect,
    Sleep,
}

const WEIGHTS: [(usize, Act); 11] = [
    (1000, Act::Command),
    (15, Act::Look),
    (10, Act::Watch),
    (25, Act::Operate),
    (10, Act::Prove),
    (20, Act::Follow),
    (14, Act::Kill),
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

    /// So many steps, most of them commands.
    pub(crate) fn run(&mut self, steps: usize) -> Result<(), Difference> {
        self.settled()?;
        if self.chance.percent(85) {
            self.begin()?;
        }
        for _ in 0..steps {
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
        }
        self.settled()
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

    fn settled(&mut self) -> Result<(), Difference> {
        self.counts.settled += 1;
        self.settle.settle(&mut self.pair)
    }

    fn command(&mut self) -> Result<(), Difference> {
        let servers = self.follows.len();
        let number = self.chance.below(self.clients.len());
        let client = &self.clients[number];
        let server = client.server;
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
        if self.follows.contains(&Some(server))
            && said.commands[0].ends_with(&["TYPE".to_owned(), "normal".to_owned()])
        {
            // A replica that cannot be linked counts for the moment in which it tries.
            said = one("CLIENT KILL TYPE pubsub");
        }
        let is_odd = match said.commands[0][0].to_uppercase().as_str() {
            // Since 7.2 a wrong password within a transaction has no answer at all.
            "AUTH" => in_transaction,
            // Valkey gives up the transaction then.
            "MULTI" => in_transaction && self.image.starts_with("valkey"),
            // Since 7.2 it is for what the client itself has written.
            "WAIT" => in_transaction && self.image != "redis-7.0",
            _ => false,
        };
        if is_odd {
            said = one("PING");
        }
        let is_data = said.is_data && !self.clients[number].in_transaction;
        self.say(number, said)?;
        if is_data { Ok(()) } else { self.settled() }
    }

    /// Says something with all rights, and not within a transaction.
    fn demand(&mut self, server: usize, command: &str) -> Result<(), Difference> {
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
                    if discards && !self.pair.is_forbidden(link) {
                        self.clients[number].in_transaction = false;
                    }
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
        client.is_root = client.login.as_ref().is_some_and(|login| login.contains(ROOT));
        if let Some(link) = client.link.take() {
            self.pair.hang_up(link);
        }
    }

    fn operate(&mut self, server: usize) -> Result<(), Difference> {
        let other = self.chance.below(self.follows.len());
        let intent = Intent::draw(self.chance, server, other);
        match intent.follows() {
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

    fn kill(&mut self, server: usize) -> Result<(), Difference> {
        self.settled()?;
        if self.has_snapshots {
            self.settle.save(&mut self.pair, server)?;
        }
        let keeps = self.chance.percent(65);
        self.counts.kills += 1;
        self.pair
            .tell(format!("server {server} is killed, its data {}", if keeps { "stays" } else { "goes" }));
        self.pair.running[server] = false;
        for world in &mut self.pair.worlds {
            world.kill(server);
            if !keeps {
                world.wipe(server);
            }
        }
        if self.chance.percent(50) {
            self.settled()?;
            sleep(Duration::from_millis(self.chance.next() % 1300));
            self.settled()?;
        }
        for world in &mut self.pair.worlds {
            world.run(server);
        }
        self.pair.tell(format!("server {server} runs again"));
        self.pair.running[server] = true;
        self.paused[server] = false;
        self.follows[server] = None;
        if keeps {
            self.counts.restarts_with_data += 1;
        } else {
            self.counts.restarts_without += 1;
        }
        Ok(())
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
