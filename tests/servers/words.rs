//! What is asked and told, word by word, with every version.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::{
    protocol::{
        facts::{Answer, Link, Role, Upstream},
        record::{BOOT, Effective, Incarnation, RunId, Uid},
        step::{Act, Order},
    },
    talk::{
        Line, Pod,
        acts::{acks, carried_out},
        command::Commands,
        look::{self, Places},
        users::{self, Operator},
    },
};
use operlet_sdk::{Exchange, ExchangeEnd, Step, Transport};

use crate::{
    image::IMAGES,
    server::{Server, UID, operator},
    wire::say,
};

const PATIENCE: Duration = Duration::from_secs(15);

/// Two servers and somebody who speaks to them.
struct Talk {
    operator: Operator,
    servers: [Server; 2],
}

impl Talk {
    fn new(image: (&'static str, &'static str)) -> Self {
        let server = || Server::start(image, &["--appendonly", "no"]);
        Self { operator: operator(), servers: [server(), server()] }
    }

    fn line(&self) -> Line<'_> {
        Line {
            operator: &self.operator,
            transport: Transport::Plain,
            nonce: "9d5ed678fe57bcca610140957afab571",
        }
    }

    fn places(&self) -> Places {
        let mut places = Places::default();
        for (ordinal, server) in (0..).zip(&self.servers) {
            places.addresses.insert(server.address, ordinal);
            places.names.insert(server.name(), ordinal);
        }
        places
    }

    #[track_caller]
    fn look(&self, ordinal: usize) -> Answer {
        let begun = Instant::now();
        loop {
            let end = say(&self.line().look(POD, false), self.servers[ordinal].address);
            // The time for a look is short, and this machine may be busy.
            match look::read(&end, UID, &self.places()) {
                Some(answer) => return answer,
                None => assert!(begun.elapsed() < PATIENCE, "{end:?}"),
            }
        }
    }

    #[track_caller]
    fn until(&self, ordinal: usize, what: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.look(ordinal);
            if holds(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {answer:?}");
            sleep(Duration::from_millis(20));
        }
    }

    fn act(&self, ordinal: usize, expect: Role, order: Order) -> ExchangeEnd {
        let answer = self.look(ordinal);
        self.act_on(ordinal, answer.run, expect, order)
    }

    fn act_on(&self, ordinal: usize, run: RunId, expect: Role, order: Order) -> ExchangeEnd {
        let on = Incarnation { pod: u8::try_from(ordinal).unwrap(), uid: Uid::default(), run };
        let act = Act { on, expect, order };
        say(&self.line().order(POD, &act, &self.look(ordinal)), self.servers[ordinal].address)
    }

    #[track_caller]
    fn done(&self, ordinal: usize, expect: Role, order: Order) {
        let end = self.act(ordinal, expect, order);
        assert_eq!(carried_out(&end), Ok(()), "{end:?}");
    }

    /// Whether a client's write is answered within a second.
    fn writes(&self, ordinal: usize) -> bool {
        let set = Commands::new().then(["SET", "key", "value"]).into_bytes();
        let exchange = Exchange::probe("a-0", UID, 6379).step(Step::line(set).expect("+OK"));
        matches!(say(&exchange, self.servers[ordinal].address), ExchangeEnd::Replies(_))
    }

    fn address(&self, ordinal: usize) -> std::net::IpAddr {
        self.servers[ordinal].address
    }
}

const POD: Pod<'static> = Pod { name: "a-0", uid: UID };
/// Settings that a primary without replicas needs to take writes.
const W: Effective = Effective { min_replicas: 0, max_lag_s: 10 };
const BOOTED: Role = Role::Replica(Upstream::Dead(BOOT));

#[track_caller]
fn for_each_version(test: impl Fn(&Talk)) {
    for image in IMAGES {
        println!("{}", image.0);
        test(&Talk::new(image));
    }
}

#[test]
fn a_process_says_how_it_is() {
    for_each_version(|talk| {
        let answer = talk.look(0);
        assert_eq!((answer.role, answer.link), (BOOTED, Link::Down { since_s: None }));
        assert_eq!((answer.data, answer.loading, answer.min_replicas, answer.max_lag_s), (0, false, 0, 10));
        assert!(answer.members.is_empty() && answer.users.is_empty());
        assert_ne!(answer.run, talk.look(1).run);
        assert_ne!(answer.replid, talk.look(1).replid);
    });
}

