//! The time of day and random numbers, so that a seed decides both.
//!
//! The two functions of libc that give them are replaced in this program. Where no
//! simulation runs they do what they always do.

#![allow(unsafe_code, reason = "functions of libc are replaced, which has no other form")]

use std::{cell::Cell, slice, time::Duration};

use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};
use tokio::time::Instant;

/// When a simulation begins, in seconds since 1970: the first of January 2030.
const BEGIN: u64 = 1_893_456_000;

thread_local! {
    static RANDOM: Cell<Option<u64>> = const { Cell::new(None) };
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// From now on random numbers of this thread follow from this.
pub(crate) fn reset(seed: u64) {
    RANDOM.set(Some(seed));
}

/// From now on it is the time that the paused clock of this thread's runtime says.
pub(crate) fn begin() {
    BEGUN.set(Some(Instant::now()));
}

/// The next random number: splitmix64.
fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, mixed ^ (mixed >> 31))
}

/// Replaces `getrandom` of libc.
///
/// # Safety
/// As for that of libc: the buffer has as many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: whoever calls it says that the buffer is so long.
    let bytes = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let Some(mut state) = RANDOM.get() else {
        let flags = rustix::rand::GetRandomFlags::from_bits_truncate(flags);
        return rustix::rand::getrandom(bytes, flags).map_or(-1, |count| count.cast_signed());
    };
    for part in bytes.chunks_mut(8) {
        let (after, random) = next(state);
        state = after;
        for (byte, value) in part.iter_mut().zip(random.to_le_bytes()) {
            *byte = value;
        }
    }
    RANDOM.set(Some(state));
    length.cast_signed()
}

/// Replaces `clock_gettime` of libc.
///
/// # Safety
/// As for that of libc: the pointer is to a time that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let simulated = if clock == libc::CLOCK_REALTIME { BEGUN.get() } else { None };
    let (seconds, nanoseconds) = match simulated {
        Some(begun) => {
            let passed: Duration = Instant::now().saturating_duration_since(begun);
            ((BEGIN + passed.as_secs()).cast_signed(), i64::from(passed.subsec_nanos()))
        }
        None => {
            // SAFETY: the system call writes what it is given, as the caller said.
            return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as c_int;
        }
    };
    // SAFETY: whoever calls it says that this can be written.
    unsafe { time.write(timespec { tv_sec: seconds, tv_nsec: nanoseconds }) };
    0
}
