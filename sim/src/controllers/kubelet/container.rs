//! A container: it starts, runs, ends, and starts again.

use std::{net::IpAddr, time::Duration};

use serde_json::Value;

use super::{Tools, back_off::BackOff, probe::Probe, stop::Stop, volumes::Volumes};
use crate::world::{self, Process};

/// How long a container takes to start: at least, and at most.
const START: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// How long it takes at most until a kubelet sees that a process has ended.
const NOTICE: Duration = Duration::from_secs(1);

/// How long a container takes to end in which nothing runs.
const END: Duration = Duration::from_millis(200);

/// A container of a pod.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) state: State,
    /// How it ended before.
    pub(super) last: Option<Finished>,
    pub(super) restarts: u64,
    back_off: BackOff,
}

/// What a container is about.
#[derive(Debug)]
pub(super) enum State {
    /// It has never run.
    Creating,
    Running(Run),
    /// Its node has no power any more.
    Lost(Run),
    /// It has ended, and starts again.
    Restarting {
        at: Duration,
        finished: Finished,
        waits: Option<Duration>,
    },
    /// It has ended for good.
    Finished(Finished),
}

/// A container while it runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) process: Option<Process>,
    pub(super) id: String,
    pub(super) since: Duration,
    pub(super) started: bool,
    pub(super) ready: bool,
    message: Option<String>,
    startup: Option<Probe>,
    liveness: Option<Probe>,
    readiness: Option<Probe>,
    stop: Option<Stop>,
    ended: Option<Ended>,
}

/// How and when a process has ended, and when its kubelet sees it.
#[derive(Clone, Copy, Debug)]
struct Ended {
    code: i32,
    at: Duration,
    seen: Duration,
}

/// How a container ended.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) id: String,
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
    /// Since when it had run, and until when, if that is known.
    pub(super) ran: Option<[Duration; 2]>,
}

/// What a container is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within<'a> {
    pub(super) pod: &'a Value,
    pub(super) node: &'a str,
    pub(super) address: IpAddr,
    pub(super) volumes: &'a Volumes,
    /// How long it has to end.
    pub(super) grace: Duration,
    /// Whether the pod ends.
    pub(super) ends: bool,
}

impl Container {
    pub(super) fn new(name: &str) -> Self {
        let (last, back_off) = (None, BackOff::default());
        Self { name: name.to_owned(), state: State::Creating, last, restarts: 0, back_off }
    }

    /// What the pod says of it.
    pub(super) fn spec<'a>(&self, pod: &'a Value) -> &'a Value {
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
        let mut named =
            containers.filter(|container| container.get("name").is_some_and(|is| *is == self.name));
        named.next().unwrap_or(&Value::Null)
    }

    pub(super) fn start(&mut self, within: &Within<'_>, tools: &mut Tools) {
        let spec = self.spec(within.pod);
        let container = world::Container {
            pod: within.pod,
            spec,
            address: within.address,
            mounts: within.volumes.mounts(spec),
            seed: tools.chance.next(),
            now: tools.now,
        };
        let application = tools.images.start(&container);
        let process =
            application.map(|application| tools.network.start(within.node, within.address, application));
        let mut run = Run {
            process,
            id: tools.container_id(),
            since: tools.now,
            started: spec.get("startupProbe").is_none(),
            ready: false,
            message: None,
            startup: Probe::read(spec, "startupProbe", tools),
            liveness: Probe::read(spec, "livenessProbe", tools),
            readiness: Probe::read(spec, "readinessProbe", tools),
            stop: None,
            ended: None,
        };
        run.ready = run.started && run.readiness.is_none();
        self.state = State::Running(run);
    }

    /// Begins to end it, or lets it end sooner.
    pub(super) fn stop(&mut self, within: &Within<'_>, tools: &Tools) {
        let spec = self.spec(within.pod);
        match &mut self.state {
            State::Running(run) => run.stop(spec, within.grace, tools.now),
            State::Restarting { finished, .. } => self.state = State::Finished(finished.clone()),
            State::Creating | State::Lost(_) | State::Finished(_) => {}
        }
    }

    /// Its process has ended.
    pub(super) fn end(&mut self, process: Process, code: i32, at: Duration, tools: &mut Tools) -> bool {
        let State::Running(run) = &mut self.state else { return false };
        if run.process != Some(process) {
            return false;
        }
        // Who ends it waits for it; otherwise it is seen when it is looked at the next time.
        let until_seen =
            if run.stop.is_some() { Duration::ZERO } else { tools.chance.between(Duration::ZERO, NOTICE) };
        run.ended = Some(Ended { code, at, seen: tools.now + until_seen });
        true
    }

    /// Its node has lost its power.
    pub(super) fn lose(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Creating) {
            State::Running(run) => State::Lost(run),
            other => other,
        };
    }

    /// Its node is back.
    pub(super) fn come_back(&mut self, ends: bool, tools: &mut Tools) {
        let State::Lost(run) = &self.state else { return };
        let (id, reason) = (run.id.clone(), "ContainerStatusUnknown");
        let finished = Finished { id, code: 137, reason, message: None, ran: None };
        let [least, most] = START;
        let at = tools.now + tools.chance.between(least, most);
        self.state =
            if ends { State::Finished(finished) } else { State::Restarting { at, finished, waits: None } };
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Running(run) => run.due(),
            State::Restarting { at, .. } => Some(*at),
            State::Creating | State::Lost(_) | State::Finished(_) => None,
        }
    }

    /// Does what is due.
    pub(super) fn step(&mut self, within: &Within<'_>, tools: &mut Tools) {
        let spec = self.spec(within.pod);
        match &mut self.state {
            State::Running(run) => {
                run.step(spec, within, tools);
                if let Some(finished) = run.finished(tools.now) {
                    self.finish(finished, within, tools);
                }
            }
            State::Restarting { at, finished, .. } if *at <= tools.now => {
                self.last = Some(finished.clone());
                self.restarts += 1;
                self.back_off.restart(tools.now);
                self.start(within, tools);
            }
            _ => {}
        }
    }

    fn finish(&mut self, finished: Finished, within: &Within<'_>, tools: &mut Tools) {
        let policy = within.pod.pointer("/spec/restartPolicy").and_then(Value::as_str);
        let for_good = match policy {
            _ if within.ends => true,
            Some("Never") => true,
            Some("OnFailure") => finished.code == 0,
            _ => false,
        };
        if for_good {
            self.state = State::Finished(finished);
            return;
        }
        let ended = finished.ran.map_or(tools.now, |[_, until]| until);
        let wait = self.back_off.wait(ended);
        let [least, most] = START;
        let at = tools.now.max(ended + wait) + tools.chance.between(least, most);
        let waits = (!wait.is_zero()).then_some(wait);
        self.state = State::Restarting { at, finished, waits };
    }
}

