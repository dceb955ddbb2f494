//! Checks of questions, exchanges and probes against the contract.

use std::collections::BTreeSet;

use super::{
    bindings::v0_1_0::{
        exports::operlet::operator::reconciler::{ListQuery, Question, Request},
        operlet::operator::{
            exchanges::{Effect, Exchange, Probe, Step, Tls, Transport, Until},
            types::ObjectKey,
        },
    },
    call::CallError,
    verify::{Check, invalid, too_many},
};

const ID_BYTES_MAX: usize = 128;
const SELECTOR_BYTES_MAX: usize = 4096;
const STEPS_MAX: usize = 64;
const OPENING_STEPS_MAX: usize = 16;
const EXPECTATIONS_MAX: usize = 64;
const DELIMITER_BYTES: std::ops::RangeInclusive<usize> = 1..=256;
/// What all replies of an exchange may have together.
const REPLIES_BYTES_MAX: u32 = 1024 * 1024;
const PROBES_MAX: usize = 32;
/// A shorter pause would cost more than it tells.
const EVERY_MS_MIN: u32 = 100;

/// The questions of one round.
pub(super) fn questions(questions: &[Question], limit: usize, check: &mut Check) -> Result<(), CallError> {
    if questions.is_empty() {
        return Err(invalid("ask", "has no question, so it would be asked for ever".to_owned()));
    }
    too_many("questions", questions.len(), limit)?;
    let mut ids = BTreeSet::new();
    for (index, Question { id, request }) in questions.iter().enumerate() {
        let field = |name: &str| format!("ask[{index}].{name}");
        check.text(&field("id"), id, 1..=ID_BYTES_MAX)?;
        if !ids.insert(id) {
            return Err(invalid(&field("id"), format!("is {id:?}, as another's is")));
        }
        match request {
            Request::Get(ObjectKey { name, .. }) => check.name(&field("get.name"), name)?,
            Request::List(ListQuery { selector, extensions, .. }) => {
                check.text(&field("list.selector"), selector, 0..=SELECTOR_BYTES_MAX)?;
                check.extensions(&field("list"), extensions)?;
            }
            Request::Exchange(exchange) => self::exchange(&field("exchange"), exchange, check)?,
        }
    }
    Ok(())
}

/// The probes of an outcome.
pub(super) fn probes(probes: &[Probe], check: &mut Check) -> Result<(), CallError> {
    too_many("probes", probes.len(), PROBES_MAX)?;
    let mut ids = BTreeSet::new();
    for (index, Probe { id, exchange, opening, every_ms }) in probes.iter().enumerate() {
        let field = |name: &str| format!("probes[{index}].{name}");
        check.text(&field("id"), id, 1..=ID_BYTES_MAX)?;
        if !ids.insert(id) {
            return Err(invalid(&field("id"), format!("is {id:?}, as another's is")));
        }
        if !matches!(exchange.effect, Effect::Probe) {
            return Err(invalid(&field("exchange.effect"), "must be probe: it is repeated".to_owned()));
        }
        if *every_ms < EVERY_MS_MIN {
            return Err(invalid(
                &field("every-ms"),
                format!("is {every_ms}; {EVERY_MS_MIN} is the least there may be"),
            ));
        }
        too_many("steps in one opening", opening.len(), OPENING_STEPS_MAX)?;
        steps(&field("opening"), opening, check)?;
        if opening.iter().chain(&exchange.steps).any(|step| matches!(step.until, Until::Eof)) {
            let problem = "until must not be eof: the connection is kept".to_owned();
            return Err(invalid(&field("exchange.steps"), problem));
        }
        self::exchange(&field("exchange"), exchange, check)?;
    }
    Ok(())
}

fn exchange(field: &str, exchange: &Exchange, check: &mut Check) -> Result<(), CallError> {
    let Exchange { pod, pod_uid, port, transport, steps, effect: _, timeout_ms, max_bytes, extensions } =
        exchange;
    let at = |name: &str| format!("{field}.{name}");
    check.name(&at("pod"), pod)?;
    check.name(&at("pod-uid"), pod_uid)?;
    if *port == 0 {
        return Err(invalid(&at("port"), "is 0, which is no port".to_owned()));
    }
    if let Transport::Tls(Tls { ca, server_name, client_certificate }) = transport {
        check.name(&at("transport.ca.name"), &ca.name)?;
        check.name(&at("transport.ca.key"), &ca.key)?;
        check.name(&at("transport.server-name"), server_name)?;
        if let Some(name) = client_certificate {
            check.name(&at("transport.client-certificate"), name)?;
        }
    }
    if steps.is_empty() {
        return Err(invalid(&at("steps"), "is empty; at least one is needed".to_owned()));
    }
    too_many("steps in one exchange", steps.len(), STEPS_MAX)?;
    self::steps(&at("steps"), steps, check)?;
    if *timeout_ms == 0 {
        return Err(invalid(&at("timeout-ms"), "is 0; 1 is the least there may be".to_owned()));
    }
    if *max_bytes > REPLIES_BYTES_MAX {
        let problem = format!("is {max_bytes}; {REPLIES_BYTES_MAX} is the most there may be");
        return Err(invalid(&at("max-bytes"), problem));
    }
    check.extensions(field, extensions)
}

fn steps(field: &str, steps: &[Step], check: &mut Check) -> Result<(), CallError> {
    for (index, Step { send, until, expect }) in steps.iter().enumerate() {
        check.add(send.len())?;
        if let Until::Delimiter(delimiter) = until {
            check.add(delimiter.len())?;
            if !DELIMITER_BYTES.contains(&delimiter.len()) {
                let problem = format!("has {} bytes; {DELIMITER_BYTES:?} are allowed", delimiter.len());
                return Err(invalid(&format!("{field}[{index}].until.delimiter"), problem));
            }
        }
        too_many("expectations in one step", expect.len(), EXPECTATIONS_MAX)?;
        for bytes in expect {
            check.add(bytes.len())?;
        }
    }
    Ok(())
}
