//! Asks every server, again and again, whether it would take a write.
//!
//! The question is `DEL` of a key that is not there: a server that would take no
//! write refuses it before it looks, and one that would is not changed by it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use operlet_lab::Lab;

use super::{
    place::Place,
    seats::{Seat, Seats},
    wire::{Connection, Login, Reply},
};

/// How often.
const EVERY: Duration = Duration::from_millis(50);

/// One that takes longer is silent: it is frozen, or makes writes wait.
const ANSWER_MAX: Duration = Duration::from_millis(150);

/// A key that nobody writes.
const NOBODYS: &str = "nobody-writes-this";

const PORT: u16 = 6379;

/// What a server would do with a write.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Takes,
    /// With the first word of its error.
    Refuses(String),
    Silent,
}

/// One question: when it was asked and answered, since the beginning.
#[derive(Clone, Debug)]
struct Sample {
    sent: Duration,
    received: Duration,
    verdict: Verdict,
}

/// A time in which a server takes writes. It certainly did at every sample; `from`
/// is when the answer to the first was there, `to` when the last one was asked.
struct Reign<'a> {
    seat: &'a Seat,
    from: Duration,
    to: Duration,
}

/// All that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    servers: Vec<(Seat, Vec<Sample>)>,
}

/// Asks as long as it lives.
pub(crate) struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    began: Instant,
    servers: Mutex<Vec<(Seat, Vec<Sample>)>>,
}

impl Sampler {
    /// Asks each server from its own node, so that neither a pulled cable nor a
    /// deleted pod hides it.
    pub(crate) fn start(lab: &Lab, seats: Seats, login: &Login) -> Self {
        let servers = Mutex::default();
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), began: Instant::now(), servers });
        let (of_thread, lab, login) = (Arc::clone(&shared), lab.clone(), login.clone());
        let thread = std::thread::spawn(move || of_thread.work(&lab, &seats, &login));
        Self { shared, thread: Some(thread) }
    }

    /// Stops asking.
    pub(crate) fn stop(mut self) -> Sampled {
        self.end();
        let servers = self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Sampled { servers }
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Has a thread for every seat that ever was.
    fn work(self: &Arc<Self>, lab: &Lab, seats: &Seats, login: &Login) {
        let mut threads = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            for (index, seat) in seats.ever().into_iter().enumerate().skip(threads.len()) {
                let (of_thread, place) = (Arc::clone(self), Place::on_node(lab, seat.node));
                let (login, address) = (login.clone(), SocketAddr::from((seat.address, PORT)));
                self.servers.lock().unwrap_or_else(PoisonError::into_inner).push((seat, Vec::new()));
                threads.push(std::thread::spawn(move || of_thread.ask(index, &place, address, &login)));
            }
            sleep(EVERY);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn ask(&self, index: usize, place: &Place, address: SocketAddr, login: &Login) {
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            let sent = self.began.elapsed();
            let verdict = verdict(&mut connection, place, address, login);
            if verdict == Verdict::Silent {
                connection = None;
            }
            let sample = Sample { sent, received: self.began.elapsed(), verdict };
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, samples)) = servers.get_mut(index) {
                samples.push(sample);
            }
            drop(servers);
            sleep(EVERY);
        }
    }
}

fn verdict(
    connection: &mut Option<Connection>,
    place: &Place,
    address: SocketAddr,
    login: &Login,
) -> Verdict {
    let mut ask = || {
        let open = match connection {
            Some(open) => open,
            None => {
                place.enter()?;
                let open = connection.insert(Connection::open(address, login)?);
                open.be_patient(ANSWER_MAX)?;
                open
            }
        };
        open.ask(&["DEL", NOBODYS])
    };
    match ask() {
        Ok(Reply::Error(error)) => Verdict::Refuses(error.split(' ').next().unwrap_or_default().to_owned()),
        Ok(_) => Verdict::Takes,
        Err(_) => Verdict::Silent,
    }
}

impl Sampled {
    /// Moments at which two servers took writes, in words. Only what is certain
    /// counts: answers have travelled, and each of them is some milliseconds old.
    pub(crate) fn two_at_once(&self) -> Vec<String> {
        let reigns: Vec<Reign<'_>> =
            self.servers.iter().flat_map(|(seat, samples)| reigns(seat, samples)).collect();
        let mut found = Vec::new();
        for (index, one) in reigns.iter().enumerate() {
            for other in reigns.iter().skip(index + 1) {
                // A pod that takes the place of another may have its address: whoever is
                // asked there is one server.
                if one.seat.address != other.seat.address && one.overlaps(other) {
                    found.push(format!("{one} and {other}"));
                }
            }
        }
        found
    }

