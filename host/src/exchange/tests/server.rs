//! Peers that do as they are told.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// A pause that makes two writes two reads at the other end.
pub(super) const APART: Duration = Duration::from_millis(20);

/// Serves each connection with a function. It ends when it is dropped, and its
/// connections with it.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start<F>(serve: impl Fn(Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), serve).await
    }

    pub(super) async fn start_at<F>(address: SocketAddr, serve: impl Fn(Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (accepting, receiving) = (Arc::clone(&accepted), Arc::clone(&received));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                accepting.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(Peer { stream, received: Arc::clone(&receiving) }));
            }
        });
        Self { address, accepted, received, task }
    }

    /// Ends it and waits until it has ended.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// How many connections there were.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// All that came on all connections.
    pub(super) fn received(&self) -> String {
        String::from_utf8(self.received.lock().unwrap().clone()).unwrap()
    }

    /// How often a text came.
    pub(super) fn count(&self, text: &str) -> usize {
        self.received().matches(text).count()
    }
}

/// The server's end of a connection.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    /// Waits for these bytes, and nothing but these.
    pub(super) async fn hear(&mut self, expected: &str) -> io::Result<()> {
        let mut buffer = vec![0; expected.len()];
        self.stream.read_exact(&mut buffer).await?;
        self.received.lock().unwrap().extend_from_slice(&buffer);
        assert_eq!(String::from_utf8_lossy(&buffer), expected);
        Ok(())
    }

    /// One line, without its end; none when the other end closed.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte).await? == 0 {
                return Ok(None);
            }
            self.received.lock().unwrap().push(byte[0]);
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        Ok(Some(String::from_utf8(line).unwrap()))
    }

    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    /// Says it in pieces that arrive one by one.
    pub(super) async fn say_slowly(&mut self, pieces: &[&str]) -> io::Result<()> {
        for piece in pieces {
            self.say(piece).await?;
            sleep(APART).await;
        }
        Ok(())
    }

    /// Hears until the other end closes, and keeps what it said.
    pub(super) async fn linger(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer).await? {
                0 => return Ok(()),
                count => self.received.lock().unwrap().extend_from_slice(&buffer[..count]),
            }
        }
    }
}