#[test]
fn a_replica_is_attached_by_a_user_of_its_own_and_sent_away_again() {
    for_each_version(|talk| {
        talk.done(0, BOOTED, Order::Promote(W));
        assert_eq!(talk.look(0).role, Role::Primary);
        let replica = talk.look(1).run;
        let users = Order::Users { set: BTreeSet::from([replica]), drop: BTreeSet::new() };
        talk.done(0, Role::Primary, users);
        assert_eq!(talk.look(0).users, BTreeSet::from([replica]));
        talk.done(1, BOOTED, Order::Attach(talk.address(0)));
        let following = Role::Replica(Upstream::Address(talk.address(0)));
        let primary =
            talk.until(0, "it follows", |answer| answer.members == BTreeMap::from([(replica, true)]));
        let answer =
            talk.until(1, "it is linked", |answer| matches!(answer.link, Link::Up { io_age_s: 0..=1 }));
        assert_eq!((answer.role, answer.replid), (following, primary.replid));

        let end = say(&talk.line().prove(POD, &primary.run, 1), talk.address(0));
        assert_eq!(acks(&end, &primary.run).map(|proof| proof.acks), Some(1), "{end:?}");
        talk.servers[1].signal(rustix::process::Signal::STOP);
        let end = say(&talk.line().prove(POD, &primary.run, 1), talk.address(0));
        talk.servers[1].signal(rustix::process::Signal::CONT);
        assert_eq!(acks(&end, &primary.run).map(|proof| proof.acks), Some(0), "it was frozen: {end:?}");

        // One promotes the other: the id goes on as the second one.
        talk.done(1, following, Order::ToDead(2));
        let answer = talk.until(1, "it was told", |answer| answer.is_at_dead(2));
        assert!(matches!(answer.link, Link::Down { since_s: Some(_) }), "{:?}", answer.link);
        assert_eq!(answer.replid, primary.replid);
        talk.done(0, Role::Primary, Order::ToDead(2));
        let old = talk.until(0, "it was told", |answer| answer.is_at_dead(2));
        assert!(old.users.is_empty() && old.offset >= answer.offset, "{old:?}");
        talk.done(1, Role::Replica(Upstream::Dead(2)), Order::Promote(W));
        let new = talk.look(1);
        assert_eq!((new.role, new.replid2), (Role::Primary, primary.replid));
    });
}

#[test]
fn a_dropped_user_ends_the_link_at_once_and_for_good() {
    for_each_version(|talk| {
        talk.done(0, BOOTED, Order::Promote(W));
        let replica = talk.look(1).run;
        let users = |set: &[RunId], drop: &[RunId]| Order::Users {
            set: set.iter().copied().collect(),
            drop: drop.iter().copied().collect(),
        };
        talk.done(0, Role::Primary, users(&[replica], &[]));
        talk.done(1, BOOTED, Order::Attach(talk.address(0)));
        talk.until(0, "it follows", |answer| answer.members.contains_key(&replica));
        talk.done(0, Role::Primary, users(&[], &[replica]));
        talk.until(0, "it is gone", |answer| answer.members.is_empty() && answer.users.is_empty());
        talk.until(1, "its link is down", |answer| matches!(answer.link, Link::Down { .. }));
        sleep(Duration::from_millis(2500));
        assert!(talk.look(0).members.is_empty(), "it is refused for good");
    });
}

#[test]
fn an_act_hits_no_other_process_and_none_that_changed() {
    for_each_version(|talk| {
        let stranger = RunId([7; 20]);
        let run = talk.look(0).run;
        let cases = [
            (stranger, BOOTED),
            (run, Role::Primary),
            (run, Role::Replica(Upstream::Dead(7))),
            (run, Role::Replica(Upstream::Address(talk.address(1)))),
        ];
        for (run, expect) in cases {
            let end = talk.act_on(0, run, expect, Order::Promote(W));
            assert!(matches!(end, ExchangeEnd::Unexpected(_)), "{expect:?}: {end:?}");
        }
        assert_eq!(talk.look(0).role, BOOTED);
    });
}

