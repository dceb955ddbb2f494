//! The protocol of Redis, as much of it as a client needs that trusts its server.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};

/// How long a server may take to answer. Longer than any pause of a busy machine, and
/// short beside what is measured.
const ANSWER_MAX: Duration = Duration::from_millis(400);

/// How long it may take to connect.
const CONNECT_MAX: Duration = Duration::from_millis(200);

/// More than any reply that is asked for here has.
const LENGTH_MAX: usize = 64 * 1024 * 1024;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Integer(u64),
    Bulk(Vec<u8>),
    Nothing,
    Array(Vec<Reply>),
}

/// Who one is to a server: nobody, or a user with one of these passwords. While a
/// password is changed more than one may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    known: Arc<Mutex<(Option<String>, Vec<String>)>>,
    tls: Option<Tls>,
}

/// How one makes sure of a server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A connection to a server.
pub(crate) struct Connection {
    socket: TcpStream,
    stream: BufReader<Box<dyn Stream>>,
}

/// What bytes go through: a socket, or TLS on one.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Tls {
    /// By its name, and the authority that vouches for it.
    pub(crate) fn new(authority: &CertificateDer<'_>, name: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { config: Arc::new(config), name: ServerName::try_from(name.to_owned())? })
    }
}

impl Login {
    pub(crate) fn new(user: Option<String>, password: String) -> Self {
        Self { known: Arc::new(Mutex::new((user, vec![password]))), tls: None }
    }

    /// The same over TLS, or not.
    pub(crate) fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Tries this password first from now on.
    pub(crate) fn also(&self, password: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.insert(0, password.to_owned());
    }

    /// The commands that log in, in the order in which they are tried.
    fn commands(&self) -> Vec<Vec<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, passwords) = &*known;
        let command = |password: &String| {
            let words = ["AUTH".to_owned()].into_iter().chain(user.clone());
            words.chain([password.clone()]).collect()
        };
        passwords.iter().map(command).collect()
    }
}

impl Connection {
    /// Connects and logs in.
    pub(crate) fn open(address: SocketAddr, login: &Login) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        socket.set_write_timeout(Some(ANSWER_MAX))?;
        let plain = socket.try_clone()?;
        let stream: Box<dyn Stream> = match &login.tls {
            None => Box::new(plain),
            Some(tls) => {
                let session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
                Box::new(StreamOwned::new(session.map_err(io::Error::other)?, plain))
            }
        };
        let mut connection = Self { socket, stream: BufReader::new(stream) };
        let commands = login.commands();
        let mut refused = None;
        for command in &commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            match connection.ask(&words)? {
                Reply::Error(error) => refused = Some(error),
                _ => return Ok(connection),
            }
        }
        refused.map_or(Ok(connection), |error| Err(io::Error::new(io::ErrorKind::PermissionDenied, error)))
    }

    /// Waits so long for each answer.
    pub(crate) fn be_patient(&self, limit: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(limit))
    }

    /// Says a command and reads the answer.
    pub(crate) fn ask<T: AsRef<[u8]>>(&mut self, words: &[T]) -> io::Result<Reply> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            let word = word.as_ref();
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(word);
            command.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&command)?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let Some((kind, rest)) = line.split_at_checked(1) else { return Err(not_understood(line)) };
        let text = || rest.to_owned();
        let number = || rest.parse::<i64>().map_err(|_| not_understood(line));
        Ok(match kind {
            "+" => Reply::Simple(text()),
            "-" => Reply::Error(text()),
            ":" => Reply::Integer(number()?.try_into().map_err(|_| not_understood(line))?),
            "$" | "*" if number()? < 0 => Reply::Nothing,
            "$" => Reply::Bulk(self.bulk(length(number()?)?)?),
            "*" => Reply::Array((0..number()?).map(|_| self.read()).collect::<io::Result<_>>()?),
            _ => return Err(not_understood(line)),
        })
    }

    fn bulk(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length + b"\r\n".len()];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) | Self::Error(text) => formatter.write_str(text),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Bulk(bytes) => formatter.write_str(&String::from_utf8_lossy(bytes)),
            Self::Nothing => formatter.write_str("nothing"),
            Self::Array(replies) => write!(formatter, "{} replies", replies.len()),
        }
    }
}

fn length(number: i64) -> io::Result<usize> {
    let length = usize::try_from(number).ok().filter(|length| *length <= LENGTH_MAX);
    length.ok_or_else(|| not_understood(&number.to_string()))
}

fn not_understood(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {line:.80}"))
}
