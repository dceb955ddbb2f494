//! The other side: it answers every probe, and now and then disturbs one.

use std::{
    collections::HashMap,
    io::{self, BufRead as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::time::ClockId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::interval,
};

use super::{nanoseconds, raise_file_limit};

/// The pause between two disturbances.
const PAUSE: Duration = Duration::from_millis(50);

/// Prime to the number of probes, so that each is disturbed as often as others,
/// and none soon again.
const STRIDE: usize = 37;

/// What is to happen to a connection.
#[derive(Default)]
struct Control {
    close: Notify,
    change: AtomicBool,
}

/// By the number of the probe.
type Connections = Arc<Mutex<HashMap<usize, Arc<Control>>>>;

/// Serves until the input ends; disturbs between `go` and `stop`.
pub(super) fn serve(probes: usize) -> Result<()> {
    raise_file_limit()?;
    let disturbing = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&disturbing);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            told.store(line == "go", Ordering::SeqCst);
        }
        std::process::exit(0);
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let connections = Connections::default();
        tokio::spawn(disturb(Arc::clone(&connections), disturbing, probes));
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            tokio::spawn(answer(stream, Arc::clone(&connections)));
        }
    })
}

async fn disturb(connections: Connections, disturbing: Arc<AtomicBool>, probes: usize) {
    let mut ticks = interval(PAUSE);
    let mut count = 0;
    loop {
        ticks.tick().await;
        if !disturbing.load(Ordering::SeqCst) {
            continue;
        }
        count += 1;
        let number = count * STRIDE % probes;
        let control = connections.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if let Some(control) = control {
            if count % 2 == 0 {
                control.close.notify_one()
            } else {
                control.change.store(true, Ordering::SeqCst)
            }
        }
    }
}

/// Answers one connection. Its end is the other side's affair.
async fn answer(mut stream: TcpStream, connections: Connections) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let control = Arc::new(Control::default());
    let (mut heard, mut known, mut role) = (Vec::new(), None, "primary");
    loop {
        tokio::select! {
            count = stream.read_buf(&mut heard) => if count? == 0 { return Ok(()) },
            () = control.close.notified() => {
                // Before, so that nobody can see it earlier.
                report(known);
                return Ok(());
            }
        }
        let Some(number) = number(&heard) else { continue };
        heard.clear();
        if known.is_none() {
            known = Some(number);
            let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.insert(number, Arc::clone(&control));
        }
        if control.change.swap(false, Ordering::SeqCst) {
            role = if role == "primary" { "replica" } else { "primary" };
            report(known);
        }
        stream.write_all(format!("$13\r\nrole:{role}\r\n+{number}\r\n").as_bytes()).await?;
    }
}

/// Says that something happens now.
fn report(number: Option<usize>) {
    if let Some(number) = number {
        println!("{number} {}", nanoseconds(ClockId::Monotonic));
    }
}

/// The number of the probe in a whole request.
fn number(request: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(request).ok()?.strip_suffix("\r\n")?;
    text.split_once("ECHO ")?.1.parse().ok()
}
