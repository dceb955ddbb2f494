//! The protocol at work on real servers: what the component does in a cluster, with
//! pods, a Service and a record that are only said to be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operlet_redis::{
    protocol::{
        self,
        facts::{self, Facts, Service},
        policy::{Mode, Policy},
        record::{Effective, Ordinal, Record, RunId, Uid},
        step::{Selection, Settlement, Step},
    },
    talk::{
        Line, Pod,
        acts::{acks, carried_out},
        command::Commands,
        look::{self, Places},
        users::Operator,
    },
};
use operlet_sdk::Transport;

use crate::{
    server::{Server, UID, operator},
    wire::say,
};

/// Steps of one reconcile, as the host allows.
const STEPS_MAX: usize = 32;

pub(crate) struct Redis {
    pub(crate) servers: Vec<Server>,
    pub(crate) policy: Policy,
    pub(crate) record: Record,
    pub(crate) service: Option<Ordinal>,
    operator: Operator,
    claims: BTreeMap<Ordinal, u32>,
    /// Run ids of the processes that ended, as termination messages hold them.
    ended: BTreeSet<RunId>,
    running: BTreeMap<Ordinal, RunId>,
    silent_since: Option<Instant>,
}

impl Redis {
    /// A primary and so many replicas, not yet told anything.
    pub(crate) fn new(image: (&'static str, &'static str), replicas: u8, arguments: &[&str]) -> Self {
        let servers = (0..=replicas).map(|_| Server::start(image, arguments)).collect();
        let policy = Policy {
            mode: Mode::Safe,
            replicas,
            wanted: Effective { min_replicas: replicas.div_ceil(2) * u8::from(replicas > 1), max_lag_s: 5 },
            detect_ms: 3000,
            fence_timeout_ms: 0,
            recovery_timeout_ms: 300_000,
            switchover_timeout_ms: 10_000,
            switchover: None,
            storage: false,
            persistent: true,
            paused: false,
            hibernated: false,
            pause_before_primary: false,
        };
        Self {
            servers,
            policy,
            record: Record::default(),
            service: None,
            operator: operator(),
            claims: BTreeMap::new(),
            ended: BTreeSet::new(),
            running: BTreeMap::new(),
            silent_since: None,
        }
    }

    /// Reconciles until nothing is under way; what it settled on.
    #[track_caller]
    pub(crate) fn settle(&mut self, within: Duration) -> Settlement {
        let begun = Instant::now();
        loop {
            let settlement = self.reconcile();
            let Some(again_ms) = settlement.again_ms else { return settlement };
            assert!(begun.elapsed() < within, "it does not settle: {settlement:?}; {:#?}", self.record);
            sleep(Duration::from_millis(again_ms));
        }
    }

    /// One reconcile, from the observation to what it settles on.
    pub(crate) fn reconcile(&mut self) -> Settlement {
        let mut facts = self.observe();
        for _ in 0..STEPS_MAX {
            match protocol::step(&self.policy, &facts, &self.record) {
                Step::Look => facts.answers = Some(self.look()),
                Step::Checkpoint(record) => self.record = *record,
                Step::Act(acts) => {
                    for act in acts {
                        let answers = facts.answers.iter().flatten();
                        let answer = answers.into_iter().find(|(pod, _)| **pod == act.on.pod);
                        let answer = answer.expect("acts are on what answered").1;
                        let exchange = self.line().order(POD, &act, answer);
                        let end = say(&exchange, self.server(act.on.pod).address);
                        let done = carried_out(&end);
                        println!("  {act:?}: {done:?}");
                        if done.is_ok() {
                            facts.done.insert(act.tried());
                        }
                        facts.tried.insert(act.tried());
                    }
                    facts.answers = None;
                    facts.proof = None;
                }
                Step::Prove { on, acks: wanted } => {
                    let exchange = self.line().prove(POD, &on.run, wanted);
                    let end = say(&exchange, self.server(on.pod).address);
                    let none = facts::Proof { run: on.run, acks: 0 };
                    facts.proof = Some(acks(&end, &on.run).unwrap_or(none));
                }
                Step::Settle(settlement) => {
                    match settlement.service {
                        Selection::Keep => {}
                        Selection::Close => self.service = None,
                        Selection::Select(pod) => self.service = Some(pod),
                    }
                    if let Some((pod, epoch)) = settlement.mark {
                        self.claims.insert(pod, epoch);
                    }
                    return settlement;
                }
            }
        }
        panic!("more than {STEPS_MAX} steps: {:#?}", self.record);
    }

