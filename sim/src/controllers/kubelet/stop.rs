//! How a container is brought to its end.

use std::time::Duration;

use serde_json::Value;

use super::{
    Tools,
    probe::{AGAIN, words},
};
use crate::world::{Exec, Process};

/// However little time is left, a process has so long to end by itself.
const LEAST: Duration = Duration::from_secs(2);

/// A container that is asked to end: first its hook runs, then its process is asked,
/// and then killed.
#[derive(Debug)]
pub(super) struct Stop {
    hook: Option<Hook>,
    until: Duration,
    kill: Option<Duration>,
}

#[derive(Debug)]
enum Hook {
    Command { command: Vec<String>, again: Duration },
    Sleep { until: Duration },
}

impl Stop {
    pub(super) fn new(container: &Value, grace: Duration, now: Duration) -> Self {
        let hook = container.pointer("/lifecycle/preStop").filter(|_| !grace.is_zero());
        let hook = hook.and_then(|hook| match (hook.get("exec"), hook.pointer("/sleep/seconds")) {
            (Some(exec), _) => Some(Hook::Command { command: words(exec), again: now }),
            (None, Some(seconds)) => {
                let seconds = Duration::from_secs(seconds.as_u64().unwrap_or_default());
                Some(Hook::Sleep { until: now + seconds })
            }
            (None, None) => None,
        });
        Self { hook, until: now + grace, kill: None }
    }

    /// From now on there is no more time than this.
    pub(super) fn shorten(&mut self, grace: Duration, now: Duration) {
        self.until = self.until.min(now + grace);
        self.kill = self.kill.map(|kill| kill.min(self.until.max(now + LEAST)));
    }

    pub(super) fn due(&self) -> Duration {
        match (&self.hook, self.kill) {
            (Some(Hook::Command { again: until, .. } | Hook::Sleep { until }), _) => self.until.min(*until),
            (None, Some(kill)) => kill,
            (None, None) => Duration::ZERO,
        }
    }

    /// Does what is due. What the hook leaves behind becomes the message.
    pub(super) fn step(&mut self, process: Process, message: &mut Option<String>, tools: &Tools) {
        let now = tools.now;
        let done = match &mut self.hook {
            _ if now >= self.until => true,
            None => true,
            Some(Hook::Sleep { until }) => now >= *until,
            Some(Hook::Command { again, .. }) if now < *again => false,
            Some(Hook::Command { command, again }) => match tools.network.exec(process, command) {
                Some(Exec::Running) => {
                    *again = now + AGAIN;
                    false
                }
                Some(Exec::Ended { message: Some(left), .. }) => {
                    *message = Some(left);
                    true
                }
                Some(Exec::Ended { message: None, .. }) | None => true,
            },
        };
        if !done {
            return;
        }
        self.hook = None;
        match self.kill {
            None => {
                self.kill = Some(self.until.max(now + LEAST));
                tools.network.terminate(process);
            }
            Some(kill) if now >= kill => {
                self.kill = Some(now + LEAST);
                tools.network.kill(process);
            }
            Some(_) => {}
        }
    }
}
