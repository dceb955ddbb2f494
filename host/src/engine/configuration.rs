//! How wasmtime is set up, and why.

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, StoreContextMut, WasmFeatures,
    component::{Linker, WasmStr},
};

use super::{bindings::v0_1_0, compiler::Compiler, store::StoreData};

/// How much room an engine sets aside. It is address space, not memory, until it
/// is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Calls side by side; a further one waits.
    pub calls_max: u16,
    /// The most linear memory that any component may be allowed.
    pub memory_bytes_max: usize,
    /// What compiles. None compiles in this process.
    pub compiler: Option<Compiler>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        // Several operlets of 16 resources side by side; four times the memory
        // that a component gets unasked.
        Self { calls_max: 64, memory_bytes_max: 256 * 1024 * 1024, compiler: None }
    }
}

/// The engine could not be set up on this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused.
    #[error(
        "the WebAssembly engine cannot be set up: {0}; it reserves address space for each call, \
         so see whether the process may map enough (ulimit -v)"
    )]
    Setup(String),
    /// There is no thread to interrupt components with.
    #[error("the thread that interrupts components cannot be started")]
    Ticker(#[source] std::io::Error),
}

/// Stack of the compiled code. A guest in Rust keeps most of its stack in its own
/// memory; this suffices for some thousand nested calls.
const STACK_BYTES: usize = 512 * 1024;

/// Entries of a table, which holds the functions that are called by pointer: far
/// above what large components have.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// A component of one module has three core instances (the module, and two that
/// lead to the import) and two tables; ones made of an interpreter and its
/// libraries have dozens.
const CORE_INSTANCES_MAX: u32 = 64;
const TABLES_MAX: u32 = 16;

/// Kept from call to call, so that small components need not fault their pages in
/// again each time; cleared between calls all the same.
const KEEP_RESIDENT_BYTES: usize = 512 * 1024;

/// What the contract's guests need, and nothing that differs between machines.
/// More can be added later; nothing can be taken away.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::COMPONENT_MODEL);

pub(super) fn engine(options: EngineOptions) -> Result<wasmtime::Engine, EngineError> {
    wasmtime::Engine::new(&config(options)).map_err(|error| EngineError::Setup(format!("{error:#}")))
}

fn config(options: EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(FEATURES, true)
        // Epochs cost less than fuel, and what is counted is time, not work.
        .epoch_interruption(true)
        .consume_fuel(false)
        .concurrency_support(false)
        // The bits of a NaN would differ between processors.
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(STACK_BYTES)
        // Names of functions, for the backtrace of a trap.
        .generate_address_map(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    config
}

fn pool(options: EngineOptions) -> PoolingAllocationConfig {
    let EngineOptions { calls_max, memory_bytes_max, compiler: _ } = options;
    let calls = u32::from(calls_max);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_stacks(calls)
        // One memory a component, so that its limit holds for all it has.
        .max_memories_per_component(1)
        .total_memories(calls)
        .max_memory_size(memory_bytes_max)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES_MAX))
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .total_tables(calls.saturating_mul(TABLES_MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// What components may import: one function that returns nothing.
pub(super) fn linker(engine: &wasmtime::Engine) -> Result<Linker<StoreData>, EngineError> {
    let mut linker = Linker::new(engine);
    let name = format!("operlet:operator/diagnostics@{}", v0_1_0::VERSION);
    linker
        .instance(&name)
        .and_then(|mut diagnostics| diagnostics.func_wrap("log", log))
        .map_err(|error| EngineError::Setup(format!("{error:#}")))?;
    Ok(linker)
}

/// The line is read in place, so that a very long one is cut before it is copied.
fn log(
    mut store: StoreContextMut<'_, StoreData>,
    (level, message): (v0_1_0::operlet::operator::diagnostics::Level, WasmStr),
) -> wasmtime::Result<()> {
    let line = super::store::cut_line(&message.to_str(&store)?);
    store.data_mut().log(level, line);
    Ok(())
}
