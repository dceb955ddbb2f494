//! Interrupts components, so that a spinning one gives way to others.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// How long a component computes before others get their turn. A usual call is
/// over in a tenth of it; a shorter one would only cost more wake-ups.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// A thread that moves the engine's epoch on while calls are under way, and
/// sleeps otherwise: an idle host costs no CPU time.
pub(super) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

struct State {
    calls: AtomicUsize,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: wasmtime::Engine) -> io::Result<Self> {
        let state = Arc::new(State { calls: AtomicUsize::new(0), stopped: AtomicBool::new(false) });
        let seen = Arc::clone(&state);
        let handle = thread::Builder::new()
            .name("engine-ticker".to_owned())
            .spawn(move || tick_until_stopped(&engine, &seen))?;
        Ok(Self { state, thread: handle.thread().clone() })
    }

    /// Ticks until what is returned is dropped.
    pub(super) fn ticking(&self) -> Ticking<'_> {
        if self.state.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        Ticking { state: &self.state }
    }
}

fn tick_until_stopped(engine: &wasmtime::Engine, state: &State) {
    while !state.stopped.load(Ordering::SeqCst) {
        if state.calls.load(Ordering::SeqCst) == 0 {
            // Returns at once if a call began since the count was read.
            thread::park();
        } else {
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A call under way.
pub(super) struct Ticking<'a> {
    state: &'a State,
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.state.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