impl Run {
    fn stop(&mut self, container: &Value, grace: Duration, now: Duration) {
        self.ready &= self.process.is_some();
        match &mut self.stop {
            Some(stop) => stop.shorten(grace, now),
            None => self.stop = Some(Stop::new(container, grace, now)),
        }
        if self.process.is_none() && self.ended.is_none() {
            let at = now + END;
            self.ended = Some(Ended { code: 0, at, seen: at });
        }
    }

    fn due(&self) -> Option<Duration> {
        if let Some(ended) = self.ended {
            return Some(ended.seen);
        }
        let stop = self.stop.as_ref().map(Stop::due);
        let probes = match (&self.startup, &self.stop) {
            (Some(startup), None) => [Some(startup), None],
            (Some(_), Some(_)) => [None, None],
            (None, None) => [self.liveness.as_ref(), self.readiness.as_ref()],
            (None, Some(_)) => [None, self.readiness.as_ref()],
        };
        probes.into_iter().flatten().map(Probe::due).chain(stop).min()
    }

    fn step(&mut self, container: &Value, within: &Within<'_>, tools: &Tools) {
        if self.ended.is_some() {
            return;
        }
        if let (Some(stop), Some(process)) = (&mut self.stop, self.process)
            && stop.due() <= tools.now
        {
            stop.step(process, &mut self.message, tools);
        }
        let stops = self.stop.is_some();
        let (process, message) = (self.process, &mut self.message);
        let mut fails = None;
        if let Some(startup) = self.startup.as_mut().filter(|_| !stops) {
            match startup.step(process, message, tools) {
                Some(true) => {
                    self.startup = None;
                    self.started = true;
                    match &mut self.readiness {
                        Some(readiness) => readiness.hurry(tools.now),
                        None => self.ready = true,
                    }
                }
                Some(false) => fails = Some(startup.grace.unwrap_or(within.grace)),
                None => {}
            }
        }
        if self.startup.is_none() {
            if let Some(liveness) = self.liveness.as_mut().filter(|_| !stops)
                && liveness.step(process, message, tools) == Some(false)
            {
                fails = Some(liveness.grace.unwrap_or(within.grace));
            }
            let ready = self.readiness.as_mut().and_then(|probe| probe.step(process, message, tools));
            self.ready = ready.unwrap_or(self.ready);
            if self.process.is_none() && self.ready {
                // The answers stay the same.
                (self.liveness, self.readiness) = (None, None);
            }
        }
        if let Some(grace) = fails {
            self.stop(container, grace, tools.now);
        }
    }

    /// How it ended, if it did and its kubelet has seen it.
    fn finished(&self, now: Duration) -> Option<Finished> {
        let Ended { code, at, .. } = self.ended.filter(|ended| ended.seen <= now)?;
        Some(Finished {
            id: self.id.clone(),
            code,
            reason: if code == 0 { "Completed" } else { "Error" },
            message: self.message.clone(),
            ran: Some([self.since, at]),
        })
    }
}
