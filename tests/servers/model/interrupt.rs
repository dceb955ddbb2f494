//! What is done to the processes of servers: they are killed, asked to end, and frozen.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    episode::Episode,
    pair::{Difference, Pair},
};

/// Whoever was silent for so long has no links any more.
const SILENCE: Duration = Duration::from_millis(7500);

/// A primary says something to its replicas, and they to it, within this time.
const PING: Duration = Duration::from_millis(1200);

/// Whoever is asked to end and waits for nobody ends within this time.
const LOOK: Duration = Duration::from_millis(300);

/// Whoever is asked to end has ended within this time, though its replicas are silent.
const END: Duration = Duration::from_secs(13);

/// A server ends about as soon as the other does.
const APART: Duration = Duration::from_millis(2500);

/// A log that was begun anew is in place of the one before within this time.
const REWRITE: Duration = Duration::from_millis(400);

const PAUSE: Duration = Duration::from_millis(10);

impl Episode<'_> {
    pub(super) fn kill(&mut self, server: usize) -> Result<(), Difference> {
        self.settled()?;
        sleep(REWRITE);
        if self.has_snapshots {
            self.settle.save(&mut self.pair, server)?;
        }
        self.counts.kills += 1;
        self.pair.tell(format!("server {server} is killed"));
        self.pair.running[server] = false;
        for world in &mut self.pair.worlds {
            world.kill(server);
        }
        self.run_again(server)
    }

    /// One that was stopped loses its data or not, and runs again sooner or later.
    fn run_again(&mut self, server: usize) -> Result<(), Difference> {
        let keeps = self.chance.percent(65);
        if keeps {
            self.counts.restarts_with_data += 1;
        } else {
            self.pair.tell(format!("server {server} loses its data"));
            self.pair.worlds.iter_mut().for_each(|world| world.wipe(server));
            self.counts.restarts_without += 1;
        }
        if self.chance.percent(50) {
            self.settled()?;
            sleep(Duration::from_millis(self.chance.next() % 1300));
            self.settled()?;
        }
        for world in &mut self.pair.worlds {
            world.run(server);
        }
        self.pair.tell(format!("server {server} runs again"));
        self.pair.running[server] = true;
        self.paused[server] = false;
        self.follows[server] = None;
        Ok(())
    }

    /// One is asked to end, and waits for its replicas, one of which may be frozen.
    pub(super) fn end(&mut self, server: usize) -> Result<(), Difference> {
        self.settled()?;
        sleep(REWRITE);
        let silent = self.follows.iter().position(|follows| *follows == Some(server));
        let silent = silent.filter(|_| self.chance.percent(40));
        if let Some(replica) = silent {
            // It has said what it has, and then lacks a PING, if it is sent any.
            sleep(PING);
            self.set_frozen(replica, true);
            sleep(PING);
        }
        self.counts.ends += 1;
        self.pair.tell(format!("server {server} is asked to end"));
        self.pair.worlds.iter_mut().for_each(|world| world.terminate(server));
        sleep(LOOK);
        if self.pair.worlds.iter_mut().all(|world| !world.has_ended(server)) {
            self.demand(server, "SET a 1")?;
        }
        await_end(&mut self.pair, server)?;
        self.pair.running[server] = false;
        if let Some(replica) = silent {
            self.set_frozen(replica, false);
        }
        self.run_again(server)
    }

    /// One stands still for a while: others notice or not, and go on.
    pub(super) fn freeze(&mut self, server: usize) -> Result<(), Difference> {
        self.settled()?;
        let writes = self.chance.percent(50);
        if writes && self.chance.percent(50) {
            // It is there before anything else that happens meanwhile.
            self.freeze_with(server, true)?;
        } else {
            self.freeze_with(server, false)?;
        }
        if self.chance.percent(40) {
            sleep(SILENCE);
            self.settled()?;
            for _ in 0..4 {
                let other = self.chance.below(self.follows.len());
                self.operate(other)?;
                self.command()?;
                self.settled()?;
            }
        } else {
            for _ in 0..3 {
                self.command()?;
            }
            sleep(Duration::from_millis(self.chance.next() % 1300));
        }
        self.set_frozen(server, false);
        self.settled()
    }

    fn freeze_with(&mut self, server: usize, writes: bool) -> Result<(), Difference> {
        self.counts.freezes += 1;
        self.demand(server, "PING")?;
        self.set_frozen(server, true);
        if writes { self.demand(server, "INCR b") } else { Ok(()) }
    }

    fn set_frozen(&mut self, server: usize, frozen: bool) {
        self.pair.tell(format!("server {server} {}", if frozen { "is frozen" } else { "goes on" }));
        self.pair.frozen[server] = frozen;
        self.pair.worlds.iter_mut().for_each(|world| world.set_frozen(server, frozen));
    }
}

/// Waits until a server has ended in both worlds, after about the same time.
fn await_end(pair: &mut Pair, server: usize) -> Result<(), Difference> {
    let begun = Instant::now();
    let mut ends = [None; 2];
    while ends.contains(&None) {
        let elapsed = begun.elapsed();
        for (end, world) in ends.iter_mut().zip(&mut pair.worlds) {
            if end.is_none() && world.has_ended(server) {
                *end = Some(elapsed);
            }
        }
        let one = ends.iter().flatten().min();
        let is_late = ends.contains(&None) && one.is_some_and(|one| elapsed > *one + APART);
        if is_late || elapsed > END {
            return Err(Difference(format!("server {server} has ended after {ends:?}")));
        }
        sleep(PAUSE);
    }
    Ok(())
}
