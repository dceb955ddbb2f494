//! What the operator says, byte for byte as it says it, in both worlds.

use std::{
    collections::BTreeSet,
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::{
    protocol::{
        facts::{Answer, Role, Upstream},
        record::{Effective, Incarnation, RunId, Uid},
        step::{Act, Order},
    },
    talk::{
        Line, Pod, acts,
        look::{self, Places},
        users::{self, Operator},
    },
};
use operlet_sdk::{Exchange, ExchangeEnd, PartialReplies, Transport, Until};

use super::{
    chance::Chance,
    frame::Frame,
    names::{Names, anonymous},
    pair::{Difference, Pair},
    plain::Plain,
    world::World,
};
use crate::server::{UID, operator};

const PAUSE: Duration = Duration::from_millis(1);
const POD: Pod<'static> = Pod { name: "a-0", uid: UID };
const NONCE: &str = "a word that no server says";

/// What the operator may do, drawn before it is known how the servers are.
pub(crate) struct Intent {
    server: usize,
    other: usize,
    order: usize,
    number: u8,
    /// It expects another role than it found.
    is_mistaken: bool,
}

impl Intent {
    pub(crate) fn draw(chance: &mut Chance, server: usize, other: usize) -> Self {
        let (order, number) = (chance.below(11), u8::try_from(chance.below(3)).unwrap());
        Self { server, other, order, number, is_mistaken: chance.percent(10) }
    }

    /// That a server be the primary.
    pub(crate) fn promote(server: usize) -> Self {
        Self { server, other: server, order: 1, number: 0, is_mistaken: false }
    }

    /// That another may follow it, and does.
    pub(crate) fn attach(server: usize, other: usize) -> [Self; 2] {
        let users = Self { server: other, other: server, order: 5, number: 0, is_mistaken: false };
        [users, Self { server, other, order: 3, number: 0, is_mistaken: false }]
    }

    /// Whom the server follows after it, if that changes.
    pub(crate) fn follows(&self) -> Option<Option<usize>> {
        match self.order {
            0..=2 => Some(None),
            3 | 4 => Some(Some(self.other)),
            _ => None,
        }
    }

    fn order(&self, address: std::net::IpAddr, other: RunId) -> Order {
        let effective = Effective { min_replicas: self.number % 2, max_lag_s: 5 + u32::from(self.number) };
        match self.order {
            0 => Order::ToDead(2 + u32::from(self.number)),
            1 | 2 => Order::Promote(effective),
            3 | 4 => Order::Attach(address),
            5 | 6 => Order::Users { set: BTreeSet::from([other]), drop: BTreeSet::new() },
            7 => Order::Users { set: BTreeSet::new(), drop: BTreeSet::from([other]) },
            8 => Order::Configure(effective),
            9 => Order::KickClients,
            _ => Order::Unpause,
        }
    }
}

/// The operator looks at all servers and carries out its intent.
pub(crate) fn act(pair: &mut Pair, intent: &Intent) -> Result<(), Difference> {
    let answers = looks(pair, intent.server)?;
    let others = looks(pair, intent.other)?;
    let [Some(real), Some(model)] = answers else { return Ok(()) };
    let [Some(real_other), Some(model_other)] = others else { return Ok(()) };
    let mut told = String::new();
    let ends = [(0, real, real_other), (1, model, model_other)].map(|(side, answer, other)| {
        let expect = match answer.role {
            role if !intent.is_mistaken => role,
            Role::Primary => Role::Replica(Upstream::Dead(77)),
            Role::Replica(_) => Role::Primary,
        };
        let on = Incarnation { pod: 0, uid: Uid::default(), run: answer.run };
        let order = intent.order(pair.worlds[side].address(intent.other), other.run);
        told = format!("the operator to server {}, expected {expect:?}: {order:?}", intent.server);
        let exchange = line(&operator()).order(POD, &Act { on, expect, order }, &answer);
        say(pair.worlds[side].as_mut(), intent.server, &exchange)
    });
    pair.tell(told);
    same(pair, &ends)?;
    pair.listen()
}

/// A proof of acks.
pub(crate) fn prove(pair: &mut Pair, server: usize, acks: u8) -> Result<(), Difference> {
    let [Some(real), Some(model)] = looks(pair, server)? else { return Ok(()) };
    let ends = [(0, real), (1, model)].map(|(side, answer): (usize, Answer)| {
        let exchange = line(&operator()).prove(POD, &answer.run, acks);
        (say(pair.worlds[side].as_mut(), server, &exchange), answer.run)
    });
    pair.tell(format!("the operator to server {server}: prove {acks}"));
    // More may come at the same moment as the last one that is waited for.
    let proofs = ends.each_ref().map(|(end, run)| acts::acks(end, run).map(|proof| proof.acks.min(acks)));
    if proofs[0] == proofs[1] && proofs[0].is_some() {
        return Ok(());
    }
    same(pair, &ends.map(|(end, _)| end))
}

/// A round of the watch, with its login.
pub(crate) fn watch(pair: &mut Pair, server: usize) -> Result<(), Difference> {
    let watch = line(&operator()).watch("watch".to_owned(), POD, 1000);
    let mut exchange = watch.exchange;
    exchange.steps.splice(0..0, watch.opening);
    let ends = [0, 1].map(|side: usize| say(pair.worlds[side].as_mut(), server, &exchange));
    pair.tell(format!("the operator watches server {server}"));
    same(pair, &ends)
}

/// How a server answers the operator in both worlds, and that it is the same.
pub(crate) fn looks(pair: &mut Pair, server: usize) -> Result<[Option<Answer>; 2], Difference> {
    let mut places = [Places::default(), Places::default()];
    for (side, places) in places.iter_mut().enumerate() {
        for place in 0..pair.running.len() {
            let (address, ordinal) = (pair.worlds[side].address(place), u8::try_from(place).unwrap());
            places.addresses.insert(address, ordinal);
            places.names.insert(format!("server-{address}.test"), ordinal);
        }
    }
    // Two looks a moment apart may see two states of servers that are about to be the same.
    let mut tries = 0;
    loop {
        let exchange = line(&operator()).look(POD, false);
        let ends = [0, 1].map(|side: usize| say(pair.worlds[side].as_mut(), server, &exchange));
        let answers = [0, 1].map(|side: usize| look::read(&ends[side], UID, &places[side]));
        let [real, model] =
            [0, 1].map(|side: usize| answers[side].as_ref().map(|answer| summary(answer, side, &pair.names)));
        let compared = same(pair, &ends).and_then(|()| {
            let text = format!("the operator takes server {server} to be\n  {real:?}\n  {model:?}");
            if real == model { Ok(()) } else { Err(Difference(text)) }
        });
        tries += 1;
        match compared {
            Err(_) if tries < 20 => sleep(PAUSE * 60),
            compared => return compared.map(|()| answers),
        }
    }
}

/// What the operator has understood, with what both worlds call the same.
fn summary(answer: &Answer, side: usize, names: &Names) -> String {
    let named = |bytes: &[u8]| anonymous(&names.named(side, &users::hex(bytes)));
    let mut members: Vec<String> =
        answer.members.iter().map(|(run, small)| format!("{} {small}", named(&run.0))).collect();
    members.sort();
    let mut users: Vec<String> = answer.users.iter().map(|run| named(&run.0)).collect();
    users.sort();
    let role = match &answer.role {
        Role::Replica(Upstream::Address(address)) => names.named(side, &address.to_string()),
        role => format!("{role:?}"),
    };
    let ids = [named(&answer.run.0), named(&answer.replid.0), named(&answer.replid2.0)];
    let rest = (answer.loading, answer.data, answer.min_replicas, answer.max_lag_s);
    format!("{role} {ids:?} {members:?} {users:?} {rest:?}")
}

fn line(operator: &Operator) -> Line<'_> {
    Line { operator, transport: Transport::Plain, nonce: NONCE }
}

