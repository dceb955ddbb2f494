//! A client that writes a new key every 20 ms and keeps what it was told.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};

use super::{
    log::{Ack, Log, Lost},
    place::Place,
    route::Route,
    wire::{Connection, Login, Reply},
};

/// How often it writes: the finest that gaps are measured by.
pub(crate) const EVERY: Duration = Duration::from_millis(20);

/// How long WAIT waits. One that takes longer counts as unconfirmed.
const WAIT_MS: &str = "250";

/// Keys that are read at once.
const CHUNK: usize = 500;

/// How long the reading of many keys may take.
const READ_MAX: Duration = Duration::from_secs(10);

/// What to write, where and how.
#[derive(Clone)]
pub(crate) struct Client {
    /// What its keys begin with.
    pub(crate) prefix: String,
    /// Where it runs: on a node that the fault spares.
    pub(crate) place: Place,
    pub(crate) route: Route,
    pub(crate) login: Login,
    /// How many replicas should confirm each write; it asks for none without this.
    pub(crate) quorum: Option<u64>,
}

/// A client at work. Dropping it stops it.
pub(crate) struct Writer {
    client: Client,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    log: Mutex<Log>,
}

impl Writer {
    pub(crate) fn start(client: Client) -> Self {
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), log: Mutex::new(Log::new()) });
        let (of_thread, to_do) = (Arc::clone(&shared), client.clone());
        let thread = std::thread::spawn(move || of_thread.work(&to_do));
        Self { client, shared, thread: Some(thread) }
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.log().acks.len()
    }

    /// What it was told so far.
    pub(crate) fn log(&self) -> Log {
        let mut log = self.shared.log().clone();
        log.ended = log.began.elapsed();
        log
    }

    /// Stops it; what it was told in all.
    pub(crate) fn stop(mut self) -> Log {
        self.end();
        let mut log = self.shared.log().clone();
        log.ended = log.began.elapsed();
        log
    }

    /// What was acknowledged and is not there, read by this connection.
    pub(crate) fn lost(client: &Client, log: &Log, connection: &mut Connection) -> Result<Lost> {
        let numbers: Vec<u64> = log.acks.iter().map(|ack| ack.number).collect();
        let present = client.present(&numbers, connection)?;
        Ok(log.lost(&present, client.quorum.unwrap_or(u64::MAX)))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, client: &Client) {
        let began = self.log().began;
        let mut connection = None;
        let mut next = Instant::now();
        for number in 0.. {
            sleep(next.saturating_duration_since(Instant::now()));
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // What was missed is not made up for: a gap is a gap.
            next = (next + EVERY).max(Instant::now());
            match client.write(&mut connection, number) {
                Ok(replicas) => {
                    let ack = Ack { number, at: began.elapsed(), replicas };
                    self.log().acks.push(ack);
                }
                Err(error) => {
                    connection = None;
                    self.log().trouble(error.to_string());
                }
            }
        }
    }
}

impl Client {
    fn key(&self, number: u64) -> String {
        format!("w:{}:{number}", self.prefix)
    }

    /// Writes once; how many replicas confirmed it. After an error, also one in
    /// the answer, the next write uses a new connection.
    fn write(&self, connection: &mut Option<Connection>, number: u64) -> io::Result<u64> {
        let open = match connection {
            Some(open) => open,
            None => {
                self.place.enter()?;
                connection.insert(Connection::open(self.route.find()?, &self.login)?)
            }
        };
        match open.ask(&["SET", &self.key(number), &number.to_string()])? {
            Reply::Simple(_) => {}
            other => return Err(io::Error::other(other.to_string())),
        }
        let Some(quorum) = self.quorum else { return Ok(0) };
        // Acknowledged it is, whatever becomes of this.
        let Ok(Reply::Integer(replicas)) = open.ask(&["WAIT", &quorum.to_string(), WAIT_MS]) else {
            *connection = None;
            return Ok(0);
        };
        Ok(replicas)
    }

    /// Which of the writes are there.
    pub(crate) fn present(&self, numbers: &[u64], connection: &mut Connection) -> Result<BTreeSet<u64>> {
        connection.be_patient(READ_MAX)?;
        let mut present = BTreeSet::new();
        for chunk in numbers.chunks(CHUNK) {
            let keys = chunk.iter().map(|number| self.key(*number));
            let words: Vec<String> = ["MGET".to_owned()].into_iter().chain(keys).collect();
            let Reply::Array(values) = connection.ask(&words)? else {
                return Err(anyhow!("the server does not tell what it has"));
            };
            ensure!(values.len() == chunk.len(), "{} values of {} keys", values.len(), chunk.len());
            for (number, value) in chunk.iter().zip(values) {
                match value {
                    Reply::Bulk(value) if value == number.to_string().into_bytes() => {
                        present.insert(*number);
                    }
                    Reply::Nothing => {}
                    other => return Err(anyhow!("{} is {other}", self.key(*number))),
                }
            }
        }
        Ok(present)
    }
}