    fn server(&self, ordinal: Ordinal) -> &Server {
        &self.servers[usize::from(ordinal)]
    }

    fn line(&self) -> Line<'_> {
        Line {
            operator: &self.operator,
            transport: Transport::Plain,
            nonce: "9d5ed678fe57bcca610140957afab571",
        }
    }

    fn observe(&mut self) -> Facts {
        let pod = |(ordinal, server): (Ordinal, &Server)| {
            let pod = facts::Pod {
                uid: Uid([ordinal; 16]),
                address: Some(server.address),
                terminating: false,
                ready_once: true,
                updated: true,
                priority: 100,
            };
            (ordinal, pod)
        };
        Facts {
            now: u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap(),
            pods: (0..).zip(&self.servers).map(pod).collect(),
            claims: self.claims.clone(),
            service: Service { selects: self.service, endpoint: self.service },
            ended: self.ended.clone(),
            silent_ms: self.silent_since.map_or(0, |since| since.elapsed().as_millis().try_into().unwrap()),
            ..Facts::default()
        }
    }

    fn look(&mut self) -> BTreeMap<Ordinal, facts::Answer> {
        let mut places = Places::default();
        for (ordinal, server) in (0..).zip(&self.servers) {
            places.addresses.insert(server.address, ordinal);
            places.names.insert(server.name(), ordinal);
        }
        let line = self.line();
        let answer = |(ordinal, server): (Ordinal, &Server)| {
            let end = say(&line.look(POD, false), server.address);
            Some((ordinal, look::read(&end, UID, &places)?))
        };
        let answers: BTreeMap<_, _> = (0..).zip(&self.servers).filter_map(answer).collect();
        for (ordinal, answer) in &answers {
            self.running.insert(*ordinal, answer.run);
        }
        let primary = self.record.primary.as_ref().map(|primary| primary.who.pod);
        let silent = primary.is_some_and(|primary| !answers.contains_key(&primary));
        self.silent_since = silent.then(|| self.silent_since.unwrap_or_else(Instant::now));
        answers
    }

    /// Ends a process, and keeps what its termination message says.
    pub(crate) fn kill(&mut self, ordinal: Ordinal) {
        self.servers[usize::from(ordinal)].kill();
        self.ended.extend(self.running.get(&ordinal));
    }

    /// The pod of the primary on record.
    pub(crate) fn primary(&self) -> Ordinal {
        self.record.primary.as_ref().expect("there is a primary").who.pod
    }

    /// A command of a client at a server: what it answers at first.
    pub(crate) fn command(&self, ordinal: Ordinal, command: &[&str]) -> String {
        self.commands(ordinal, Commands::new().then(command.iter().copied()), 1)
    }

    /// Commands of a client at a server: so many lines of what it answers, or all until
    /// it says nothing more.
    pub(crate) fn commands(&self, ordinal: Ordinal, commands: Commands, lines: usize) -> String {
        let mut stream = TcpStream::connect((self.server(ordinal).address, 6379)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
        stream.write_all(&commands.into_bytes()).unwrap();
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        while reply.iter().filter(|byte| **byte == b'\n').count() < lines {
            match stream.read(&mut buffer) {
                Ok(count @ 1..) => reply.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&reply).trim_end().to_owned()
    }
}

const POD: Pod<'static> = Pod { name: "a-0", uid: UID };
