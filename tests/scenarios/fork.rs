//! Each run is a process of its own.

#![allow(unsafe_code, reason = "a process is forked, so that what is compiled is shared")]

use std::{
    io::{PipeWriter, Read as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{determinism, outcome::Outcome};

/// How long a run may take, which usually takes half a second.
const PATIENCE_SECONDS: u32 = 300;

/// What a child ends with that did all it should.
const DONE: i32 = 0;

/// Runs this in a child, with random numbers from the seed.
pub(crate) fn run(seed: u64, of: impl FnOnce() -> Outcome + Send) -> Result<Outcome> {
    let (mut reader, writer) = std::io::pipe().context("no pipe")?;
    // SAFETY: the child only runs what is given, and ends without running anything of
    // the parent's: no thread but this one is there, and none is needed.
    match unsafe { libc::fork() } {
        -1 => bail!("no further process can be started"),
        0 => {
            drop(reader);
            // SAFETY: it ends this process, and no other, after that time.
            unsafe { libc::alarm(PATIENCE_SECONDS) };
            // A panic must not go on into what is the parent's.
            let outcome = catch_unwind(AssertUnwindSafe(|| in_new_thread(seed, of)))
                .unwrap_or_else(|_| Outcome::failed(seed, "it panicked, as is told above".to_owned()));
            let sent = send(&outcome, writer);
            // SAFETY: the process ends.
            unsafe { libc::_exit(if sent.is_ok() { DONE } else { 1 }) }
        }
        child => {
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).context("a run cannot be heard")?;
            let mut status = 0;
            // SAFETY: the process is a child of this one, and the status can be written.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            let ended =
                || Outcome::failed(seed, format!("it did not come to an end: status {status}, {text:?}"));
            Ok(Outcome::from_json(&text).unwrap_or_else(|_| ended()))
        }
    }
}

/// The standard library takes the keys of its hash maps once a thread: only those of
/// a new one follow from the seed.
fn in_new_thread(seed: u64, of: impl FnOnce() -> Outcome + Send) -> Outcome {
    let seeded = || {
        determinism::reset(seed);
        of()
    };
    let joined = thread::scope(|scope| scope.spawn(seeded).join());
    joined.unwrap_or_else(|panic| resume_unwind(panic))
}

fn send(outcome: &Outcome, mut writer: PipeWriter) -> Result<()> {
    std::io::stdout().flush()?;
    Ok(writer.write_all(outcome.to_json()?.as_bytes())?)
}