/// Both exchanges ended the same way, with the same replies.
fn same(pair: &Pair, ends: &[ExchangeEnd; 2]) -> Result<(), Difference> {
    let [(real_end, real), (model_end, model)] = ends.each_ref().map(end);
    if real_end == model_end && real.len() == model.len() {
        let differ = real.into_iter().zip(model).find_map(|(real, model)| {
            let [one, other] = [Plain::new(&real, 0, &pair.names), Plain::new(&model, 1, &pair.names)];
            (!one.is_like(&other)).then(|| one.apart(&other))
        });
        return match differ {
            Some(differ) => Err(Difference(format!("the operator is told\n{differ}"))),
            None => Ok(()),
        };
    }
    let text = [(real_end, real), (model_end, model)].into_iter().enumerate().map(|(side, (end, frames))| {
        let frames: Vec<String> =
            frames.iter().map(|frame| Plain::new(frame, side, &pair.names).text).collect();
        format!("  {end}: {frames:#?}\n")
    });
    Err(Difference(format!("the operator's exchange ended as\n{}", text.collect::<String>())))
}

fn end(end: &ExchangeEnd) -> (&'static str, Vec<Frame>) {
    let (end, replies) = match end {
        ExchangeEnd::Replies(replies) => ("answered", replies),
        ExchangeEnd::Refused => return ("refused", Vec::new()),
        ExchangeEnd::Timeout(partial) => ("not answered in time", &partial.replies),
        ExchangeEnd::Reset(partial) => ("closed", &partial.replies),
        ExchangeEnd::Unexpected(partial) => ("answered otherwise", &partial.replies),
        other => panic!("{other:?}"),
    };
    (end, replies.iter().flat_map(|reply| Frame::all(reply)).map(roughly).collect())
}

