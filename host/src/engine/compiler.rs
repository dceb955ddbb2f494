//! Compiling in a process of its own.
//!
//! The compiler needs several times the memory that the host needs afterwards, and
//! is the largest part of the host that reads what strangers wrote. In a process of
//! its own all of that is gone when it is done, and whatever it does there hurts
//! nobody else.

use std::{
    io::{self, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use wasmtime::component::Component as Compiled;

use super::load::{self, LoadError};

/// The argument that makes the host's program compile.
pub(crate) const COMPILE_COMMAND: &str = "compile-component";

/// The first byte of what the process writes, before compiled code or before the
/// reason why there is none.
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;

/// The largest component takes some ten seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Compiles with the program at this path, which must be of this very version.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    program: &Path,
    bytes: &[u8],
) -> Result<Compiled, LoadError> {
    let failed = |problem: String| LoadError::NotCompiled { problem };
    let answer = run(program, bytes).map_err(|error| failed(error.to_string()))?;
    match answer.split_first() {
        Some((&COMPILED, code)) => adopt(engine, code).map_err(|error| failed(load::one_line(&error))),
        Some((&REFUSED, problem)) => {
            Err(load::classify(bytes, String::from_utf8_lossy(problem).into_owned()))
        }
        _ => Err(failed(
            "the process that compiles ended without a word: out of memory, most likely".to_owned(),
        )),
    }
}

#[allow(
    unsafe_code,
    reason = "the code was compiled a moment ago by this very program, and came through a pipe that nobody \
              else has; the engine checks that version and settings are its own"
)]
fn adopt(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Compiled> {
    // SAFETY: see the reason above.
    unsafe { Compiled::deserialize(engine, code) }
}

fn run(program: &Path, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut child = Command::new(program)
        .arg(COMPILE_COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (done, finished) = mpsc::channel();
    let answer = thread::scope(|scope| {
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut answer));
            // Nobody listens only if it took too long.
            let _ = done.send(read.map(|_| answer));
        });
        scope.spawn(move || {
            // One that does not read to the end says why, or ends without a word.
            let _ = stdin.map(|mut stdin| stdin.write_all(bytes));
        });
        let answer = finished.recv_timeout(PATIENCE);
        if answer.is_err() {
            end(&mut child);
        }
        answer
    });
    end(&mut child);
    answer.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("compiling it takes longer than {seconds} s")))
    })
}

/// Ends it, if it has not ended.
fn end(child: &mut Child) {
    // Both fail only where there is nothing left to end.
    let _ = child.kill();
    let _ = child.wait();
}

/// What the process does: reads a component from standard input, and writes what
/// became of it to standard output.
///
/// # Errors
/// If either fails, or the engine cannot be set up.
pub(crate) fn serve() -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let engine = super::configuration::engine(super::EngineOptions::default())?;
    let (mark, answer) = match engine.precompile_component(&bytes) {
        Ok(code) => (COMPILED, code),
        Err(error) => (REFUSED, load::one_line(&error).into_bytes()),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(&[mark])?;
    stdout.write_all(&answer)?;
    stdout.flush()?;
    Ok(())
}
