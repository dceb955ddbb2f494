//! Exchanges and probes between the bindings of contract 0.1.0 and the model.

use super::bindings::v0_1_0::operlet::operator::exchanges as bindings;
use crate::model::{
    Effect, Exchange, ExchangeEnd, PartialReplies, Probe, ProbeReport, SecretEntry, Step, Tls, Transport,
    Until,
};

pub(super) fn exchange(exchange: bindings::Exchange) -> Exchange {
    let bindings::Exchange {
        pod,
        pod_uid,
        port,
        transport,
        steps,
        effect,
        timeout_ms,
        max_bytes,
        extensions: _,
    } = exchange;
    let effect = match effect {
        bindings::Effect::Probe => Effect::Probe,
        bindings::Effect::Act => Effect::Act,
    };
    let transport = match transport {
        bindings::Transport::Plain => Transport::Plain,
        bindings::Transport::Tls(bindings::Tls { ca, server_name, client_certificate }) => {
            let bindings::SecretEntry { name, key } = ca;
            Transport::Tls(Tls { ca: SecretEntry { name, key }, server_name, client_certificate })
        }
    };
    let steps = steps.into_iter().map(step).collect();
    Exchange { pod, pod_uid, port, transport, steps, effect, timeout_ms, max_bytes }
}

fn step(step: bindings::Step) -> Step {
    let bindings::Step { send, until, expect } = step;
    let until = match until {
        bindings::Until::Eof => Until::Eof,
        bindings::Until::Delimiter(bytes) => Until::Delimiter(bytes),
        bindings::Until::Length(length) => Until::Length(length),
    };
    Step { send, until, expect }
}

pub(super) fn probe(probe: bindings::Probe) -> Probe {
    let bindings::Probe { id, exchange: repeated, opening, every_ms } = probe;
    Probe { id, exchange: exchange(repeated), opening: opening.into_iter().map(step).collect(), every_ms }
}

pub(super) fn probe_report(report: &ProbeReport) -> bindings::ProbeReport {
    let ProbeReport { id, end: ended, since_ms } = report;
    bindings::ProbeReport { id: id.clone(), end: end(ended), since_ms: *since_ms, extensions: Vec::new() }
}

pub(super) fn end(end: &ExchangeEnd) -> bindings::ExchangeEnd {
    match end {
        ExchangeEnd::Replies(replies) => bindings::ExchangeEnd::Replies(replies.clone()),
        ExchangeEnd::Refused => bindings::ExchangeEnd::Refused,
        ExchangeEnd::Timeout(replies) => bindings::ExchangeEnd::Timeout(partial(replies)),
        ExchangeEnd::Reset(replies) => bindings::ExchangeEnd::Reset(partial(replies)),
        ExchangeEnd::TooLarge(replies) => bindings::ExchangeEnd::TooLarge(partial(replies)),
        ExchangeEnd::Unexpected(replies) => bindings::ExchangeEnd::Unexpected(partial(replies)),
        ExchangeEnd::Stale => bindings::ExchangeEnd::Stale,
        ExchangeEnd::Denied(reason) => bindings::ExchangeEnd::Denied(reason.clone()),
        ExchangeEnd::Gone => bindings::ExchangeEnd::Gone,
        ExchangeEnd::TlsFailed(reason) => bindings::ExchangeEnd::TlsFailed(reason.clone()),
        ExchangeEnd::Unreachable(reason) => bindings::ExchangeEnd::Unreachable(reason.clone()),
    }
}

fn partial(partial: &PartialReplies) -> bindings::PartialReplies {
    let PartialReplies { replies, rest } = partial;
    bindings::PartialReplies { replies: replies.clone(), rest: rest.clone() }
}
