//! From the engine's error to one that a person understands.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::{call::CallError, store::StoreData};
use crate::model::Limits;

/// Functions shown of a backtrace; the outermost ones are the same each time.
const FRAMES_MAX: usize = 8;

/// Functions that every panic goes through.
const PANIC_MACHINERY: &[&str] = &[
    "core::panicking",
    "core::option",
    "core::result",
    "std::panicking",
    "std::sys",
    "rust_panic",
    "__rust",
];

/// How the engine says that an answer exceeds what `set_hostcall_fuel` allows; it
/// has no type for it.
const TOO_MUCH_DATA: &str = "too much data is being copied between the host and the guest";

pub(super) fn classify(error: &wasmtime::Error, data: &StoreData, limits: &Limits) -> CallError {
    if let Some((limit, wanted)) = data.memory.exceeded() {
        return CallError::Memory { limit, wanted };
    }
    if let Some(error) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        return CallError::Host { message: error.to_string() };
    }
    let cause = error.root_cause().to_string();
    if cause.starts_with(TOO_MUCH_DATA) {
        return CallError::OutputTooLarge { limit: limits.output_bytes };
    }
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let message = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => match data.last_error() {
            Some(panic) => panic.to_owned(),
            None => format!("{cause}; it wrote no message before"),
        },
        Some(Trap::StackOverflow) => {
            "its stack overflowed: some function calls itself without end".to_owned()
        }
        Some(Trap::MemoryOutOfBounds) => {
            format!("{cause}; mostly this is a stack overflow: some function calls itself without end")
        }
        _ => cause,
    };
    CallError::Trap { message, backtrace }
}

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name());
    let mut shown: Vec<String> = names
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .filter(|name| !PANIC_MACHINERY.iter().any(|prefix| name.contains(prefix)))
        .collect();
    // Recursion would fill the list with one name.
    shown.dedup();
    shown.truncate(FRAMES_MAX);
    shown
}
