//! Exchanges and probes that must not be made.

use super::Answer;
use crate::{
    operlet::operator::exchanges::{Effect, Exchange, Probe, Step, Transport, Until},
    outcome,
    reconciler::{Decision, Observation, Question, Request},
};

fn step() -> Step {
    Step { send: b"PING\r\n".to_vec(), until: Until::Delimiter(b"\r\n".to_vec()), expect: Vec::new() }
}

fn exchange() -> Exchange {
    Exchange {
        pod: "pod-0".to_owned(),
        pod_uid: "00000000-0000-0000-0000-000000000001".to_owned(),
        port: 6379,
        transport: Transport::Plain,
        steps: vec![step()],
        effect: Effect::Probe,
        timeout_ms: 1000,
        max_bytes: 1024,
        extensions: Vec::new(),
    }
}

fn ask(exchange: Exchange) -> Answer {
    Ok(Decision::Ask(vec![Question { id: "one".to_owned(), request: Request::Exchange(exchange) }]))
}

/// As many as there may be in one round, and more than there may be in all.
pub(super) fn many_exchanges(_: &Observation) -> Answer {
    let question = |index| Question { id: format!("n-{index}"), request: Request::Exchange(exchange()) };
    Ok(Decision::Ask((0..257).map(question).collect()))
}

pub(super) fn no_steps(_: &Observation) -> Answer {
    ask(Exchange { steps: Vec::new(), ..exchange() })
}

pub(super) fn many_steps(_: &Observation) -> Answer {
    ask(Exchange { steps: vec![step(); 65], ..exchange() })
}

pub(super) fn port_0(_: &Observation) -> Answer {
    ask(Exchange { port: 0, ..exchange() })
}

pub(super) fn no_time(_: &Observation) -> Answer {
    ask(Exchange { timeout_ms: 0, ..exchange() })
}

pub(super) fn huge_replies(_: &Observation) -> Answer {
    ask(Exchange { max_bytes: 1024 * 1024 + 1, ..exchange() })
}

pub(super) fn no_delimiter(_: &Observation) -> Answer {
    ask(Exchange { steps: vec![Step { until: Until::Delimiter(Vec::new()), ..step() }], ..exchange() })
}

pub(super) fn long_delimiter(_: &Observation) -> Answer {
    ask(Exchange { steps: vec![Step { until: Until::Delimiter(vec![0; 257]), ..step() }], ..exchange() })
}

pub(super) fn many_expectations(_: &Observation) -> Answer {
    ask(Exchange { steps: vec![Step { expect: vec![b"+PONG".to_vec(); 65], ..step() }], ..exchange() })
}

fn probe(id: &str) -> Probe {
    Probe { id: id.to_owned(), exchange: exchange(), opening: Vec::new(), every_ms: 500 }
}

fn settle(probes: Vec<Probe>) -> Answer {
    let mut outcome = outcome(Vec::new());
    outcome.probes = probes;
    Ok(Decision::Settle(outcome))
}

pub(super) fn many_probes(_: &Observation) -> Answer {
    settle((0..33).map(|index| probe(&format!("probe-{index}"))).collect())
}

pub(super) fn same_probes(_: &Observation) -> Answer {
    settle(vec![probe("same"), probe("same")])
}

pub(super) fn acting_probe(_: &Observation) -> Answer {
    settle(vec![Probe { exchange: Exchange { effect: Effect::Act, ..exchange() }, ..probe("acting") }])
}

pub(super) fn hasty_probe(_: &Observation) -> Answer {
    settle(vec![Probe { every_ms: 99, ..probe("hasty") }])
}

/// The connection is kept, so a reply cannot go on to its end.
pub(super) fn probe_to_the_end(_: &Observation) -> Answer {
    let steps = vec![Step { until: Until::Eof, ..step() }];
    settle(vec![Probe { exchange: Exchange { steps, ..exchange() }, ..probe("endless") }])
}

pub(super) fn long_opening(_: &Observation) -> Answer {
    settle(vec![Probe { opening: vec![step(); 17], ..probe("opened") }])
}
