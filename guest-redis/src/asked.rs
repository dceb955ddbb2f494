//! Questions of a reconcile and their answers, in the order of its rounds.
//!
//! Every call sees the answers to all questions of its reconcile and nothing else of the
//! calls before, so a question's id says what it was: the round, what for, which pod.

use std::collections::BTreeMap;

use operlet_sdk::{Decision, Exchange, ExchangeEnd, Observation, Probe, Question, Response, log};

use crate::{
    carried::{Carried, WATCH, WATCH_TIMEOUT_MS},
    facts::address,
    names::Names,
    observed::{Observed, Pod},
    protocol::{
        facts::{Answer, Facts, Proof},
        record::{Incarnation, Ordinal, Record},
        step::{Act, Tried},
    },
    recorded::uid,
    talk::{
        self, Line,
        acts::{acks, carried_out, done},
        command::Commands,
        look::{self, Places, Upkept},
        users::{hex, run_id},
    },
};

/// The pods that can be spoken to, and how.
#[derive(Debug)]
pub(crate) struct Processes<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) observed: &'a Observed<'a>,
    pub(crate) names: &'a Names<'a>,
    pub(crate) line: Line<'a>,
}

/// What became of something that a server was told beside the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    Done,
    /// With the server's words.
    Refused(String),
    /// It is told again.
    Unanswered,
}

/// What a question is for.
const LOOK: &str = "look";
const ACT: &str = "act";
const PROVE: &str = "prove";
const KEEP: &str = "keep";
const INTRODUCE: &str = "introduce";

impl<'a> Processes<'a> {
    /// Asks every pod that has an address how it is, and whatever else is to be known;
    /// none if there is nothing to ask. One that was silent in the reconcile before and
    /// in this one is silent for the rest of it.
    pub(crate) fn look(&self, carried: &Carried, others: Vec<Question>) -> Option<Decision> {
        let given = self.answers();
        let question = |(ordinal, pod): (&Ordinal, &Pod<'_>)| {
            address(pod)?;
            let whom = ordinal.to_string();
            let looks = given.iter().filter(|it| it.what == LOOK && it.whom == whom);
            let was_mute = carried.was_mute(&pod.metadata.uid, self.observation);
            let was_silent = match looks.max_by_key(|it| it.round) {
                // Nobody waits for it again before the next reconcile.
                Some(last) if was_mute && last.end.is_some_and(took_its_time) => return None,
                Some(last) => !matches!(last.end, Some(ExchangeEnd::Replies(_))),
                None => was_mute,
            };
            Some(self.question(LOOK, &whom, self.line.look(place(pod), was_silent)))
        };
        let questions: Vec<Question> = self.observed.pods.iter().filter_map(question).chain(others).collect();
        (!questions.is_empty()).then(|| Decision::ask(questions))
    }

    /// Makes acts, each on the process that gave the answer it is tied to.
    pub(crate) fn act(&self, acts: &[Act], answers: &BTreeMap<Ordinal, Answer>) -> Decision {
        let question = |act: &Act| {
            let (pod, answer) = (self.observed.pods.get(&act.on.pod)?, answers.get(&act.on.pod)?);
            let tried = act.tried();
            let what = format!("{}/{}/{:016x}", act.on.pod, hex(&tried.run.0), tried.digest);
            Some(self.question(ACT, &what, self.line.order(place(pod), act, answer)))
        };
        Decision::ask(acts.iter().filter_map(question).collect::<Vec<_>>())
    }

    /// Asks for a proof of acks.
    pub(crate) fn prove(&self, on: &Incarnation, acks: u8) -> Decision {
        let exchange = |pod: &Pod<'_>| self.line.prove(place(pod), &on.run, acks);
        let question = |pod| self.question(PROVE, &on.pod.to_string(), exchange(pod));
        Decision::ask(self.observed.pods.get(&on.pod).map(question).into_iter().collect::<Vec<_>>())
    }

    /// What watches the pods that answered or were started, and the primary in any case.
    pub(crate) fn watch(&self, facts: &Facts, record: &Record) -> Vec<Probe> {
        let primary = record.primary.as_ref().map(|primary| primary.who.uid);
        let timeout_ms = u32::try_from(WATCH_TIMEOUT_MS).unwrap_or(u32::MAX);
        let watched = |(ordinal, pod): (&Ordinal, &Pod<'_>)| {
            let answered = facts.answers.as_ref().is_some_and(|answers| answers.contains_key(ordinal));
            let known = answered || pod.is_started() || uid(&pod.metadata.uid) == primary;
            let id = format!("{WATCH}{}", pod.metadata.uid);
            (known && address(pod).is_some()).then(|| self.line.watch(id, place(pod), timeout_ms))
        };
        self.observed.pods.iter().filter_map(watched).collect()
    }

    /// Tells a server something that is not the protocol's, tied to the process that
    /// answered.
    pub(crate) fn keep(&self, ordinal: Ordinal, answer: &Answer, commands: Commands) -> Option<Question> {
        let pod = self.observed.pods.get(&ordinal)?;
        let exchange = self.line.keep(place(pod), &answer.run, &answer.role, commands);
        Some(self.question(KEEP, &ordinal.to_string(), exchange))
    }

