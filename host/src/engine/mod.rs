//! Runs components: the only part of the host that knows wasmtime.
//!
//! **Guarantees.** Every call has a fresh instance, so nothing is left of the call
//! before, whatever became of it. A component can do nothing but compute: it has
//! one import, a line for the log, which returns nothing. Whatever it does - trap,
//! spin, grow, recurse, answer too much - comes back as a [`CallError`]; no thread
//! is held for longer than a time slice.
//!
//! **Assumptions.** [`Engine::load`] compiles, which blocks for a while: call it
//! where blocking is allowed. Calls run on a tokio runtime with its timer enabled.

mod bindings;
mod call;
mod compiler;
mod component;
mod configuration;
mod convert;
mod convert_exchange;
mod load;
mod manifest;
mod meter;
mod store;
mod ticker;
mod trap;
mod verify;
mod verify_exchange;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

pub use call::CallError;
pub use compiler::Compiler;
pub(crate) use compiler::{COMPILE_COMMAND, serve as compile_for_parent};
pub use component::{Component, DescribeError};
pub use configuration::{EngineError, EngineOptions};
pub use load::LoadError;
pub use manifest::ManifestError;
pub use store::CallContext;

use crate::model::Digest;
use component::WeakComponent;
use ticker::Ticker;

/// The versions of the contract that this host speaks, newest first.
pub const CONTRACT_VERSIONS: &[&str] = &[bindings::v0_1_0::VERSION];

/// Compiles components and runs them. Cloning is cheap and shares all of it.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    wasmtime: wasmtime::Engine,
    linker: wasmtime::component::Linker<store::StoreData>,
    ticker: Ticker,
    memory_bytes_max: usize,
    /// Compiles, if not this process itself does.
    compiler: Option<Compiler>,
    /// One for each slot of the pool, so that a call waits for its turn where
    /// the pool would refuse it.
    slots: Semaphore,
    /// Held while compiling: a compilation uses every core and much memory, so
    /// two at a time gain nothing.
    compiling: Mutex<()>,
    /// What is in use: the same bytes are compiled once.
    loaded: Mutex<BTreeMap<Digest, WeakComponent>>,
}

impl Engine {
    /// An engine with room for as many calls side by side as the options say.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let wasmtime = configuration::engine(options.clone())?;
        let linker = configuration::linker(&wasmtime)?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(EngineError::Ticker)?;
        let EngineOptions { calls_max, memory_bytes_max, compiler } = options;
        let slots = Semaphore::new(usize::from(calls_max));
        let compiling = Mutex::new(());
        let loaded = Mutex::default();
        let shared =
            Shared { wasmtime, linker, ticker, memory_bytes_max, compiler, slots, compiling, loaded };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The component with these bytes, if somebody has it already: at once.
    #[must_use]
    pub fn loaded(&self, digest: &Digest) -> Option<Component> {
        self.in_use().get(digest).and_then(WeakComponent::upgrade)
    }

    fn in_use(&self) -> MutexGuard<'_, BTreeMap<Digest, WeakComponent>> {
        self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks and compiles a component's unpacked bytes. It blocks, for tens of
    /// milliseconds with a small component and for seconds with a large one; one
    /// compilation runs at a time.
    pub fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        self.load_unless(bytes, &|| false)
    }

    /// As [`Engine::load`], but given up soon after `stop` says so, as
    /// [`LoadError::NotCompiled`]. What is compiled in this process is not given up.
    pub fn load_unless(&self, bytes: &[u8], stop: &dyn Fn() -> bool) -> Result<Component, LoadError> {
        load::check_format(bytes)?;
        let compiled = {
            let _alone = self.shared.compiling.lock().unwrap_or_else(PoisonError::into_inner);
            if stop() {
                return Err(LoadError::NotCompiled { problem: "it was not waited for".to_owned() });
            }
            // Somebody may have compiled it while this waited.
            if let Some(component) = self.loaded(&Digest::of(bytes)) {
                return Ok(component);
            }
            match &self.shared.compiler {
                None => load::compile(&self.shared.wasmtime, bytes)?,
                Some(compiler) => compiler::compile(&self.shared.wasmtime, compiler, bytes, stop)?,
            }
        };
        let pre = load::link(&self.shared.linker, &compiled)?;
        let component = Component::new(self.clone(), bytes, &compiled, pre);
        let mut in_use = self.in_use();
        in_use.retain(|_, known| known.upgrade().is_some());
        in_use.insert(component.digest().clone(), component.downgrade());
        Ok(component)
    }
}