/// How many were sent away may be told differently: a replica that cannot be linked
/// is a client for the moment in which it tries.
fn roughly(frame: Frame) -> Frame {
    match frame {
        Frame::Integer(count) => Frame::Integer(count.min(2)),
        Frame::Array(frames) => Frame::Array(frames.into_iter().map(roughly).collect()),
        other => other,
    }
}

/// Says the steps to a server, as the host does.
fn say(world: &mut dyn World, server: usize, exchange: &Exchange) -> ExchangeEnd {
    let timeout = Duration::from_millis(u64::from(exchange.timeout_ms));
    let Some((wire, _)) = world.connect(server, None) else { return ExchangeEnd::Refused };
    let begun = Instant::now();
    let (mut replies, mut rest) = (Vec::new(), Vec::new());
    let hung_up = |world: &mut dyn World, replies, rest| {
        world.hang_up(wire);
        PartialReplies { replies, rest }
    };
    for step in &exchange.steps {
        let Until::Delimiter(delimiter) = &step.until else { panic!("{:?}", step.until) };
        world.send(wire, &step.send);
        let reply = loop {
            let open = world.receive(wire, &mut rest);
            if let Some(at) = rest.windows(delimiter.len()).position(|part| part == delimiter.as_slice()) {
                let after = rest.split_off(at + delimiter.len());
                break std::mem::replace(&mut rest, after);
            }
            if !open {
                return ExchangeEnd::Reset(hung_up(world, replies, rest));
            }
            if begun.elapsed() > timeout {
                return ExchangeEnd::Timeout(hung_up(world, replies, rest));
            }
            sleep(PAUSE / 4);
        };
        let holds = |bytes: &Vec<u8>| reply.windows(bytes.len()).any(|part| part == bytes.as_slice());
        let expected = step.expect.iter().all(holds);
        replies.push(reply);
        if !expected {
            return ExchangeEnd::Unexpected(hung_up(world, replies, rest));
        }
    }
    world.hang_up(wire);
    ExchangeEnd::Replies(replies)
}