    /// Makes the operator's users known to servers that were started without them, by the
    /// application's password; none if there are none, or it was tried in this reconcile.
    pub(crate) fn introduce(&self, password: &[u8]) -> Option<Decision> {
        let given = self.answers();
        if given.iter().any(|it| it.what == INTRODUCE) {
            return None;
        }
        let strangers = given.iter().filter(|it| it.what == LOOK && it.end.is_some_and(look::is_stranger));
        let question = |it: &Given<'_>| {
            let pod = self.observed.pods.get(&it.whom.parse().ok()?)?;
            Some(self.question(INTRODUCE, it.whom, self.line.introduce(place(pod), password)))
        };
        let questions: Vec<Question> = strangers.filter_map(question).collect();
        (!questions.is_empty()).then(|| Decision::ask(questions))
    }

    /// What servers have of what they are told beside the protocol, as of the last look.
    pub(crate) fn upkept(&self) -> BTreeMap<Ordinal, Upkept> {
        let given = self.answers();
        let looked = given.iter().filter(|it| it.what == LOOK).map(|it| it.round).max();
        let looks = given.iter().filter(|it| it.what == LOOK && Some(it.round) == looked);
        looks.filter_map(|it| Some((it.whom.parse().ok()?, look::upkept(it.end?)?))).collect()
    }

    /// What became of that in this reconcile.
    pub(crate) fn kept(&self) -> BTreeMap<Ordinal, Kept> {
        let given = self.answers();
        let kept = given.iter().filter(|it| it.what == KEEP);
        let outcome = |it: &Given<'_>| {
            let kept = match (it.end, it.end.map(done)) {
                (_, Some(Ok(()))) => Kept::Done,
                (Some(ExchangeEnd::Replies(_)), Some(Err(words))) => Kept::Refused(words),
                _ => Kept::Unanswered,
            };
            Some((it.whom.parse().ok()?, kept))
        };
        kept.filter_map(outcome).collect()
    }

    fn question(&self, what: &str, whom: &str, exchange: Exchange) -> Question {
        Question::exchange(format!("{:02}/{what}/{whom}", self.observation.round), exchange)
    }

    /// Puts what was answered into the facts.
    pub(crate) fn learn(&self, facts: &mut Facts, primary: Option<&Incarnation>) {
        let rounds = self.answers();
        let last = |wanted: &str| rounds.iter().filter(|it| it.what == wanted).map(|it| it.round).max();
        let (looked, acted) = (last(LOOK), last(ACT).max(last(INTRODUCE)));
        for act in rounds.iter().filter(|it| it.what == ACT) {
            let tried = tried(act.whom);
            facts.tried.extend(tried);
            if act.end.is_some_and(|end| carried_out(end).is_ok()) {
                facts.done.extend(tried);
            }
            if Some(act.round) == acted && act.round + 1 == self.observation.round {
                self.tell(act);
            }
        }
        // What was answered before an act is out of date.
        if looked.is_none() || looked < acted {
            return;
        }
        let looks = rounds.iter().filter(|it| it.what == LOOK && Some(it.round) == looked);
        let those = |is: fn(&ExchangeEnd) -> bool| {
            let them = looks.clone().filter(|it| it.end.is_some_and(is));
            them.filter_map(|it| it.whom.parse().ok()).collect()
        };
        facts.strangers = those(look::is_alive);
        facts.refusing = those(|end| matches!(end, ExchangeEnd::Refused));
        let places = self.places();
        let answer = |it: &Given<'_>| {
            let ordinal: Ordinal = it.whom.parse().ok()?;
            let pod = self.observed.pods.get(&ordinal)?;
            Some((ordinal, look::read(it.end?, &pod.metadata.uid, &places)?))
        };
        facts.answers = Some(looks.filter_map(answer).collect());
        let proof = rounds.iter().rfind(|it| it.what == PROVE && Some(it.round) > looked);
        facts.proof = proof.zip(primary).map(|(proof, primary)| {
            // One that cannot be read proves nothing.
            let none = Proof { run: primary.run, acks: 0 };
            proof.end.and_then(|end| acks(end, &primary.run)).unwrap_or(none)
        });
    }

    fn answers(&self) -> Vec<Given<'a>> {
        self.observation
            .answers
            .iter()
            .filter_map(|answer| Given::read(&answer.id, &answer.response))
            .collect()
    }

    fn places(&self) -> Places {
        let pods = self.observed.pods.iter();
        Places {
            addresses: pods.clone().filter_map(|(ordinal, pod)| Some((address(pod)?, *ordinal))).collect(),
            names: pods.map(|(ordinal, _)| (self.names.announced(*ordinal), *ordinal)).collect(),
        }
    }

    /// An act that was not carried out is tried again by itself; the log says why.
    fn tell(&self, act: &Given<'_>) {
        if let Some(end) = act.end
            && let Err(why) = carried_out(end)
        {
            let pod = act.whom.split('/').next().unwrap_or_default();
            log::warn(format!("an act on {}-{pod} was not carried out: {why}", self.names.redis));
        }
    }
}

/// Whether an exchange ended because nobody answered in time.
fn took_its_time(end: &ExchangeEnd) -> bool {
    matches!(end, ExchangeEnd::Timeout(_) | ExchangeEnd::Unreachable(_))
}

/// What the id of an act says of it.
fn tried(whom: &str) -> Option<Tried> {
    let mut parts = whom.split('/').skip(1);
    let run = run_id(parts.next()?)?;
    let digest = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Tried { run, digest })
}

/// An answer, and what its question's id says.
struct Given<'a> {
    round: u32,
    what: &'a str,
    whom: &'a str,
    /// None if the question could not be asked: that is as good as silence.
    end: Option<&'a ExchangeEnd>,
}

impl<'a> Given<'a> {
    fn read(id: &'a str, response: &'a Response) -> Option<Self> {
        let (round, rest) = id.split_once('/')?;
        let (what, whom) = rest.split_once('/')?;
        let end = match response {
            Response::Exchange(end) => Some(end),
            _ => None,
        };
        Some(Self { round: round.parse().ok()?, what, whom, end })
    }
}

fn place<'a>(pod: &'a Pod<'_>) -> talk::Pod<'a> {
    talk::Pod { name: &pod.metadata.name, uid: &pod.metadata.uid }
}