    /// How many answers there were.
    pub(crate) fn count(&self) -> usize {
        self.servers.iter().map(|(_, samples)| samples.len()).sum()
    }
}

/// The times in which a server took writes without a sample that says otherwise.
fn reigns<'a>(seat: &'a Seat, samples: &[Sample]) -> Vec<Reign<'a>> {
    let runs = samples.chunk_by(|one, next| one.verdict == next.verdict);
    let reigns = runs.filter_map(|run| match (run.first(), run.last()) {
        (Some(first), Some(last)) if first.verdict == Verdict::Takes => {
            Some(Reign { seat, from: first.received, to: last.sent })
        }
        _ => None,
    });
    reigns.collect()
}

impl Reign<'_> {
    /// A single sample is one moment between `to` and `from`; whether two such
    /// moments are the same cannot be known.
    fn overlaps(&self, other: &Self) -> bool {
        let single = |reign: &Self| reign.to < reign.from;
        match (single(self), single(other)) {
            (false, false) => self.from.max(other.from) <= self.to.min(other.to),
            (true, false) => other.from <= self.to && self.from <= other.to,
            (false, true) => other.overlaps(self),
            (true, true) => false,
        }
    }
}

impl fmt::Display for Reign<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pod, address) = (&self.seat.pod, self.seat.address);
        write!(formatter, "{pod} ({address}) from {} to {} ms", self.from.as_millis(), self.to.as_millis())
    }
}

impl fmt::Display for Sampled {
    /// What each server said, each answer once until another one came.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seat, samples) in &self.servers {
            writeln!(formatter, "{} ({}, node{}):", seat.pod, seat.address, seat.node)?;
            for run in samples.chunk_by(|one, next| one.verdict == next.verdict) {
                if let (Some(first), Some(last)) = (run.first(), run.last()) {
                    let (from, to) = (first.sent.as_millis(), last.received.as_millis());
                    writeln!(formatter, "{from:>8} to {to:>8} ms: {:?}", first.verdict)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(servers: &[&[(u64, u64, bool)]]) -> Sampled {
        let seat = |index: usize| Seat {
            pod: format!("a-{index}"),
            uid: format!("uid-{index}"),
            node: 1,
            address: std::net::Ipv4Addr::from_bits(u32::try_from(index).unwrap()).into(),
        };
        let sample = |(sent, received, takes): &(u64, u64, bool)| Sample {
            sent: Duration::from_millis(*sent),
            received: Duration::from_millis(*received),
            verdict: if *takes { Verdict::Takes } else { Verdict::Silent },
        };
        let server = |(index, samples): (usize, &&[_])| (seat(index), samples.iter().map(sample).collect());
        Sampled { servers: servers.iter().enumerate().map(server).collect() }
    }

    #[test]
    fn a_server_that_is_known_twice_is_one() {
        let reign: &[_] = &[(0, 1, true), (50, 51, true)];
        let mut sampled = sampled(&[reign, reign]);
        assert_eq!(sampled.two_at_once().len(), 1);
        sampled.servers[1].0.address = sampled.servers[0].0.address;
        assert_eq!(sampled.two_at_once().len(), 0);
    }

    fn check(servers: &[&[(u64, u64, bool)]], expected: usize) {
        let found = sampled(servers).two_at_once();
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn one_after_the_other_is_fine() {
        check(&[&[(0, 1, true), (50, 51, true)], &[(52, 53, true), (100, 101, true)]], 0);
    }

    #[test]
    fn two_at_once_are_seen() {
        check(&[&[(0, 1, true), (50, 51, true)], &[(40, 41, true), (90, 91, true)]], 1);
        check(&[&[(0, 1, true), (50, 51, true)], &[(20, 21, true), (70, 71, false)]], 1);
    }

    #[test]
    fn what_may_have_been_before_or_after_does_not_count() {
        check(&[&[(0, 10, true)], &[(0, 10, true)]], 0);
        check(&[&[(0, 10, true), (50, 51, true)], &[(5, 15, true)]], 0);
        check(&[&[(0, 1, true), (50, 51, false), (100, 101, true)], &[(60, 61, true)]], 0);
    }
}
