//! Compiling in a process of its own.
//!
//! The compiler needs several times the memory that the host needs afterwards, and
//! is the largest part of the host that reads what strangers wrote. In a process of
//! its own all of that is gone when it is done, and whatever it does there hurts
//! nobody else.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, setrlimit};
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

/// More compiled code than this is not taken: it stays in memory for as long as the
/// component does. Half a MiB of component becomes 1.4 MiB of code.
const CODE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How often it is asked whether to stop.
const STEP: Duration = Duration::from_millis(50);

/// What compiles, in a process of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The program: the host's, of this very version.
    pub program: PathBuf,
    /// How much memory it may take, in bytes. A component that needs more is
    /// refused, so that none can take the memory that the host lives in.
    pub memory_bytes: u64,
}

/// Compiles, unless it is to stop.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    compiler: &Compiler,
    bytes: &[u8],
    stop: &dyn Fn() -> bool,
) -> Result<Compiled, LoadError> {
    let failed = |problem: String| LoadError::NotCompiled { problem };
    let answer = run(compiler, bytes, stop).map_err(|error| failed(error.to_string()))?;
    match answer.split_first() {
        Some((&COMPILED, code)) => adopt(engine, code).map_err(|error| failed(load::one_line(&error))),
        Some((&REFUSED, problem)) => {
            Err(load::classify(bytes, String::from_utf8_lossy(problem).into_owned()))
        }
        _ => Err(failed(format!(
            "the process that compiles ended without a word; most likely it needs more than the {} MiB of memory \
             that it may take (--compile-memory-mib)",
            compiler.memory_bytes / (1024 * 1024)
        ))),
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

fn run(compiler: &Compiler, bytes: &[u8], stop: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
    let mut child = Command::new(&compiler.program)
        .arg(COMPILE_COMMAND)
        .arg(compiler.memory_bytes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (done, finished) = mpsc::channel();
    let answer = thread::scope(|scope| {
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| stdout.take(CODE_BYTES_MAX).read_to_end(&mut answer));
            // Nobody listens only if it took too long.
            let _ = done.send(read.map(|_| answer));
        });
        scope.spawn(move || {
            // One that does not read to the end says why, or ends without a word.
            let _ = stdin.map(|mut stdin| stdin.write_all(bytes));
        });
        let answer = wait(&finished, stop);
        if answer.is_err() {
            end(&mut child);
        }
        answer
    });
    end(&mut child);
    answer
}

fn wait(finished: &mpsc::Receiver<io::Result<Vec<u8>>>, stop: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    loop {
        match finished.recv_timeout(STEP) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Timeout) if stop() => {
                return Err(io::Error::other("it was not waited for"));
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() < PATIENCE => {}
            Err(_) => {
                let problem = format!("compiling it takes longer than {} s", PATIENCE.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
            }
        }
    }
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
/// If either fails, if its memory cannot be bounded, or the engine not be set up.
pub(crate) fn serve(memory_bytes: &str) -> anyhow::Result<()> {
    let memory_bytes = memory_bytes.parse().context("the second argument must be a number of bytes")?;
    bound(memory_bytes)?;
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    // It runs nothing, so it needs no room for calls; the code is the same.
    let options = super::EngineOptions { calls_max: 1, ..super::EngineOptions::default() };
    let engine = super::configuration::engine(options)?;
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

/// Bounds the memory of this process to what it writes to, and offers it first where
/// memory runs out all the same and the system takes single processes.
fn bound(memory_bytes: u64) -> anyhow::Result<()> {
    let limit = Rlimit { current: Some(memory_bytes), maximum: Some(memory_bytes) };
    setrlimit(Resource::Data, limit).context("cannot bound the memory of this process")?;
    // Where it cannot be said, the largest process is taken, which this one is.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}
