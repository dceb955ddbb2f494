//! Probes: what a container is asked again and again.

use std::time::Duration;

use serde_json::Value;

use super::Tools;
use crate::world::{Exec, Process};

/// How often a command that has not ended is asked whether it has.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// A probe of a container that runs.
#[derive(Debug)]
pub(super) struct Probe {
    command: How,
    period: Duration,
    timeout: Duration,
    needed_good: u64,
    needed_bad: u64,
    /// How long a container has to end that this probe ends, if it says so itself.
    pub(super) grace: Option<Duration>,
    next: Duration,
    asking: Option<Asking>,
    good: u64,
    bad: u64,
}

#[derive(Debug)]
enum How {
    Command(Vec<String>),
    /// A connection is opened, which the kernel does for one that is frozen, too.
    Knock,
    Request,
}

/// A command that has not ended yet.
#[derive(Clone, Copy, Debug)]
struct Asking {
    until: Duration,
    again: Duration,
}

impl Probe {
    /// The probe of this name, of a container that starts now.
    pub(super) fn read(container: &Value, name: &str, tools: &mut Tools) -> Option<Self> {
        let probe = container.get(name)?;
        let number = |name: &str| probe.get(name).and_then(Value::as_u64);
        let seconds = |name: &str, default| Duration::from_secs(number(name).unwrap_or(default));
        let command = match probe.get("exec") {
            Some(exec) => How::Command(words(exec)),
            None if probe.get("tcpSocket").is_some() => How::Knock,
            None => How::Request,
        };
        let period = seconds("periodSeconds", 10).max(Duration::from_secs(1));
        Some(Self {
            command,
            period,
            timeout: seconds("timeoutSeconds", 1).max(Duration::from_secs(1)),
            needed_good: number("successThreshold").unwrap_or(1),
            needed_bad: number("failureThreshold").unwrap_or(3),
            grace: number("terminationGracePeriodSeconds").map(Duration::from_secs),
            // A kubelet asks at times of its own, whenever the container started.
            next: tools.now
                + seconds("initialDelaySeconds", 0)
                + tools.chance.between(Duration::ZERO, period),
            asking: None,
            good: 0,
            bad: 0,
        })
    }

    /// Asks now for the first time, and not when it would have.
    pub(super) fn hurry(&mut self, now: Duration) {
        self.next = now.min(self.next);
    }

    pub(super) fn due(&self) -> Duration {
        self.asking.map_or(self.next, |asking| asking.again)
    }

    /// Asks if it is time, and says what the answers come to when they come to something.
    /// What the command leaves behind becomes the message.
    pub(super) fn step(
        &mut self,
        process: Option<Process>,
        message: &mut Option<String>,
        tools: &Tools,
    ) -> Option<bool> {
        let now = tools.now;
        if self.due() > now {
            return None;
        }
        let asking = self.asking.take().unwrap_or(Asking { until: now + self.timeout, again: now });
        let answer = match self.ask(process, tools) {
            Some(Exec::Ended { code, message: left }) => {
                *message = left.or_else(|| message.take());
                Some(code == 0)
            }
            Some(Exec::Running) if now >= asking.until => Some(false),
            Some(Exec::Running) => {
                self.asking = Some(Asking { again: (now + AGAIN).min(asking.until), ..asking });
                return None;
            }
            // Nobody runs anything in a container that has ended.
            None => None,
        };
        // Of the times that came and went while the command ran, one is made up for.
        self.next += self.period;
        while self.next + self.period <= now {
            self.next += self.period;
        }
        self.count(answer?)
    }

    fn count(&mut self, good: bool) -> Option<bool> {
        (self.good, self.bad) = if good { (self.good + 1, 0) } else { (0, self.bad + 1) };
        if self.good >= self.needed_good && good {
            return Some(true);
        }
        (self.bad >= self.needed_bad && !good).then_some(false)
    }

    fn ask(&self, process: Option<Process>, tools: &Tools) -> Option<Exec> {
        let well = Exec::Ended { code: 0, message: None };
        let Some(process) = process else { return Some(well) };
        match &self.command {
            How::Command(command) => tools.network.exec(process, command),
            How::Request if tools.network.is_frozen(process) => Some(Exec::Running),
            How::Knock | How::Request => Some(well),
        }
    }
}

/// The command of an `exec`.
pub(super) fn words(exec: &Value) -> Vec<String> {
    let words = exec.get("command").and_then(Value::as_array).into_iter().flatten();
    words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}
