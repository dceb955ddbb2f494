//! The time of day and random numbers, so that a seed decides both.
//!
//! The two functions of libc that give them are replaced in this program. Where no
//! simulation runs they do what they always do.

#![allow(unsafe_code, reason = "functions of libc are replaced, which has no other form")]

use std::{cell::Cell, time::Duration};

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

/// From now on both are what they always are. What still happens while a thread ends
/// finds no runtime to ask.
pub(crate) fn end() {
    RANDOM.set(None);
    BEGUN.set(None);
}

/// The state after this one, and the random number that comes with it: splitmix64.
pub(crate) fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    (state, mixed(state))
}

fn mixed(state: u64) -> u64 {
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Replaces `getrandom` of libc.
///
/// # Safety
/// As for that of libc: the buffer has as many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    let Some(mut state) = RANDOM.get() else {
        // SAFETY: the system call is given what the caller gave, and sets errno as libc does.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) } as ssize_t;
    };
    for offset in 0..length {
        if offset % 8 == 0 {
            state = next(state).0;
        }
        let byte = (mixed(state) >> (8 * (offset % 8))) as u8;
        // SAFETY: whoever calls it says that the buffer is so long.
        unsafe { buffer.cast::<u8>().add(offset).write(byte) };
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
    // Libraries take random numbers from the monotonic clock, too.
    let clocks = [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC];
    let (seconds, nanoseconds) = match BEGUN.get().filter(|_| clocks.contains(&clock)) {
        Some(begun) => {
            // A paused clock is not asked what time it is: this does not come back here.
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
