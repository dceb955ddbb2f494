//! Bounds a call by the CPU time it uses and by the time that passes.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Limits;

/// Why a call ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// It used more CPU time than it may.
    CpuTime,
    /// It did not end, though it used only this much CPU time: the machine had
    /// none to give.
    WallTime {
        /// The CPU time used.
        used: Duration,
    },
}

/// Runs a call within the limits of its CPU time (`call`) and of the reconcile
/// that it is part of.
///
/// The CPU time is that of the threads that poll it, summed over the polls: a
/// call moves between threads, and a starved machine must not look like a bad
/// component. It is looked at whenever the call yields, so it is exact to a tick
/// of the engine.
pub(super) async fn bounded<F: Future>(limits: &Limits, call: F) -> Result<F::Output, Exceeded> {
    let mut call = pin!(call);
    let mut used = Duration::ZERO;
    let metered = poll_fn(|context| {
        let before = thread_cpu_time();
        let poll = call.as_mut().poll(context);
        used += thread_cpu_time().saturating_sub(before);
        match poll {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if used > limits.call => Poll::Ready(Err(Exceeded::CpuTime)),
            Poll::Pending => Poll::Pending,
        }
    });
    match tokio::time::timeout(limits.reconcile, metered).await {
        Ok(result) => result,
        Err(_) => Err(Exceeded::WallTime { used }),
    }
}

fn thread_cpu_time() -> Duration {
    // It fails on no Linux; if it did, the wall time would still bound the call.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(reconcile: Duration) -> Limits {
        Limits { call: Duration::from_millis(20), reconcile, ..Limits::default() }
    }

    #[tokio::test]
    async fn a_call_that_computes_too_long_is_ended() {
        let spinning = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        // Long enough for a machine that has much else to do.
        let limits = limits(Duration::from_secs(60));
        assert_eq!(bounded(&limits, spinning).await, Err::<(), _>(Exceeded::CpuTime));
    }

    #[tokio::test]
    async fn a_call_that_waits_uses_no_cpu_time_but_is_ended_too() {
        let limits = limits(Duration::from_millis(50));
        let result = bounded(&limits, std::future::pending::<()>()).await;
        let Err(Exceeded::WallTime { used }) = result else { panic!("{result:?}") };
        assert!(used < limits.call, "{used:?}");
    }
}
