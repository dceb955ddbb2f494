//! The network between processes, and the processes themselves.
//!
//! All that happens there happens in one order: by time, and in the order in which it
//! came up. How long bytes travel is decided by the seed. Whatever was sent on a
//! connection arrives, in order, if late, as long as both machines are there.

mod link;
mod process;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Application, Exec};
pub(crate) use process::Ended;
use state::State;
pub use stream::NetworkStream;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(u64);

/// A network. Clones are the same one.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    /// There is something to do earlier than was known.
    earlier: Arc<Notify>,
    /// A process has ended.
    ended: Arc<Notify>,
    began: Instant,
}

impl Network {
    /// The node on which everything is that is on none.
    pub const OUTSIDE: &str = "";

    /// A network on which nobody is. Time begins now.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (earlier, ended) = (Arc::default(), Arc::default());
        let state = State::new(seed, Arc::clone(&earlier), Arc::clone(&ended));
        Self { state: Arc::new(Mutex::new(state)), earlier, ended, began: Instant::now() }
    }

    /// Lets happen what is due, for ever. Without it nothing arrives.
    pub async fn run(self) {
        loop {
            let next = self.with(State::wait);
            let earlier = self.earlier.notified();
            match next {
                Some(next) => tokio::select! {
                    biased;
                    () = earlier => {}
                    () = sleep_until(self.began + next) => {}
                },
                None => earlier.await,
            }
        }
    }

    /// How long it is since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }

    /// When this was, or will be.
    pub(crate) fn instant(&self, time: Duration) -> Instant {
        self.began + time
    }

    /// From now on this address is on this node. Where no process is, connections are
    /// refused.
    pub fn assign(&self, address: IpAddr, node: &str) {
        self.with(|state| state.assign(address, node));
    }

    /// From now on this address is nowhere: nobody answers there.
    pub fn release(&self, address: IpAddr) {
        self.with(|state| state.release(address));
    }

    /// Starts a process at an address on a node. It listens as it says, unless
    /// another one there came first.
    #[must_use]
    pub fn start(&self, node: &str, address: IpAddr, application: Box<dyn Application>) -> Process {
        self.with(|state| state.start(node, address, application))
    }

    /// Asks a process to end.
    pub fn terminate(&self, process: Process) {
        self.with(|state| state.terminate(process));
    }

    /// Ends a process, as SIGKILL does: with exit code 137.
    pub fn kill(&self, process: Process) {
        self.with(|state| state.kill(process));
    }

    /// Stops a process, as SIGSTOP does: what it is told waits for it.
    pub fn freeze(&self, process: Process) {
        self.with(|state| state.freeze(process));
    }

    /// Lets a process go on. First it hears what has come meanwhile.
    pub fn thaw(&self, process: Process) {
        self.with(|state| state.thaw(process));
    }

    /// Runs a command beside a process, if there is such a one. Beside one that is
    /// frozen it does not end.
    #[must_use]
    pub fn exec(&self, process: Process, command: &[String]) -> Option<Exec> {
        self.with(|state| state.exec(process, command))
    }

    /// Whether a process is frozen.
    pub(crate) fn is_frozen(&self, process: Process) -> bool {
        self.with(|state| state.is_frozen(process))
    }

    /// Lets nothing through between two nodes. Connections do not notice: what is lost
    /// is sent again, less and less often.
    pub fn partition(&self, one: &str, other: &str) {
        self.with(|state| state.cuts.insert(pair(one, other)));
    }

    /// Lets everything through again.
    pub fn heal(&self, one: &str, other: &str) {
        self.with(|state| state.cuts.remove(&pair(one, other)));
    }

    /// Heals all partitions.
    pub fn heal_all(&self) {
        self.with(|state| state.cuts.clear());
    }

    /// Takes a node's power: its processes are no more, and nobody hears of it.
    pub fn cut_power(&self, node: &str) {
        self.with(|state| state.cut_power(node));
    }

    /// Gives a node its power back. Its processes do not come back by that.
    pub fn restore_power(&self, node: &str) {
        self.with(|state| state.dark.remove(node));
    }

    /// Opens a connection from an address on a node.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] if nobody listens there. As long as nobody
    /// answers at all it waits; after two minutes it is [`io::ErrorKind::TimedOut`].
    pub async fn stream(&self, node: &str, address: IpAddr, to: SocketAddr) -> io::Result<NetworkStream> {
        NetworkStream::open(self.clone(), node, address, to).await
    }

    /// The processes that have ended since it was last asked, but for those whose node
    /// lost its power.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        self.with(|state| std::mem::take(&mut state.ended))
    }

    /// Tells one who waits for it that a process has ended.
    pub(crate) fn endings(&self) -> Arc<Notify> {
        Arc::clone(&self.ended)
    }

    /// Does something after all that is due by now.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state: MutexGuard<'_, State> = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up(self.now());
        act(&mut state)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Network").finish_non_exhaustive()
    }
}

/// Two nodes, in whatever order they are named.
fn pair(one: &str, other: &str) -> (String, String) {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    (first.to_owned(), second.to_owned())
}