#[test]
fn settings_are_set_and_read_back() {
    for_each_version(|talk| {
        talk.done(0, BOOTED, Order::Promote(W));
        for (min_replicas, max_lag_s) in [(1, 5), (0, 7)] {
            talk.done(0, Role::Primary, Order::Configure(Effective { min_replicas, max_lag_s }));
            let answer = talk.look(0);
            assert_eq!((answer.min_replicas, answer.max_lag_s), (min_replicas, max_lag_s));
        }
        talk.done(0, Role::Primary, Order::Pause(60_000));
        assert!(!talk.writes(0), "writes wait");
        talk.done(0, Role::Primary, Order::Unpause);
        assert!(talk.writes(0), "they go on");
        talk.done(0, Role::Primary, Order::Pause(60_000));
        talk.done(0, Role::Primary, Order::ToDead(2));
        talk.done(0, Role::Replica(Upstream::Dead(2)), Order::Promote(W));
        assert!(talk.writes(0), "a pause ends with the reign");
        talk.done(0, Role::Primary, Order::KickClients);
    });
}

#[test]
fn a_watch_says_the_same_until_something_changes() {
    for_each_version(|talk| {
        let watch = talk.line().watch("watch/u".to_owned(), POD, 1000);
        let mut exchange = watch.exchange;
        exchange.steps.splice(0..0, watch.opening);
        let round = || match say(&exchange, talk.address(0)) {
            ExchangeEnd::Replies(replies) => replies,
            other => panic!("{other:?}"),
        };
        let before = round();
        assert_eq!(round(), before);
        talk.done(0, BOOTED, Order::Promote(W));
        let promoted = round();
        assert_ne!(promoted, before, "it is a primary");
        talk.done(0, Role::Primary, Order::Configure(Effective { min_replicas: 1, max_lag_s: 5 }));
        assert_ne!(round(), promoted, "it accepts less");
    });
}

#[test]
fn the_address_of_another_pod_is_not_mistaken_for_it() {
    for_each_version(|talk| {
        let end = say(&talk.line().look(POD, false), talk.address(0));
        assert_eq!(look::read(&end, "another", &talk.places()), None, "{end:?}");
    });
}

#[test]
fn an_application_cannot_work_against_the_operator() {
    // DEBUG is refused by the server itself, to everybody.
    let refused: [&[&str]; 15] = [
        &["REPLICAOF", "NO", "ONE"],
        &["SLAVEOF", "NO", "ONE"],
        &["FAILOVER"],
        &["PSYNC", "?", "-1"],
        &["SYNC"],
        &["REPLCONF", "ACK", "0"],
        &["SHUTDOWN", "NOSAVE"],
        &["MODULE", "LIST"],
        &["ACL", "USERS"],
        &["ACL", "SETUSER", "default", "+@all"],
        &["CONFIG", "SET", "min-replicas-to-write", "0"],
        &["CONFIG", "REWRITE"],
        &["CLIENT", "PAUSE", "1"],
        &["CLIENT", "UNPAUSE"],
        &["CLIENT", "KILL", "TYPE", "normal"],
    ];
    for_each_version(|talk| {
        let says = |words: &[&str]| {
            let command = Commands::new().then(words.iter().copied()).into_bytes();
            let exchange = Exchange::probe("a-0", UID, 6379).step(Step::line(command));
            match say(&exchange, talk.address(0)) {
                ExchangeEnd::Replies(replies) => String::from_utf8_lossy(&replies[0]).into_owned(),
                other => panic!("{words:?}: {other:?}"),
            }
        };
        for words in refused {
            let reply = says(words);
            assert!(reply.starts_with("-NOPERM"), "{words:?}: {reply}");
        }
        assert_eq!(says(&["ACL", "WHOAMI"]), "$7\r\n");
        assert_eq!(says(&["CLIENT", "SETNAME", "shop"]), "+OK\r\n");
    });
}

#[test]
fn one_with_another_password_learns_nothing() {
    for_each_version(|talk| {
        let stranger = Operator::from_key(&[b's'; 32]).expect("the key is long enough");
        let line = Line { operator: &stranger, ..talk.line() };
        let end = say(&line.look(POD, false), talk.address(0));
        assert!(matches!(&end, ExchangeEnd::Unexpected(partial) if partial.replies.len() == 1), "{end:?}");
        assert_eq!(look::read(&end, UID, &talk.places()), None);
        assert_eq!(users::run_id("x"), None);
    });
}
