//! Each run is a process of its own.

#![allow(unsafe_code, reason = "a process is forked, so that what is compiled is shared")]

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use anyhow::{Context as _, Result, bail};
use serde::{Serialize, de::DeserializeOwned};

use crate::{determinism, outcome::Outcome};

/// How long a run may take, which usually takes a fraction of a second.
const PATIENCE_SECONDS: u32 = 300;

/// What a child ends with that did all it should.
const DONE: i32 = 0;

/// A child, and what it has come to when it ends.
pub(crate) struct Child<T> {
    process: i32,
    reader: PipeReader,
    told: PhantomData<T>,
}

/// Does this in a child. What it made and did not give back is not taken apart there:
/// the process ends.
pub(crate) fn start<T: Serialize + DeserializeOwned>(of: impl FnOnce() -> T) -> Result<Child<T>> {
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    std::io::stdout().flush()?;
    // SAFETY: the child only does what is given, and ends without running anything of
    // the parent's: no thread but this one is there, and none is needed.
    match unsafe { libc::fork() } {
        -1 => bail!("no further process can be started"),
        0 => {
            drop(reader);
            // A panic must not go on into what is the parent's.
            let told = catch_unwind(AssertUnwindSafe(of)).map(|told| send(&told, writer));
            // SAFETY: the process ends.
            unsafe { libc::_exit(if matches!(told, Ok(Ok(()))) { DONE } else { 1 }) }
        }
        process => Ok(Child { process, reader, told: PhantomData }),
    }
}

impl<T: DeserializeOwned> Child<T> {
    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Result<T> {
        let mut text = String::new();
        self.reader.read_to_string(&mut text).context("a child cannot be heard")?;
        let mut status = 0;
        // SAFETY: the process is a child of this one, and the status can be written.
        unsafe { libc::waitpid(self.process, &raw mut status, 0) };
        serde_json::from_str(&text)
            .with_context(|| format!("it did not come to an end: status {status}, {text:?}"))
    }
}

/// Runs this in a child, with random numbers from the seed. What is left of the run is
/// left as it is.
pub(crate) fn run<L: Send>(seed: u64, of: impl FnOnce() -> (Outcome, L) + Send) -> Result<Outcome> {
    let child = start(|| {
        // SAFETY: it ends this process, and no other, after that time.
        unsafe { libc::alarm(PATIENCE_SECONDS) };
        let run = catch_unwind(AssertUnwindSafe(|| in_new_thread(seed, of)));
        let Ok((outcome, left)) = run else {
            return Outcome::failed(seed, "it panicked, as is told above".to_owned());
        };
        std::mem::forget(left);
        outcome
    })?;
    Ok(child.end().unwrap_or_else(|error| Outcome::failed(seed, format!("{error:#}"))))
}

/// Runs this in this very process, so that all is there for its children that is made
/// when it is first used.
pub(crate) fn run_here<L: Send>(seed: u64, of: impl FnOnce() -> (Outcome, L) + Send) -> Outcome {
    // SAFETY: it ends this process after that time, unless it is called off.
    unsafe { libc::alarm(PATIENCE_SECONDS) };
    let (outcome, left) = in_new_thread(seed, of);
    drop(left);
    // SAFETY: this calls it off.
    unsafe { libc::alarm(0) };
    outcome
}

/// The standard library takes the keys of its hash maps once a thread: only those of
/// a new one follow from the seed.
fn in_new_thread<T: Send>(seed: u64, of: impl FnOnce() -> T + Send) -> T {
    let seeded = || {
        determinism::reset(seed);
        let made = of();
        determinism::end();
        made
    };
    let joined = thread::scope(|scope| scope.spawn(seeded).join());
    joined.unwrap_or_else(|panic| resume_unwind(panic))
}

fn send(told: &impl Serialize, mut writer: PipeWriter) -> Result<()> {
    std::io::stdout().flush()?;
    Ok(writer.write_all(serde_json::to_string(told)?.as_bytes())?)
}
